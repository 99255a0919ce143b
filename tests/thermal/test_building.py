from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
import trimesh

from cosmic.errors import GeometryError
from tests.thermal.conftest import GEAR
from tests.thermal.solids import box, write_stl
from thermal.building import build_from_outline, build_part, island_elements, stripes_of
from thermal.part import Part
from thermal.process import Process

COARSE = Process(element_m=0.5e-3)


def test_the_gear_has_one_geometry_for_all_layers(gear: Part) -> None:
    assert gear.layers == 40
    assert len(gear.geometries) == 1
    assert gear.name == "gear"
    geometry = gear.geometry_of(39)
    assert geometry.elements == pytest.approx(2500, rel=0.02)
    assert sum(geometry.lengths) == geometry.elements
    assert len(geometry.cells) == 47


def test_the_same_file_gives_the_same_digest(gear: Part) -> None:
    again = build_part(GEAR, Process(element_m=0.4e-3), island_mm=3.2)
    assert again.digest == gear.digest
    assert build_part(GEAR, Process(element_m=0.4e-3), island_mm=2.4).digest != gear.digest


def test_layers_with_equal_elements_share_a_geometry(tmp_path: Path) -> None:
    steps = trimesh.util.concatenate(
        [box(20, 20, 0.2), box(10, 10, 0.4, at=(22, 0, 0)), box(5, 5, 0.4, at=(0, 22, 0))]
    )
    part = build_part(write_stl(steps, tmp_path / "steps.stl"), COARSE)
    assert part.layers == 8
    assert len(part.geometries) == 2
    assert part.manifest.layers == (0, 0, 0, 0, 1, 1, 1, 1)
    low, high = part.geometry_of(0), part.geometry_of(7)
    assert low.origin_m == high.origin_m  # one grid for the part: equal squares lie above each other
    squares = set(zip(low.row.tolist(), low.col.tolist(), strict=True))
    assert set(zip(high.row.tolist(), high.col.tolist(), strict=True)) < squares
    assert part.largest is low


def test_only_the_lowest_layers_where_asked(tmp_path: Path) -> None:
    file = write_stl(box(20, 20, 1), tmp_path / "box.stl")
    assert build_part(file, COARSE, layers=3, name="slab").layers == 3
    for layers in (0, 21):
        with pytest.raises(GeometryError, match="from 1 to 20"):
            build_part(file, COARSE, layers=layers)


def test_a_layer_thinner_than_an_element_has_no_area(tmp_path: Path) -> None:
    wall = trimesh.util.concatenate([box(20, 20, 0.2), box(0.1, 20, 0.4, at=(23.8, 0, 0))])
    with pytest.raises(GeometryError, match="layer 4 has no area"):
        build_part(write_stl(wall, tmp_path / "wall.stl"), COARSE)


def test_progress_is_told_to_the_end() -> None:
    told: list[tuple[str, int, int]] = []
    build_from_outline(
        shapely.box(0, 0, 10, 10), "square", COARSE, layers=3, progress=lambda *step: told.append(step)
    )
    assert ("slicing", 3, 3) in told
    what, done, total = told[-1]
    assert "inputs" in what
    assert done == total


def test_islands_are_whole_elements() -> None:
    assert island_elements(3.2, 0.4) == 8
    assert island_elements(None, 0.2) == 14
    assert island_elements(None, 0.4) == 7
    with pytest.raises(GeometryError, match=r"use 3.2 or 3.6 mm"):
        island_elements(3.3, 0.4)
    with pytest.raises(GeometryError, match="not a whole number"):
        island_elements(0.1, 0.4)


def test_the_grid_is_where_the_part_is() -> None:
    geometry = build_from_outline(shapely.box(5, 7, 15, 17), "square", COARSE).geometry_of(0)
    assert geometry.origin_m == pytest.approx((5e-3, 7e-3))
    assert np.array_equal(np.unique(geometry.row), np.arange(20))
    assert geometry.area_m2 == pytest.approx(1e-4)


def test_no_layers_are_refused() -> None:
    with pytest.raises(GeometryError, match="0 layers"):
        build_from_outline(shapely.box(0, 0, 5, 5), "square", COARSE, layers=0)


def test_an_outline_that_crosses_itself_is_refused() -> None:
    with pytest.raises(GeometryError, match="crosses or touches itself"):
        build_from_outline(shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)]), "bow tie", COARSE)
    with pytest.raises(GeometryError, match="no area"):
        build_from_outline(shapely.LineString([(0, 0), (10, 10)]), "line", COARSE)


@pytest.mark.parametrize(("width_mm", "length_mm"), [(0.4, None), (5.0, 0.1), (float("nan"), None), (1e9, None)])
def test_stripes_of_impossible_sizes_are_refused(width_mm: float, length_mm: float | None) -> None:
    with pytest.raises(GeometryError, match="mm is not possible"):
        stripes_of(width_mm, 0.0, 0.0, length_mm, COARSE)
    with pytest.raises(GeometryError, match="not a finite number"):
        stripes_of(5.0, float("inf"), 0.0, None, COARSE)
