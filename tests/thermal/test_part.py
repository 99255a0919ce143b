from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

import thermal.part
from cosmic.errors import PartError, ProcessError
from tests.thermal.outlines import geometry_of
from thermal.arrays import decode_geometry, encode_geometry
from thermal.manifest import IslandsUsed
from thermal.part import Part, load_part, make_part, part_digest, verify_part, write_part
from thermal.process import Process


def small_part(name: str = "block", process: Process | None = None) -> Part:
    process = process or Process()
    first = geometry_of(np.ones((8, 8), dtype=np.bool_), process)
    mask = np.ones((8, 8), dtype=np.bool_)
    mask[2:4, 2:6] = False
    row_col = geometry_of(mask, process)
    second = type(first)(
        1, row_col.dx_m, row_col.origin_m, row_col.row, row_col.col, row_col.cells, row_col.lengths,
        row_col.inputs, row_col.g,
    )  # fmt: skip
    return make_part(name, process, [first, second], [0, 0, 1, 0], cells=IslandsUsed(4, 0.25))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_part_comes_back_as_it_was_written(tmp_path: Path) -> None:
    part = small_part()
    written = write_part(part, tmp_path / "deep" / "block")
    loaded = load_part(tmp_path / "deep" / "block")
    for other in (written, loaded):
        assert other.digest == part.digest
        assert other.manifest == part.manifest
        assert other.layers == 4
        assert other.geometry_of(2).number == 1
        for here, there in zip(part.geometries, other.geometries, strict=True):
            assert np.array_equal(here.row, there.row)
            assert np.array_equal(here.col, there.col)
            assert all(np.array_equal(a, b) for a, b in zip(here.cells, there.cells, strict=True))
            assert np.array_equal(here.lengths, there.lengths)
            assert np.array_equal(here.g, there.g)
            assert abs(here.inputs - there.inputs).max() == 0
            assert here.distinct_lengths == there.distinct_lengths
            assert there.window_s(0, part.process) == pytest.approx(here.lengths[0] * 0.25e-3)
    assert names(tmp_path / "deep" / "block") == ["geometry-0000.npz", "geometry-0001.npz", "part.json"]


