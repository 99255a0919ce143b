"""Pictures of every layer: its order, its first map and the predicted one, all maps in one scale of colours."""

from __future__ import annotations

import base64
import zlib
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from agent.report.pictures import INFERNO, VIRIDIS, Raster, data_url, palette, png, raster_of, shades
from agent.report.predict import means_of_cells
from thermal.cells import cell_of_element
from thermal.part import Geometry, Part

COUNT_K = 0.02
"""Kelvin of one count of a map that is kept until the scale is known."""

SPAN_MIN_K = 20.0
"""A cold layer's noise must not look like heat."""

OUTLIERS_PERCENT = 0.05
"""Share of a map's squares that may lie beyond either end of the scale: one bad pixel must not darken a job."""

GEOMETRIES_KEPT = 4
THREADS = 4
AT_ONCE = 16
"""Layers whose pictures are made together: their geometries are all in memory."""

CELLS_MAX = 65_000
"""Cells of a layer that can be shown: they are told in 16 bits."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A layer's maps until the scale is known: counts of `COUNT_K`, uint16[squares]; kelvin, float32[cells]."""

    geometry: int
    before: NDArray[np.uint16]
    after: NDArray[np.uint16] | None
    cells_before_K: NDArray[np.float32]
    cells_after_K: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Pictures:
    """A layer's pictures, as addresses that hold them, and its cells' means.

    Attributes:
        layer: the layer.
        geometry: number of its geometry.
        rows: of the pictures.
        columns: of the pictures.
        order: cells by the window in which they were scanned.
        before: the first map.
        after: the predicted map, empty where there is none.
        cells_before_K: float32[cells], mean of the first map over each cell.
        cells_after_K: the same of the predicted one.
    """

    layer: int
    geometry: int
    rows: int
    columns: int
    order: str
    before: str
    after: str
    cells_before_K: NDArray[np.float32]
    cells_after_K: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Shape:
    """A geometry as pictures need it.

    Attributes:
        raster: how its elements become squares.
        cell_of: int32[n], the cell of every element.
        cells: how many there are.
        centres: float[cells, 2], x and y of every cell's centre in squares of the picture, from its upper left.
    """

    raster: Raster
    cell_of: NDArray[np.int32]
    cells: int
    centres: NDArray[np.float64]


class Album:
    """Takes layers' maps as they come, and makes the pictures when all are there."""

    def __init__(self, part: Part, layers: int) -> None:
        """Prepare for so many layers."""
        self._part = part
        self._maps = 2 * layers
        self._kept: dict[int, Kept] = {}
        self._shapes: OrderedDict[int, Shape] = OrderedDict()

    def take(self, layer: int, before_K: NDArray[np.float32], after_K: NDArray[np.float32] | None) -> None:
        """Keep a layer's maps, float32[n], kelvin."""
        shape = self.shape_of(layer)
        self._kept[layer] = Kept(
            self._part.manifest.layers[layer],
            _counts(shape.raster, before_K),
            None if after_K is None else _counts(shape.raster, after_K),
            means_of_cells(shape.cell_of, shape.cells, before_K).astype(np.float32),
            None if after_K is None else means_of_cells(shape.cell_of, shape.cells, after_K).astype(np.float32),
        )

    def shape_of(self, layer: int) -> Shape:
        """Return a layer's geometry as pictures need it; the last used are kept."""
        number = self._part.manifest.layers[layer]
        found = self._shapes.pop(number, None) or _shape(self._part.geometry_of(layer), self._maps)
        self._shapes[number] = found
        if len(self._shapes) > GEOMETRIES_KEPT:
            self._shapes.popitem(last=False)
        return found

    def scale_K(self) -> tuple[float, float]:
        """Return the temperatures of the first and the last colour, the same for all maps."""
        ends = [
            _ends(counts)
            for kept in self._kept.values()
            for counts in (kept.before, kept.after)
            if counts is not None
        ]
        low, high = (min(low for low, _ in ends), max(high for _, high in ends)) if ends else (0.0, 1.0)
        missing = max(0.0, SPAN_MIN_K - (high - low))
        return round(low - missing / 2, 1), round(high + missing / 2, 1)

    def pictures(self, orders: dict[int, list[int]]) -> list[Pictures]:
        """Return every layer's pictures, in order. Compressing is left to threads."""
        low_K, high_K = self.scale_K()
        kept = sorted(self._kept.items(), key=lambda item: (item[1].geometry, item[0]))
        done: list[Pictures] = []
        with ThreadPoolExecutor(THREADS, thread_name_prefix="pictures") as pool:
            for at in range(0, len(kept), AT_ONCE):
                making = [(n, self.shape_of(n), each, orders.get(n, [])) for n, each in kept[at : at + AT_ONCE]]
                done += pool.map(partial(_pictures, low_K=low_K, high_K=high_K), making)
        return sorted(done, key=lambda each: each.layer)

    def grid_of(self, layer: int) -> dict[str, object]:
        """Return the cells of a layer's geometry on its grid, for the page's own drawing."""
        geometry = self._part.geometry_of(layer)
        rows, columns = int(geometry.row.max()) + 1, int(geometry.col.max()) + 1
        grid = np.zeros((rows, columns), dtype="<u2")
        grid[geometry.row, geometry.col] = self.shape_of(layer).cell_of + 1
        return {
            "rows": rows,
            "columns": columns,
            "dx_mm": geometry.dx_m * 1e3,
            "cells": len(geometry.cells),
            "cell_of": base64.b64encode(zlib.compress(grid.tobytes(), 9)).decode(),
        }


