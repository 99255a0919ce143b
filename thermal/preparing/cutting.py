"""Goes through the layers of a source: every distinct outline and cut once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import GeometryError
from thermal.elements import ELEMENTS_MAX, Grid, grid_over
from thermal.geometry import CutLayer
from thermal.manifest import CellsUsed, HatchesUsed, IslandsUsed
from thermal.partitions import cells_of_hatches, islands, stripes
from thermal.process import Process
from thermal.sources import Layer, Source

Progress = Callable[[str, int, int], None]
"""(what is being done, done, total)."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What becomes of one layer.

    Attributes:
        number: of its geometry, from 0 in the order in which they were met.
        layer: the elements and cells of a geometry met for the first time; None for one met before.
    """

    number: int
    layer: CutLayer | None


def cut_layers(
    source: Source,
    process: Process,
    cells: CellsUsed,
    *,
    elements_max: int = ELEMENTS_MAX,
    progress: Progress | None = None,
) -> Iterator[Cut]:
    """Yield for every layer of a source which geometry it has.

    Layers share a geometry where their elements and their cells are equal. Elements are compared exactly; an
    outline met before is not rasterised again, and elements met before are not cut again.

    Args:
        source: the layers.
        process: gives the side of an element.
        cells: how to cut; stripes that turn make other cells of equal outlines.
        elements_max: most elements that a layer may have.
        progress: told after every layer.

    Raises:
        GeometryError: a layer has no elements or too many, or its hatches make no cells.
    """
    grid = grid_over(source.bounds_mm, process.element_m * 1e3)
    by_drawing: dict[tuple[bytes, float], int] = {}
    by_elements: dict[tuple[bytes, float], int] = {}
    by_cells: dict[str, int] = {}
    for place, layer in enumerate(source):
        name = f"layer {place}"
        drawn = (layer.key, _phase(cells, place))
        number, new = by_drawing.get(drawn), None
        if number is None:
            row, col = layer.elements(grid)
            _check_size(row.size, source, place, grid, elements_max)
            squares = (hashlib.sha256(row.tobytes() + col.tobytes()).digest(), drawn[1])
            number = None if isinstance(cells, HatchesUsed) else by_elements.get(squares)
            if number is None:
                visits = _cells(row, col, cells, place, layer, grid, f"{source.name}, {name}")
                cut = CutLayer(process.element_m, grid.origin_m, row, col, visits)
                digest = cut.digest()
                if digest not in by_cells:
                    by_cells[digest] = len(by_cells)
                    new = cut
                number = by_cells[digest]
                by_elements[squares] = number
            by_drawing[drawn] = number
        if progress is not None:
            progress("slicing", place + 1, source.layers)
        yield Cut(number, new)


def _phase(cells: CellsUsed, layer: int) -> float:
    """Return what differs between the cuts of equal elements: the direction of stripes; 0 for the others."""
    return 0.0 if isinstance(cells, IslandsUsed | HatchesUsed) else cells.angle_of(layer)


def _cells(
    row: NDArray[np.int32],
    col: NDArray[np.int32],
    cells: CellsUsed,
    place: int,
    layer: Layer,
    grid: Grid,
    name: str,
) -> tuple[NDArray[np.int32], ...]:
    if isinstance(cells, IslandsUsed):
        return islands(row, col, cells.side_elements, cells.merged_below)
    if isinstance(cells, HatchesUsed):
        return cells_of_hatches(row, col, layer.hatches, grid, name)
    per_m = 1e3 / grid.dx_mm
    return stripes(
        row,
        col,
        cells.width_m * per_m,
        cells.angle_of(place),
        length=None if cells.length_m is None else cells.length_m * per_m,
        merged_below=cells.merged_below,
    )


def _check_size(elements: int, source: Source, place: int, grid: Grid, elements_max: int) -> None:
    if elements == 0:
        raise GeometryError(
            f"layer {place} has no area: no element of {grid.dx_mm:g} mm has its centre inside",
            where=source.name,
            remedy="use smaller elements",
        )
    if elements > elements_max:
        area_cm2 = elements * grid.dx_mm**2 / 100
        raise GeometryError(
            f"layer {place} has {elements} elements ({area_cm2:.4g} cm2)",
            where=source.name,
            why=f"at most {elements_max} are allowed (--elements-max)",
            remedy="use larger elements, or raise the limit",
        )
