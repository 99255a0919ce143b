"""Building into a folder: the same part however it is built, resumable, nothing half-written."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import box

import thermal.preparing.folder
from cosmic.errors import GeometryError, PartError
from thermal.building import IslandsUsed, StripesUsed, build_folder, build_in_memory
from thermal.part import load_part, verify_part
from thermal.preparing.workers import write_geometry
from thermal.process import Process
from thermal.sources.interface import Layer, OutlineLayer

COARSE = Process(element_m=0.5e-3)
ISLANDS = IslandsUsed(5, 0.25)


class Steps:
    """Layers that become narrower, each outline twice."""

    name = "steps"
    bounds_mm = (0.0, 0.0, 20.0, 10.0)
    layers = 8
    layer_m: float | None = None

    def __init__(self, fails_at: int | None = None) -> None:
        self._fails_at = fails_at

    def __iter__(self) -> Iterator[Layer]:
        for layer in range(self.layers):
            if layer == self._fails_at:
                raise GeometryError("the layer cannot be read", remedy="export it again")
            yield OutlineLayer(box(0, 0, 20 - 2 * (layer // 2), 10))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_holds_the_part_that_is_built_in_memory(tmp_path: Path) -> None:
    built = build_folder(Steps(), tmp_path / "p", COARSE, ISLANDS)
    assert built.digest == build_in_memory(Steps(), COARSE, ISLANDS).digest
    assert built.manifest.layers == (0, 0, 1, 1, 2, 2, 3, 3)
    assert names(tmp_path) == ["p"]
    assert (tmp_path / "p").stat().st_mode & 0o777 == 0o755
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in (tmp_path / "p").iterdir())


def test_processes_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thermal.preparing.folder, "WORTH_A_PROCESS", 0)
    told: list[tuple[str, int, int]] = []
    parallel = build_folder(
        Steps(), tmp_path / "p", COARSE, ISLANDS, processes=2, progress=lambda *step: told.append(step)
    )
    assert parallel.digest == build_in_memory(Steps(), COARSE, ISLANDS).digest
    assert ("inputs of geometries", 4, 4) in told


def test_an_interrupted_build_goes_on_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[str] = []

    def write(layer: Any, process: Any, file: Path, **words: Any) -> tuple[str, int]:
        if len(computed) == 2 and not resumed:
            raise KeyboardInterrupt
        computed.append(file.name)
        return write_geometry(layer, process, file, **words)

    resumed = False
    monkeypatch.setattr(thermal.preparing.folder, "write_geometry", write)
    with pytest.raises(KeyboardInterrupt):
        build_folder(Steps(), tmp_path / "p", COARSE, ISLANDS, processes=1)
    assert names(tmp_path) == [".p.work"]  # nobody takes it for a part: no manifest, a dot before its name
    resumed = True
    part = build_folder(Steps(), tmp_path / "p", COARSE, ISLANDS, processes=1)
    assert len(computed) == len(set(computed)) == 4
    assert part.digest == build_in_memory(Steps(), COARSE, ISLANDS).digest
    assert names(tmp_path) == ["p"]


def test_other_settings_do_not_use_what_was_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GeometryError):
        build_folder(Steps(fails_at=7), tmp_path / "p", COARSE, ISLANDS, processes=1)
    hot = Process(element_m=0.5e-3, power_W=300)
    part = build_folder(Steps(), tmp_path / "p", hot, ISLANDS)
    assert part.digest == build_in_memory(Steps(), hot, ISLANDS).digest
    assert names(tmp_path) == ["p"]


def test_an_interrupt_drops_what_the_workers_have_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Executor):
        def submit(self, *_: Any, **__: Any) -> Future[Any]:
            raise KeyboardInterrupt

    @contextmanager
    def broken(_count: int) -> Iterator[Executor]:
        yield Broken()

    monkeypatch.setattr(thermal.preparing.folder, "WORTH_A_PROCESS", 0)
    monkeypatch.setattr(thermal.preparing.folder, "worker_processes", broken)
    with pytest.raises(KeyboardInterrupt):
        build_folder(Steps(), tmp_path / "p", COARSE, ISLANDS)
    assert names(tmp_path) == []


def test_a_layer_that_fails_leaves_no_part(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="cannot be read"):
        build_folder(Steps(fails_at=0), tmp_path / "p", COARSE, ISLANDS)
    assert names(tmp_path) == []


def test_two_builds_of_one_folder_do_not_meet(tmp_path: Path) -> None:
    (tmp_path / ".p.work").mkdir()
    with (tmp_path / ".p.work" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(PartError, match="being built already"):
            build_folder(Steps(), tmp_path / "p", COARSE, ISLANDS)


def test_a_lazy_part_has_the_same_inputs_when_they_are_used(tmp_path: Path) -> None:
    lazy = build_folder(Steps(), tmp_path / "lazy", COARSE, ISLANDS, lazy=True)
    whole = build_in_memory(Steps(), COARSE, ISLANDS)
    assert lazy.digest != whole.digest  # another manifest: it says that inputs are derived
    assert all(entry.inputs == "derived" for entry in lazy.manifest.geometries)
    assert names(tmp_path / "lazy") == [*(f"geometry-000{number}.npz" for number in range(4)), "part.json"]
    for here, there in zip(lazy.geometries, whole.geometries, strict=True):
        assert np.array_equal(here.inputs.toarray(), there.inputs.toarray())
        assert np.array_equal(here.g, there.g)
    assert len(names(tmp_path / "lazy" / "cache")) == 4
    assert verify_part(tmp_path / "lazy").digest == lazy.digest


def test_a_damaged_cache_is_computed_again(tmp_path: Path) -> None:
    part = build_folder(Steps(), tmp_path / "lazy", COARSE, ISLANDS, lazy=True)
    expected = part.geometries[0].g.copy()
    (file,) = (tmp_path / "lazy" / "cache").iterdir()
    content = bytearray(file.read_bytes())
    content[-200] ^= 1
    file.write_bytes(content)
    assert np.array_equal(load_part(tmp_path / "lazy").geometries[0].g, expected)


def test_stripes_that_turn_share_what_is_equal(tmp_path: Path) -> None:
    class Block(Steps):
        def __iter__(self) -> Iterator[Layer]:
            return (OutlineLayer(box(0, 0, 20, 10)) for _ in range(self.layers))

    turning = build_in_memory(Block(), COARSE, StripesUsed(5e-3, 0.0, 45.0))
    assert turning.manifest.layers == (0, 1, 2, 3, 0, 1, 2, 3)
    quarter = build_in_memory(Block(), COARSE, StripesUsed(5e-3, 0.0, 90.0))
    assert quarter.manifest.layers == (0, 1, 0, 1, 0, 1, 0, 1)
    wide = build_in_memory(Block(), COARSE, StripesUsed(50e-3, 3.0, 1.0))  # one stripe, whatever its direction
    assert len(wide.geometries) == 1


def test_a_layer_above_the_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="800 elements") as refused:
        build_folder(Steps(), tmp_path / "p", COARSE, ISLANDS, elements_max=799)
    assert "at most 799" in refused.value.why
    assert "--elements-max" in refused.value.why
    assert names(tmp_path) == []


def test_an_equal_part_is_left_where_asked(tmp_path: Path) -> None:
    build_folder(Steps(), tmp_path / "p", COARSE, ISLANDS)
    (tmp_path / "p" / "operators").mkdir()
    build_folder(Steps(), tmp_path / "p", COARSE, ISLANDS, keep_equal=True)
    assert (tmp_path / "p" / "operators").is_dir()
    with pytest.raises(PartError, match="exists already"):
        build_folder(Steps(), tmp_path / "p", COARSE, IslandsUsed(4, 0.25), keep_equal=True)
