"""`cosmic-cloud part` and `cosmic-cloud order`: documents, exit codes, one-line errors, nothing half-written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from cloud.commands import order, part
from cosmic.commands import run
from tests.thermal.solids import box, write_stl

ROOT = Path(__file__).parents[2]
GEAR = ROOT / "examples" / "gear.stl"
BUILD = ["--element", "0.4", "--island", "3.2"]

Cosmic = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cosmic(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cosmic:
    """Run a command line; return exit code, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer()
    app.add_typer(part.app, name="part")
    app.command("order")(order.order)

    def call(*words: object) -> tuple[int, str, str]:
        code = run(app, "cosmic-cloud", [str(word) for word in words])
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture(scope="session")
def gear_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from thermal.building import build_part
    from thermal.part import write_part
    from thermal.process import Process

    folder = tmp_path_factory.mktemp("parts") / "gear"
    write_part(build_part(GEAR, Process(element_m=0.4e-3), island_mm=3.2), folder)
    return folder


def document(answer: tuple[int, str, str]) -> dict[str, Any]:
    code, out, _ = answer
    assert code == 0
    found: dict[str, Any] = json.loads(out)
    return found


def refused(answer: tuple[int, str, str], *says: str) -> None:
    code, _, err = answer
    assert code == 2
    assert err.count("\n") == 1
    for words in says:
        assert words in err


def test_build_and_show_say_the_same_of_the_gear(cosmic: Cosmic, tmp_path: Path) -> None:
    built = document(cosmic("part", "build", GEAR, "-o", tmp_path / "gear", *BUILD, "--json"))
    assert built["elements"] == pytest.approx(2500, rel=0.02)
    assert built["cells"] == 47
    assert built["layers"] == 40
    assert built["geometries"] == 1
    assert 1 <= built["distinct_operators"] <= 47
    assert len(built["digest"]) == 64
    assert built["window_ms"]["min"] <= built["window_ms"]["mean"] <= built["window_ms"]["max"]
    assert built["area_cm2"] == pytest.approx(4, rel=0.02)
    assert built["duration_s"] == pytest.approx(40 * (15 + built["layer_s"]), rel=1e-6)
    assert built["bytes"] == (tmp_path / "gear" / "geometry-0000.npz").stat().st_size
    assert len(built["geometry"]) == 1
    assert document(cosmic("part", "show", tmp_path / "gear", "--json")) == built


def test_show_prints_a_table_for_people(cosmic: Cosmic, gear_folder: Path) -> None:
    code, out, _ = cosmic("part", "show", gear_folder)
    assert code == 0
    assert "47, 11 distinct operators" in out
    assert document(cosmic("part", "show", gear_folder, "--json"))["digest"] in out


def test_process_settings_come_from_file_and_words(cosmic: Cosmic, tmp_path: Path) -> None:
    (tmp_path / "steel.toml").write_text("power_W = 280\nspreading_s = 10\n")
    built = document(
        cosmic(
            "part", "build", GEAR, "-o", tmp_path / "g", *BUILD, "--process", tmp_path / "steel.toml",
            "--set", "speed_m_s=0.6", "--layers", 2, "--name", "my gear", "--json",
        )
    )  # fmt: skip
    assert built["process"]["power_W"] == 280
    assert built["process"]["speed_m_s"] == 0.6
    assert built["process"]["element_m"] == 0.4e-3
    assert (built["name"], built["layers"]) == ("my gear", 2)


def test_sample_makes_a_part_of_the_area(cosmic: Cosmic, tmp_path: Path) -> None:
    made = document(
        cosmic("part", "sample", "segmented-gear", "--area", 4, "-o", tmp_path / "s", "--layers", 3, "--json")
    )
    assert made["area_cm2"] == pytest.approx(4, rel=0.01)
    assert (made["layers"], made["geometries"]) == (3, 1)


def test_dense_operators_are_written_beside_and_can_be_added_later(cosmic: Cosmic, tmp_path: Path) -> None:
    file = write_stl(box(12, 12, 0.1), tmp_path / "box.stl")
    words = ["part", "build", file, "-o", tmp_path / "p", *BUILD, "--json"]
    first = document(cosmic(*words))
    dense = document(cosmic(*words, "--operators", "dense", "--blocks", "2x2", "--precision", "float32"))
    assert dense["digest"] == first["digest"]
    blocks = tmp_path / "p" / "operators" / "geometry-0000" / "float32-2x2"
    assert len(list(blocks.glob("length-*-block-?-?.npy"))) == 4 * dense["distinct_operators"]
    ordered = document(
        cosmic(
            "order", tmp_path / "p", "--operator", "dense", "--blocks", "2x2", "--precision", "float32", "--json"
        )
    )
    assert (ordered["operator"], ordered["tolerance"]) == ("dense", 1e-6)
    other = ["part", "build", file, "-o", tmp_path / "p", "--element", "0.6", "--operators", "dense"]
    refused(cosmic(*other), "exists already", "--force")


