from __future__ import annotations

from pathlib import Path

import pytest
import trimesh

from cosmic.errors import GeometryError
from tests.thermal.solids import box
from thermal.slicing import layer_count, outlines
from thermal.solid import Solid, read_solid

NIST = Path(__file__).parents[2] / ".." / "shared" / "data" / "nist-test-artifact.stl"


def test_layers_are_those_whose_middle_is_in_the_solid() -> None:
    for height, layers in ((0.05, 1), (0.06, 1), (0.076, 2), (2.0, 40), (1.99, 40)):
        assert layer_count(Solid(box(20, 20, height), "box"), 0.05) == layers
    with pytest.raises(GeometryError, match="0 layers"):
        layer_count(Solid(box(20, 20, 0.02), "box"), 0.05)


def test_an_outline_keeps_its_holes() -> None:
    tube = trimesh.creation.annulus(5, 10, 2, sections=64)
    tube.apply_translation([0, 0, 1])
    (outline,) = outlines(Solid(tube, "tube"), 2.0, 1)
    assert len(outline.interiors) == 1
    assert outline.area == pytest.approx(tube.volume / 2, rel=1e-6)


def test_an_island_in_a_hole_is_scanned() -> None:
    tube = trimesh.creation.annulus(5, 10, 2, sections=64)
    tube.apply_translation([0, 0, 1])
    pin = trimesh.creation.cylinder(2, 2, sections=32)
    pin.apply_translation([0, 0, 1])
    both = trimesh.util.concatenate([tube, pin])
    (outline,) = outlines(Solid(both, "pin"), 2.0, 1)
    assert len(outline.geoms) == 2
    assert outline.area == pytest.approx(both.volume / 2, rel=1e-6)


def test_a_cut_through_a_face_takes_what_is_above_it(tmp_path: Path) -> None:
    steps = trimesh.util.concatenate([box(20, 20, 1), box(10, 10, 1, at=(30, 0, 0)), box(5, 5, 2, at=(0, 30, 0))])
    areas = [outline.area for outline in outlines(Solid(steps, "steps"), 2 / 3, 3)]  # the second cut is at 1 mm
    assert areas == pytest.approx([525, 25, 25], rel=1e-6)


def test_outlines_of_a_cone_shrink() -> None:
    cone = trimesh.creation.cone(10, 10, sections=64)
    areas = [outline.area for outline in outlines(Solid(cone, "cone"), 0.5, 20)]
    assert areas == sorted(areas, reverse=True)
    assert sum(areas) * 0.5 == pytest.approx(cone.volume, rel=0.01)


def test_a_layer_without_area_is_named_with_its_height() -> None:
    gap = trimesh.util.concatenate([box(20, 20, 1), box(20, 20, 1, at=(0, 0, 1.2))])
    with pytest.raises(GeometryError, match=r"layer 10 at 1.05 mm has no area"):
        list(outlines(Solid(gap, "gap"), 0.1, 22))


def test_bodies_that_overlap_are_scanned_once() -> None:
    crossing = trimesh.util.concatenate([box(20, 20, 1), box(20, 20, 1, at=(10, 10, 0))])
    (outline,) = outlines(Solid(crossing, "crossing"), 1.0, 1)
    assert outline.area == pytest.approx(700, rel=1e-6)


def test_a_closed_cavity_is_not_scanned() -> None:
    cavity = box(10, 10, 1, at=(5, 5, 0.5))
    cavity.invert()
    hollow = trimesh.util.concatenate([box(20, 20, 2), cavity])
    (outline,) = outlines(Solid(hollow, "hollow"), 2.0, 1)
    assert outline.area == pytest.approx(300, rel=1e-6)


@pytest.mark.skipif(not NIST.is_file(), reason="the NIST test artifact is not on this machine")
def test_a_real_part_has_the_area_of_its_solid() -> None:
    solid = read_solid(NIST)
    assert solid.height_mm == pytest.approx(17)
    areas = [outline.area for outline in outlines(solid, 1.0, 17)]
    assert areas[0] == pytest.approx(9870, rel=0.01)
    assert sum(areas) == pytest.approx(solid.mesh.volume, rel=0.02)


def test_a_wall_of_zero_thickness_is_named() -> None:
    sheet = box(10, 1, 1, at=(20, 5, 0))
    sheet.vertices[:, 1] = 5.0  # both sides in one plane: closed, and nothing inside
    walled = trimesh.util.concatenate([box(20, 20, 1), sheet])
    with pytest.raises(GeometryError, match="wall of zero thickness") as refused:
        list(outlines(Solid(walled, "wall"), 1.0, 1))
    assert "give the wall a thickness" in refused.value.remedy


def test_an_outline_that_is_inside_out_is_named() -> None:
    inverted = box(5, 5, 1, at=(30, 0, 0))
    inverted.invert()
    crossed = trimesh.util.concatenate([box(20, 20, 1), inverted])
    with pytest.raises(GeometryError, match="crosses itself"):
        list(outlines(Solid(crossed, "crossed"), 1.0, 1))