def test_arrays_of_a_loaded_part_cannot_be_changed(tmp_path: Path) -> None:
    geometry = write_part(small_part(), tmp_path / "p").geometry_of(0)
    for array in (geometry.row, geometry.cells[0], geometry.lengths, geometry.g):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_the_same_part_has_the_same_digest_and_the_same_bytes(tmp_path: Path) -> None:
    one, other = write_part(small_part(), tmp_path / "one"), write_part(small_part(), tmp_path / "other")
    assert one.digest == other.digest == part_digest(one.manifest)
    for name in names(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_another_process_or_name_is_another_part() -> None:
    digests = {
        small_part().digest, small_part("other").digest, small_part(process=Process(power_W=210)).digest
    }  # fmt: skip
    assert len(digests) == 3


def test_whole_numbers_in_settings_are_the_same_part(tmp_path: Path) -> None:
    part = small_part(process=Process(power_W=210))
    assert part.digest == small_part(process=Process(power_W=210.0)).digest
    assert write_part(part, tmp_path / "p").digest == part.digest


def test_dense_operators_are_not_part_of_the_digest(tmp_path: Path) -> None:
    digest = write_part(small_part(), tmp_path / "p").digest
    (tmp_path / "p" / "operators").mkdir()
    (tmp_path / "p" / "operators" / "anything.npy").write_bytes(b"x")
    assert load_part(tmp_path / "p").digest == digest


def test_an_existing_folder_is_replaced_only_by_force(tmp_path: Path) -> None:
    write_part(small_part(), tmp_path / "p")
    with pytest.raises(PartError, match="exists already"):
        write_part(small_part("new"), tmp_path / "p")
    assert load_part(tmp_path / "p").name == "block"
    assert write_part(small_part("new"), tmp_path / "p", force=True).name == "new"
    assert names(tmp_path) == ["p"]


def test_force_never_replaces_what_is_not_a_part(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letters.txt").write_text("dear")
    with pytest.raises(PartError, match="not a part"):
        write_part(small_part(), tmp_path / "home", force=True)
    assert (tmp_path / "home" / "letters.txt").read_text() == "dear"


def test_replacing_also_works_where_names_cannot_be_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thermal.exchange._exchange", lambda _one, _other: False)
    write_part(small_part(), tmp_path / "p")
    assert write_part(small_part("new"), tmp_path / "p", force=True).name == "new"
    assert names(tmp_path) == ["p"]


@pytest.mark.parametrize("step", ["_write", "load_part", "put_in_place"])
def test_a_failure_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    calls = 0

    def fail(*_: object) -> None:
        nonlocal calls
        calls += 1
        if step != "_write" or calls == 2:
            raise OSError(28, os.strerror(28))

    monkeypatch.setattr(thermal.part, step, fail)
    with pytest.raises(PartError, match="No space left"):
        write_part(small_part(), tmp_path / "p")
    assert names(tmp_path) == []


def test_a_failed_replacement_leaves_the_old_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_part(small_part(), tmp_path / "p")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(thermal.part, "put_in_place", fail)
    with pytest.raises(KeyboardInterrupt):
        write_part(small_part("new"), tmp_path / "p", force=True)
    assert names(tmp_path) == ["p"]
    assert load_part(tmp_path / "p").name == "block"


def change_manifest(**values: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        document = json.loads((folder / "part.json").read_text())
        document.update(values)
        (folder / "part.json").write_text(json.dumps(document))

    return damage


def cut(name: str, size: int) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:size])

    return damage


def flip(folder: Path) -> None:
    content = bytearray((folder / "geometry-0001.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "geometry-0001.npz").write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / "part.json").unlink(), "part.json.*No such file.*part build"),
        (lambda folder: (folder / "geometry-0000.npz").unlink(), "geometry-0000.npz.*No such file"),
        (cut("part.json", 100), "part.json.*damaged"),
        (cut("part.json", 0), "part.json.*damaged"),
        (cut("geometry-0000.npz", 500), "geometry-0000.npz.*500 of.*SHA-256"),
        (flip, "geometry-0001.npz.*SHA-256"),
        (change_manifest(schema=3), "version 3.*reads version 2.*update"),
        (change_manifest(schema=1), "version 1.*build the part again"),
        (change_manifest(schema="one"), "damaged"),
        (change_manifest(surprise=1), "damaged.*surprise"),
        (change_manifest(layers=[0, 2]), "layers name no geometry"),
        (change_manifest(layers=[]), "layers name no geometry"),
    ],
)
def test_a_damaged_part_is_refused_naming_file_and_remedy(
    tmp_path: Path, damage: Callable[[Path], None], says: str
) -> None:
    write_part(small_part(), tmp_path / "p")
    damage(tmp_path / "p")
    with pytest.raises(PartError, match=says) as refused:
        verify_part(tmp_path / "p")
    assert refused.value.remedy
    assert refused.value.exit_code == 2


def test_a_manifest_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    write_part(small_part(), tmp_path / "p")
    document = json.loads((tmp_path / "p" / "part.json").read_text())
    document["geometries"][0]["file"] = "../secret.npz"
    (tmp_path / "p" / "part.json").write_text(json.dumps(document))
    with pytest.raises(PartError, match="elsewhere"):
        load_part(tmp_path / "p")


def test_process_settings_of_a_part_are_checked(tmp_path: Path) -> None:
    write_part(small_part(), tmp_path / "p")
    document = json.loads((tmp_path / "p" / "part.json").read_text())
    document["process"]["speed_m_s"] = -1
    (tmp_path / "p" / "part.json").write_text(json.dumps(document))
    with pytest.raises(ProcessError, match="speed_m_s"):
        load_part(tmp_path / "p")


def test_a_missing_layer_is_named() -> None:
    with pytest.raises(PartError, match="layers 0 to 3"):
        small_part().geometry_of(4)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("cells", lambda g: (*g.cells[:-1], g.cells[0]), "exactly once"),
        ("row", lambda g: g.row[::-1].copy(), "row-major"),
        ("g", lambda g: g.g[:-1], "length"),
        ("g", lambda g: g.g * np.nan, "inputs"),
    ],
)
def test_arrays_that_contradict_each_other_are_refused(field: str, value: Callable[..., object], says: str) -> None:
    geometry = small_part().geometries[0]
    fields = {name: getattr(geometry, name) for name in geometry.__dataclass_fields__}
    fields[field] = value(geometry)
    content = encode_geometry(type(geometry)(**fields))
    with pytest.raises(PartError, match=says):
        decode_geometry(content, 0, 2e-4, (0.0, 0.0), "file")


def test_a_part_is_loaded_without_the_geometry_libraries(tmp_path: Path) -> None:
    write_part(small_part(), tmp_path / "p")
    program = (
        "import sys\n"
        "for name in ('trimesh', 'shapely', 'networkx'): sys.modules[name] = None\n"
        "import thermal\n"
        "from thermal import load_part, order_layer\n"
        "import numpy as np\n"
        "part = load_part(sys.argv[1])\n"
        "print(order_layer(part, 0, np.full(64, 293.0)).order)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "p")],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert sorted(json.loads(done.stdout)) == [0, 1, 2, 3]


def test_the_manifest_is_readable_json_with_units_and_digests(tmp_path: Path) -> None:
    part = write_part(small_part(), tmp_path / "p")
    document = msgspec.json.decode((tmp_path / "p" / "part.json").read_bytes())
    assert document["schema"] == 2
    assert document["units"] == "SI"
    assert document["operator"] == {"variant": "polynomial", "tolerance": 1e-8, "inputs_dropped": 1e-8}
    assert all(len(entry["sha256"]) == 64 for entry in document["geometries"])
    assert len(part.digest) == 64