def test_an_existing_part_is_replaced_only_by_force(cosmic: Cosmic, tmp_path: Path) -> None:
    words = ["part", "build", GEAR, "-o", tmp_path / "g", "--layers", "1", "--json"]
    first = document(cosmic(*words, *BUILD))
    refused(cosmic(*words, "--element", "0.5"), "exists already", "--force")
    second = document(cosmic(*words, "--element", "0.5", "--force"))
    assert second["digest"] != first["digest"]
    assert [path.name for path in tmp_path.iterdir()] == ["g"]


@pytest.mark.parametrize("operator", ["polynomial", "steps", "dense"])
def test_order_gives_every_cell_and_its_uniformity(cosmic: Cosmic, gear_folder: Path, operator: str) -> None:
    ordered = document(cosmic("order", gear_folder, "--operator", operator, "--json"))
    assert sorted(ordered["order"]) == list(range(47))
    assert len(ordered["uniformity"]) == 47
    assert ordered["normaliser_K"] == 1674
    assert (ordered["rule"], ordered["operator"], ordered["layer"]) == ("input", operator, 0)
    assert ordered["order"] == document(cosmic("order", gear_folder, "--json"))["order"]


def test_order_takes_a_map_and_printed_cells(cosmic: Cosmic, gear_folder: Path, tmp_path: Path) -> None:
    elements = document(cosmic("part", "show", gear_folder, "--json"))["elements"]
    map_K = np.random.default_rng(1).normal(330, 20, elements).astype(np.float32)
    np.save(tmp_path / "map.npy", map_K)
    words = ["order", gear_folder, "--map", tmp_path / "map.npy", "--layer", 7, "--json"]
    whole = document(cosmic(*words))
    assert whole["layer"] == 7
    assert whole["order"] != document(cosmic("order", gear_folder, "--json"))["order"]
    resumed = document(cosmic(*words, "--printed", ",".join(map(str, whole["order"][:5]))))
    assert resumed["order"] == whole["order"]
    code, out, _ = cosmic(*words[:-1])
    assert code == 0
    assert f"order: {' '.join(map(str, whole['order']))}" in out


def empty(path: Path) -> Path:
    path.touch()
    return path


def opened(path: Path) -> Path:
    mesh = box(20, 10, 2)
    mesh.update_faces([False] + [True] * (len(mesh.faces) - 1))
    return write_stl(mesh, path)


def gapped(path: Path) -> Path:
    import trimesh

    return write_stl(trimesh.util.concatenate([box(20, 20, 1), box(20, 20, 1, at=(0, 0, 1.2))]), path)


@pytest.mark.parametrize(
    ("make", "words", "says"),
    [
        (empty, [], ["the file is empty", "export it again"]),
        (opened, [], ["not watertight", "repair it"]),
        (lambda path: write_stl(box(2, 1, 0.2), path), [], ["inches by the look of it", "--units inch"]),
        (lambda path: write_stl(box(300, 20, 2), path), [], ["250 x 250 x 300 mm", "--plate"]),
        (gapped, [], ["layer 20 at 1.025 mm has no area"]),
        (lambda path: path, [], ["No such file"]),
        (lambda path: write_stl(box(20, 20, 1), path), ["--set", "speed_m_s=900"], ["speed_m_s = 900", "50"]),
        (
            lambda path: write_stl(box(20, 20, 1), path),
            ["--set", "speed_m_s=0.001", "--set", "conductivity_W_mK=400"],
            ["sub-steps", "raise speed_m_s"],
        ),
        (lambda path: write_stl(box(20, 20, 1), path), ["--set", "speed=1"], ["did you mean speed_m_s"]),
        (lambda path: write_stl(box(20, 20, 1), path), ["--island", "3.3"], ["whole number of elements"]),
        (lambda path: write_stl(box(20, 20, 1), path), ["--element", "0"], ["element_m = 0"]),
        (lambda path: write_stl(box(20, 20, 1), path), ["--units", "ell"], ["mm, cm, m, inch"]),
        (lambda path: write_stl(box(20, 20, 1), path), ["--layers", "21"], ["from 1 to 20"]),
        (lambda path: write_stl(box(20, 20, 1), path), ["--plate", "big"], ["250x250x300"]),
        (lambda path: write_stl(box(20, 20, 1), path), ["--operators", "dense", "--blocks", "4"], ["4x1"]),
        (lambda path: write_stl(box(20, 20, 1), path), ["--operators", "magic"], ["--operators dense"]),
    ],
)
def test_bad_input_is_one_line_with_a_remedy_and_leaves_nothing(
    cosmic: Cosmic, tmp_path: Path, make: Callable[[Path], Path], words: list[str], says: list[str]
) -> None:
    file = make(tmp_path / "solid.stl")
    refused(cosmic("part", "build", file, "-o", tmp_path / "out", *words), *says)
    assert {path.name for path in tmp_path.iterdir()} <= {"solid.stl"}


