"""Draws a layer's cells as a picture. Needs the `plot` extra."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from cosmic.errors import PartError, UsageError
from thermal.cells import cell_of_element
from thermal.geometry import Geometry
from thermal.part import Part

NUMBERS_MAX = 400
"""Cells up to which their numbers are written."""

_COLOURS = 5
_PIXELS_MAX = 4000


def draw_layer(part: Part, layer: int, picture: Path) -> None:
    """Draw the cells of a layer: coloured and bordered, numbered where they are few, with a scale bar in mm.

    Args:
        part: the part.
        layer: from 0.
        picture: a name ending in .png, .svg or .pdf.

    Raises:
        PartError: the part has no such layer, or the picture cannot be written.
        UsageError: matplotlib is not installed, or the name has another ending.
    """
    if picture.suffix.lower() not in {".png", ".svg", ".pdf"}:
        raise UsageError(
            f"pictures of type '{picture.suffix}' are not drawn", where="--plot", remedy="end the name in .png"
        )
    figure_class = _plotting("matplotlib.figure").Figure
    geometry = part.geometry_of(layer)
    dx_mm = geometry.dx_m * 1e3
    cell = _grid_of_cells(geometry)
    rows, columns = cell.shape
    left, bottom = (origin * 1e3 for origin in geometry.origin_m)
    extent = (left, left + columns * dx_mm, bottom, bottom + rows * dx_mm)
    width = 10.0 if columns >= rows else max(5.0, 10.0 * columns / rows)
    figure = figure_class(figsize=(width, max(2.2, width * rows / columns) + 0.9), layout="constrained")
    axis = figure.add_subplot()
    axis.imshow(_coloured(cell, geometry), origin="lower", extent=extent, interpolation="nearest", aspect="equal")
    lines = _plotting("matplotlib.collections").LineCollection
    inner, outer = _borders(cell)
    for edges, colour, line in ((inner, "#35506b", 0.5), (outer, "#101820", 1.1)):
        axis.add_collection(lines(edges * dx_mm + (left, bottom), colors=colour, linewidths=line))
    if len(geometry.cells) <= NUMBERS_MAX:
        _numbers(axis, geometry, left, bottom, width / (columns * dx_mm))
    _scale_bar(axis, extent)
    windows_ms = geometry.windows_s(part.process) * 1e3
    axis.set_title(
        f"{part.name}, layer {layer}: {geometry.elements} elements of {dx_mm:g} mm, {len(geometry.cells)} cells, "
        f"windows {windows_ms.min():.1f} to {windows_ms.max():.1f} ms, mean {windows_ms.mean():.1f} ms",
        fontsize=9,
        wrap=True,
    )
    try:
        figure.savefig(picture, dpi=min(200.0, _PIXELS_MAX / max(figure.get_size_inches())), facecolor="white")
    except OSError as error:
        raise PartError(
            f"the picture cannot be written: {error.strerror}", where=str(picture), remedy="choose another name"
        ) from error


def _plotting(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise UsageError(
            "drawing needs matplotlib, which is not installed",
            where="--plot",
            remedy='pip install "cosmic-lpbf[plot]"',
        ) from error


def _grid_of_cells(geometry: Geometry) -> NDArray[np.int32]:
    """Return the cell of every grid square of the layer's own rectangle, -1 outside: int32[rows, columns]."""
    grid = np.full((int(geometry.row.max()) + 1, int(geometry.col.max()) + 1), -1, dtype=np.int32)
    grid[geometry.row, geometry.col] = cell_of_element(geometry.elements, geometry.cells)
    return grid


def _coloured(cell: NDArray[np.int32], geometry: Geometry) -> NDArray[np.float64]:
    """Return the picture, float64[rows, columns, 4]: neighbours never of one colour where five colours do."""
    palette = np.array(
        [(158, 188, 218), (253, 208, 162), (186, 218, 176), (218, 200, 228), (240, 232, 170)], dtype=np.float64
    )
    touching = geometry.adjacency()
    colour = np.full(len(geometry.cells), -1)
    for number in range(len(geometry.cells)):
        around = set(colour[touching.indices[touching.indptr[number] : touching.indptr[number + 1]]].tolist())
        wanted = [(number + turn) % _COLOURS for turn in range(_COLOURS)]
        colour[number] = next((one for one in wanted if one not in around), number % _COLOURS)
    picture = np.zeros((*cell.shape, 4))
    inside = cell >= 0
    picture[inside, :3] = palette[colour[cell[inside]]] / 255
    picture[inside, 3] = 1.0
    return picture


def _borders(cell: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the edges between cells and those of the outline: float64[edges, 2 ends, 2], in elements."""
    padded = np.pad(cell, 1, constant_values=-1)
    found: list[list[NDArray[np.float64]]] = [[], []]
    for upright, first, second in (
        (True, padded[1:-1, :-1], padded[1:-1, 1:]),
        (False, padded[:-1, 1:-1], padded[1:, 1:-1]),
    ):
        for place, kind in enumerate(((first >= 0) & (second >= 0), (first < 0) != (second < 0))):
            row, col = np.nonzero((first != second) & kind)
            start = np.stack((col, row), axis=1).astype(np.float64)
            found[place].append(np.stack((start, start + ((0, 1) if upright else (1, 0))), axis=1))
    return np.concatenate(found[0]), np.concatenate(found[1])


def _numbers(axis: Any, geometry: Geometry, left: float, bottom: float, inch_per_mm: float) -> None:
    dx_mm = geometry.dx_m * 1e3
    for number, members in enumerate(geometry.cells):
        row, col = geometry.row[members], geometry.col[members]
        # Where there is most room: the middle of a bent cell may lie outside of it.
        inside = np.zeros((int(np.ptp(row)) + 3, int(np.ptp(col)) + 3), dtype=np.bool_)
        inside[row - row.min() + 1, col - col.min() + 1] = True
        room = distance_transform_edt(inside)
        middle = (row - row.mean()) ** 2 + (col - col.mean()) ** 2
        depth = np.asarray(room)[row - row.min() + 1, col - col.min() + 1]
        best = int(np.lexsort((middle, -np.round(depth, 1)))[0])
        room_pt = 2 * float(depth[best]) * dx_mm * inch_per_mm * 72
        size = float(np.clip(room_pt / (0.9 * max(2, len(str(number)))), 2, 9))
        x, y = left + (col[best] + 0.5) * dx_mm, bottom + (row[best] + 0.5) * dx_mm
        axis.text(x, y, str(number), ha="center", va="center", fontsize=size, color="#101820")


def _scale_bar(axis: Any, extent: tuple[float, float, float, float]) -> None:
    left, right, bottom, top = extent
    wide = right - left
    length = max(size for size in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if size <= max(wide / 4, 0.1))
    below = bottom - 0.035 * max(wide, top - bottom)
    axis.plot([left, left + length], [below, below], color="black", linewidth=3, solid_capstyle="butt")
    axis.text(left + length * 1.06, below, f"{length:g} mm", ha="left", va="center", fontsize=9)
    margin = 0.02 * max(wide, top - bottom)
    axis.set_xlim(left - margin, right + margin)
    axis.set_ylim(below - margin, top + margin)
    axis.set_axis_off()
