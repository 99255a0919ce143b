from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cosmic.errors import GeometryError
from tests.thermal.buildfiles import Drawn, Points, ascii_file, binary_file, filled, put_file, square
from thermal.building import HatchesUsed, IslandsUsed, build_in_memory, build_part
from thermal.process import Process
from thermal.readers.commands import Polyline
from thermal.sources.buildfiles import BuildFileSource, outline_of

COARSE = Process(element_m=0.5e-3)


def plate(layers: int = 3, *, contours: bool = True, hatches: bool = True) -> list[Drawn]:
    """A plate of 10 x 5 mm in two groups of hatches, layers of 40 um."""
    return [
        Drawn(
            0.04 * (layer + 1),
            [(1, 1, [(0, 0), (10, 0), (10, 5), (0, 5)])] if contours else [],
            [(1, filled(0, 0, 5, 5, 0.1)), (1, filled(5, 0, 5, 5, 0.1))] if hatches else [],
        )
        for layer in range(layers)
    ]


def test_layers_heights_and_bounds_come_from_the_file(tmp_path: Path) -> None:
    source = BuildFileSource(put_file(tmp_path / "plate.cli", ascii_file(plate())))
    assert (source.name, source.layers, source.layer_m) == ("plate", 3, pytest.approx(40e-6))
    assert source.bounds_mm == (0, 0, 10, 5)
    part = build_in_memory(source, COARSE, IslandsUsed(5, 0.25))
    assert part.process.layer_m == pytest.approx(40e-6)
    assert (part.layers, len(part.geometries), part.geometry_of(0).elements) == (3, 1, 200)


def test_the_outline_is_cut_anew_unless_hatches_are_asked_for(tmp_path: Path) -> None:
    file = put_file(tmp_path / "plate.cli", binary_file(plate()))
    assert len(build_part(file, COARSE, island_mm=2.5).geometry_of(0).cells) == 8
    part = build_part(file, COARSE, cells=HatchesUsed())
    assert [cell.size for cell in part.geometry_of(0).cells] == [100, 100]


def test_without_polylines_the_outline_is_what_the_hatches_cover(tmp_path: Path) -> None:
    file = put_file(tmp_path / "plate.cli", ascii_file(plate(contours=False)))
    assert BuildFileSource(file).bounds_mm == pytest.approx((-0.05, 0, 10.05, 5), abs=0.051)
    part = build_part(file, COARSE, cells=HatchesUsed())
    assert part.geometry_of(0).elements == pytest.approx(200, abs=10)
    assert len(part.geometry_of(0).cells) == 2


def test_layers_of_equal_outlines_and_other_hatches_are_other_geometries(tmp_path: Path) -> None:
    layers = plate(4)
    for layer in layers[1::2]:
        layer.hatches = [(1, filled(0, 0, 10, 5, 0.1))]
    file = put_file(tmp_path / "plate.cli", ascii_file(layers))
    part = build_part(file, COARSE, cells=HatchesUsed())
    assert part.manifest.layers == (0, 1, 0, 1)
    assert build_part(file, COARSE).manifest.layers == (0, 0, 0, 0)


def ring(points: Points, direction: int) -> Polyline:
    return Polyline(1, direction, np.array(points, dtype=np.float64))


def test_holes_islands_in_holes_and_overlapping_models_come_out_right() -> None:
    nested = [ring(square(4, 4, 2), 1), ring(square(0, 0, 10), 1), ring(square(2, 2, 6), 0)]
    assert outline_of(nested, "layer").area == pytest.approx(100 - 36 + 4)
    overlapping = [ring(square(0, 0, 10), 1), ring(square(5, 5, 10), 1)]
    assert outline_of(overlapping, "layer").area == pytest.approx(175)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([ring([(0, 0), (10, 10), (10, 0), (0, 10), (0, 0)], 1)], "polyline 0 crosses itself"),
        ([ring([(0, 0), (10, 10), (10, 0), (1, 10), (0, 0)], 1)], "polyline 0 crosses itself"),
        ([ring(square(0, 0, 9), 1), ring([(0, 0), (10, 0), (5, 0), (0, 0)], 1)], "polyline 1 has no area"),
        ([ring([(0, 0), (10, 0)], 1)], "polyline 0 has no area"),
        ([ring(square(0, 0, 9), 0)], "enclose nothing"),
    ],
)
def test_an_outline_that_cannot_be_scanned_is_refused(lines: list[Polyline], says: str) -> None:
    with pytest.raises(GeometryError, match=says) as refused:
        outline_of(lines, "layer 7")
    assert refused.value.where == "layer 7"


def test_a_file_that_does_not_fit_the_plate_is_refused(tmp_path: Path) -> None:
    file = put_file(tmp_path / "plate.cli", ascii_file(plate(), units="100"))
    with pytest.raises(GeometryError, match=r"1000 x 500 x 12 mm"):
        BuildFileSource(file)


def test_a_layer_with_nothing_in_it_is_refused(tmp_path: Path) -> None:
    layers = [*plate(2), Drawn(1.0), Drawn(2.0, [(1, 1, square(0, 0, 5))])]
    with pytest.raises(GeometryError, match=r"layer 2 at 1 mm.*neither"):
        build_part(put_file(tmp_path / "gap.cli", ascii_file(layers)), COARSE)
    nothing = put_file(tmp_path / "nothing.cli", ascii_file([Drawn(1.0)]))
    with pytest.raises(GeometryError, match="neither closed polylines nor hatches"):
        BuildFileSource(nothing)


def test_only_the_lowest_layers_where_asked(tmp_path: Path) -> None:
    file = put_file(tmp_path / "plate.cli", ascii_file(plate(5)))
    assert BuildFileSource(file, layers=2).layers == len(list(BuildFileSource(file, layers=2))) == 2
    with pytest.raises(GeometryError, match="from 1 to 5"):
        BuildFileSource(file, layers=6)