def test_a_refusal_is_a_document_too(cosmic: Cosmic, tmp_path: Path) -> None:
    code, out, _ = cosmic("part", "show", tmp_path / "none", "--json")
    assert code == 2
    assert json.loads(out)["error"] == "PartError"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (lambda n: np.full(n - 1, 293.0), ["this layer has"]),
        (lambda n: np.where(np.arange(n) == 3, np.nan, 293.0), ["element 3 is nan"]),
        (lambda n: np.where(np.arange(n) == 4, 5001.0, 293.0), ["element 4 is 5001 K", "0 and 5000 K"]),
        (lambda n: np.where(np.arange(n) == 5, -0.5, 293.0), ["element 5 is -0.5 K"]),
        (lambda n: np.array(["293"] * n), ["dtype"]),
        (lambda n: np.array([None] * n), ["not a complete npy array", "numpy.save"]),
    ],
)
def test_an_impossible_map_is_refused(
    cosmic: Cosmic, gear_folder: Path, tmp_path: Path, content: Callable[[int], Any], says: list[str]
) -> None:
    elements = document(cosmic("part", "show", gear_folder, "--json"))["elements"]
    np.save(tmp_path / "map.npy", content(elements))
    refused(cosmic("order", gear_folder, "--map", tmp_path / "map.npy"), "map.npy", *says)


@pytest.mark.parametrize("content", [b"", b"kelvin", b"\x93NUMPY\x01\x00", b"PK\x03\x04"])
def test_a_file_that_is_no_map_is_refused(
    cosmic: Cosmic, gear_folder: Path, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "map.npy").write_bytes(content)
    refused(cosmic("order", gear_folder, "--map", tmp_path / "map.npy"), "map.npy", "numpy.save")
    np.savez(tmp_path / "maps.npz", a=np.zeros(3))
    refused(cosmic("order", gear_folder, "--map", tmp_path / "maps.npz"), "archive")
    refused(cosmic("order", gear_folder, "--map", tmp_path / "none.npy"), "No such file")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--layer", "40"], ["layers 0 to 39"]),
        (["--rule", "best"], ["there is no rule 'best'", "input"]),
        (["--operator", "magic"], ["polynomial, steps, dense"]),
        (["--operator", "dense", "--blocks", "0x1"], ["4x1"]),
        (["--printed", "1,1"], ["occurs twice"]),
        (["--printed", "48"], ["cells 0 to 46"]),
        (["--printed", "one"], ["3,17,4"]),
    ],
)
def test_words_that_make_no_order_are_refused(
    cosmic: Cosmic, gear_folder: Path, words: list[str], says: list[str]
) -> None:
    refused(cosmic("order", gear_folder, *words), *says)


def test_a_damaged_part_is_refused(cosmic: Cosmic, tmp_path: Path) -> None:
    file = write_stl(box(12, 12, 0.1), tmp_path / "box.stl")
    document(cosmic("part", "build", file, "-o", tmp_path / "p", *BUILD, "--json"))
    array = tmp_path / "p" / "geometry-0000.npz"
    content = array.read_bytes()
    array.write_bytes(content[:-1])
    refused(cosmic("part", "show", tmp_path / "p"), "geometry-0000.npz", "SHA-256", "build the part again")
    array.write_bytes(content)
    manifest = tmp_path / "p" / "part.json"
    manifest.write_text(manifest.read_text().replace('"schema": 2', '"schema": 3'))
    refused(cosmic("order", tmp_path / "p"), "version 3", "update cosmic-lpbf")


@pytest.mark.parametrize("words", [["part", "build"], ["part", "show"], ["part", "sample"], ["order"]])
def test_help_ends_with_an_example(cosmic: Cosmic, words: list[str]) -> None:
    code, out, _ = cosmic(*words, "--help")
    assert code == 0
    assert f"Example: cosmic-cloud {' '.join(words)}" in " ".join(out.split())