def _shape(geometry: Geometry, maps: int) -> Shape:
    raster = raster_of(geometry.row, geometry.col, maps)
    cell_of = cell_of_element(geometry.elements, geometry.cells)
    cells = len(geometry.cells)
    highest = int(geometry.row.max()) + 1
    counts = np.bincount(cell_of, minlength=cells)
    x = np.bincount(cell_of, weights=geometry.col + 0.5, minlength=cells) / counts
    y = np.bincount(cell_of, weights=highest - geometry.row - 0.5, minlength=cells) / counts
    return Shape(raster, cell_of, cells, np.stack([x, y], axis=1) / raster.factor)


def _counts(raster: Raster, map_K: NDArray[np.float32]) -> NDArray[np.uint16]:
    return np.clip(np.rint(raster.means(map_K) / COUNT_K), 0, 65535).astype(np.uint16)


def _ends(counts: NDArray[np.uint16]) -> tuple[float, float]:
    low, high = np.percentile(counts[counts > 0], (OUTLIERS_PERCENT, 100 - OUTLIERS_PERCENT))
    return float(low) * COUNT_K, float(high) * COUNT_K


def _pictures(given: tuple[int, Shape, Kept, list[int]], *, low_K: float, high_K: float) -> Pictures:
    layer, shape, kept, order = given
    raster = shape.raster

    def drawn(counts: NDArray[np.uint16] | None) -> str:
        if counts is None:
            return ""
        places = shades(counts * COUNT_K, raster.filled, low_K, high_K)
        return data_url(png(places, raster.rows, raster.columns, palette(INFERNO)))

    return Pictures(
        layer,
        kept.geometry,
        raster.rows,
        raster.columns,
        _order_picture(shape, order),
        drawn(kept.before),
        drawn(kept.after),
        kept.cells_before_K,
        kept.cells_after_K,
    )


def _order_picture(shape: Shape, order: list[int]) -> str:
    """Return the cells coloured by their window; those not scanned are transparent."""
    window_of = np.full(shape.cells, -1.0)
    window_of[order] = np.arange(len(order))
    windows = window_of[shape.raster.one_of(shape.cell_of)]
    scanned = shape.raster.filled & (windows >= 0)
    places = shades(windows, scanned, 0.0, max(shape.cells - 1, 1))
    return data_url(png(places, shape.raster.rows, shape.raster.columns, palette(VIRIDIS), level=9))
