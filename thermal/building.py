"""Prepares a part: from a solid or an outline to geometries with cells and inputs.

Needs the `cloud` extra. Computes only; writing is part.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import GeometryError
from thermal.cells import MERGED_BELOW, islands
from thermal.elements import Grid, grid_over, rasterise
from thermal.extra import geometry_library
from thermal.geometry import Geometry
from thermal.inputs import inputs
from thermal.manifest import IslandsUsed
from thermal.part import Part, make_part
from thermal.process import Process
from thermal.slicing import LAYERS_MAX, layer_count, outlines
from thermal.solid import PLATE_MM, read_solid

ISLAND_MM = 2.8
"""Side of an island unless told: 14 elements of 0.2 mm, mean windows of 38 to 62 ms at 0.8 m/s."""

Progress = Callable[[str, int, int], None]
"""(what is being done, done, total)."""


def build_part(
    path: Path,
    process: Process | None = None,
    *,
    island_mm: float | None = None,
    units: str | None = None,
    layers: int | None = None,
    name: str | None = None,
    plate_mm: tuple[float, float, float] = PLATE_MM,
    progress: Progress | None = None,
) -> Part:
    """Prepare a part from an STL file.

    Args:
        path: the file.
        process: process settings; `element_m` is the side of an element and the hatch distance.
        island_mm: side of the islands, a whole number of elements; None: about 2.8 mm.
        units: of the file: mm, cm, m or inch; None: mm, and what looks like others is refused.
        layers: only so many layers from the plate up; None: all.
        name: of the part; None: the file's.
        plate_mm: what the printer can build, mm.
        progress: told at every step.

    Raises:
        GeometryError: the solid, a layer or the islands cannot be prepared.
        UsageError: the units are unknown, or the `cloud` extra is not installed.
    """
    process = process or Process()
    solid = read_solid(path, units, plate_mm)
    layer_mm = process.layer_m * 1e3
    height = layer_count(solid, layer_mm)
    count = height if layers is None else layers
    if not 1 <= count <= height:
        raise GeometryError(
            f"{count} layers are not possible",
            where=str(path),
            why=f"the solid has {height}",
            remedy=f"give --layers from 1 to {height}",
        )
    return _prepare(
        name or solid.name,
        process,
        solid.bounds_mm,
        outlines(solid, layer_mm, count),
        count,
        island_mm=island_mm,
        progress=progress,
    )


def build_from_outline(
    outline: Any,
    name: str,
    process: Process | None = None,
    *,
    layers: int = 1,
    island_mm: float | None = None,
    progress: Progress | None = None,
) -> Part:
    """Prepare a part all of whose layers have one outline.

    Args:
        outline: shapely Polygon or MultiPolygon, mm.
        name: of the part.
        process: process settings.
        layers: number of layers, 1 to 20,000.
        island_mm: side of the islands, a whole number of elements; None: about 2.8 mm.
        progress: told at every step.

    Raises:
        GeometryError: the outline or the islands cannot be prepared.
    """
    if not 1 <= layers <= LAYERS_MAX:
        raise GeometryError(
            f"{layers} layers are not possible",
            where=name,
            why=f"1 to {LAYERS_MAX} can be printed",
            remedy="correct --layers",
        )
    return _prepare(
        name,
        process or Process(),
        outline.bounds,
        [outline] * layers,
        layers,
        island_mm=island_mm,
        progress=progress,
    )


def island_elements(island_mm: float | None, element_mm: float) -> int:
    """Return the side of an island in elements.

    Raises:
        GeometryError: a side that was asked for is not a whole number of elements.
    """
    if island_mm is None:
        return max(1, round(ISLAND_MM / element_mm))
    side = round(island_mm / element_mm)
    if side < 1 or abs(side * element_mm - island_mm) > 1e-6:
        below = max(1, int(island_mm / element_mm))
        raise GeometryError(
            f"an island of {island_mm:g} mm is not a whole number of elements",
            where="island",
            why=f"an element is {element_mm:g} mm",
            remedy=f"use {below * element_mm:g} or {(below + 1) * element_mm:g} mm",
        )
    return side


def _prepare(
    name: str,
    process: Process,
    bounds_mm: tuple[float, float, float, float],
    layer_outlines: Iterable[Any],
    count: int,
    *,
    island_mm: float | None,
    progress: Progress | None,
) -> Part:
    element_mm = process.element_m * 1e3
    side = island_elements(island_mm, element_mm)
    grid = grid_over(bounds_mm, element_mm)
    distinct, numbers = _distinct(layer_outlines, grid, name, count, progress)
    geometries = []
    for number, (row, col) in enumerate(distinct):
        what = f"inputs of geometry {number + 1} of {len(distinct)}"
        tell = None if progress is None else _Step(progress, what)
        cells = islands(row, col, side)
        f, g = inputs(row, col, cells, process, tell)
        geometries.append(
            Geometry(
                number=number,
                dx_m=process.element_m,
                origin_m=(round(grid.origin_mm[0] / 1e3, 12), round(grid.origin_mm[1] / 1e3, 12)),
                row=row,
                col=col,
                cells=cells,
                lengths=np.array([cell.size for cell in cells], dtype=np.int64),
                inputs=f,
                g=g,
            )
        )
    return make_part(name, process, geometries, numbers, islands=IslandsUsed(side, MERGED_BELOW))


class _Step:
    """One step of the work as a progress callback of (done, total)."""

    def __init__(self, progress: Progress, what: str) -> None:
        self._progress = progress
        self._what = what

    def __call__(self, done: int, total: int) -> None:
        self._progress(self._what, done, total)


def _distinct(
    layer_outlines: Iterable[Any], grid: Grid, name: str, count: int, progress: Progress | None
) -> tuple[list[tuple[NDArray[np.int32], NDArray[np.int32]]], list[int]]:
    """Rasterise every layer; return the distinct rasters and each layer's number among them.

    Outlines are compared by their elements, exactly; an outline met before is not rasterised again.
    """
    shapely = geometry_library("shapely")
    by_outline: dict[bytes, int] = {}
    by_elements: dict[bytes, int] = {}
    distinct: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []
    numbers: list[int] = []
    for layer, outline in enumerate(layer_outlines):
        drawn = shapely.to_wkb(shapely.normalize(outline))
        if drawn not in by_outline:
            row, col = rasterise(outline, grid)
            if row.size == 0:
                raise GeometryError(
                    f"layer {layer} has no area: no element of {grid.dx_mm:g} mm has its centre inside",
                    where=name,
                    remedy="use smaller elements",
                )
            key = row.tobytes() + col.tobytes()
            if key not in by_elements:
                by_elements[key] = len(distinct)
                distinct.append((row, col))
            by_outline[drawn] = by_elements[key]
        numbers.append(by_outline[drawn])
        if progress is not None:
            progress("slicing", layer + 1, count)
    return distinct, numbers