def test_help_needs_no_numerics() -> None:
    program = (
        "import sys, cloud.commands.part, cloud.commands.order\n"
        "print([name for name in ('numpy', 'scipy', 'trimesh', 'shapely') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_stripes_and_their_distribution_of_windows(cosmic: Cosmic, tmp_path: Path) -> None:
    file = write_stl(box(20, 10, 0.2), tmp_path / "box.stl")
    words = ["--partition", "stripes", "--stripe-width", 2, "--stripe-angle", 0, "--stripe-rotation", 90]
    built = document(cosmic("part", "build", file, "-o", tmp_path / "p", "--element", "0.5", *words, "--json"))
    assert built["partition"]["kind"] == "stripes"
    assert (built["geometries"], built["layers"], built["cells"]) == (2, 4, 5)
    window = built["window_ms"]
    assert (
        window["min"] <= window["lower_quartile"] <= window["median"] <= window["upper_quartile"] <= window["max"]
    )
    assert sum(window["histogram"]["cells"]) == built["cells"]


def test_a_build_file_is_built_with_its_own_cells(cosmic: Cosmic, tmp_path: Path) -> None:
    from tests.thermal.buildfiles import Drawn, ascii_file, filled, put_file

    layer = Drawn(0.05, [(1, 1, [(0, 0), (10, 0), (10, 5), (0, 5)])], [(1, filled(0, 0, 10, 5, 0.1))])
    file = put_file(tmp_path / "plate.cli", ascii_file([layer]))
    words = ["part", "build", file, "--element", "0.5", "--json"]
    assert document(cosmic(*words, "-o", tmp_path / "h", "--cells", "hatches"))["cells"] == 1
    assert document(cosmic(*words, "-o", tmp_path / "i", "--island", "2.5"))["cells"] == 8
    lazy = document(cosmic(*words, "-o", tmp_path / "l", "--island", "2.5", "--lazy"))
    assert lazy["geometry"][0]["inputs"] == "derived"
    assert sorted(document(cosmic("order", tmp_path / "l", "--json"))["order"]) == list(range(8))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--partition", "spirals"], ["islands or stripes"]),
        (["--cells", "drawn"], ["partition or hatches"]),
        (["--stripe-width", "5"], ["--partition stripes"]),
        (["--cells", "hatches"], ["no hatches to take as cells", "leave --cells hatches out"]),
        (["--cells", "hatches", "--island", "2.5"], ["leave one of them out"]),
        (["--partition", "stripes", "--island", "2.5"], ["use --stripe-width"]),
        (["--partition", "stripes", "--stripe-width", "0.1"], ["0.1 mm is not possible"]),
        (["--elements-max", "100"], ["at most 100 are allowed (--elements-max)"]),
    ],
)
def test_cells_that_cannot_be_made_are_refused(
    cosmic: Cosmic, tmp_path: Path, words: list[str], says: list[str]
) -> None:
    file = write_stl(box(20, 10, 0.2), tmp_path / "box.stl")
    refused(cosmic("part", "build", file, "-o", tmp_path / "p", "--element", "0.5", *words), *says)
    assert [path.name for path in tmp_path.iterdir()] == ["box.stl"]


def test_show_draws_the_cells(cosmic: Cosmic, gear_folder: Path, tmp_path: Path) -> None:
    document(cosmic("part", "show", gear_folder, "--plot", tmp_path / "cells.png", "--layer", 2, "--json"))
    assert (tmp_path / "cells.png").stat().st_size > 10_000
    refused(cosmic("part", "show", gear_folder, "--plot", tmp_path / "c.png", "--layer", 99), "layers 0 to 39")


def test_samples_prints_a_line_a_job(cosmic: Cosmic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thermal.jobs.JOB_AREAS_CM2", (0.5,))
    words = ["part", "samples", "-o", tmp_path / "jobs", "--layers", 2, "--processes", 1]
    made = document(cosmic(*words, "--json"))["jobs"]
    assert len(made) == 10
    assert {"elements", "cells", "distinct_operators", "window_ms", "dense_float64_bytes"} <= set(made[0])
    code, out, _ = cosmic(*words)
    assert code == 0
    assert len(out.strip().splitlines()) == 11


NIST = ROOT / ".." / "shared" / "data" / "nist-test-artifact.stl"


@pytest.mark.skipif(not NIST.is_file(), reason="the NIST test artifact is not on this machine")
def test_a_real_part_is_built(cosmic: Cosmic, tmp_path: Path) -> None:
    built = document(cosmic("part", "build", NIST, "-o", tmp_path / "nist", "--layers", 1, "--json"))
    assert built["elements"] == pytest.approx(247_000, rel=0.005)
    whole = ["part", "build", NIST, "-o", tmp_path / "coarse", "--element", "1", "--lazy", "--json"]
    assert document(cosmic(*whole))["layers"] == 340
