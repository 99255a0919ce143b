"""Layers of a CLI build file: its polylines are the outlines, its hatch groups may be the cells."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import GeometryError
from thermal.elements import Grid
from thermal.extra import geometry_library
from thermal.partitions.hatches import outline_of_hatches, spacing_mm
from thermal.readers.cli import BuildLayer, read_cli_layers
from thermal.readers.commands import OPEN, OUTSIDE, Polyline
from thermal.slicing import LAYERS_MAX
from thermal.solid import PLATE_MM
from thermal.sources.interface import Layer, OutlineLayer
from thermal.sources.solids import chosen_layers

# Of the file's coordinates, mm: reals of 32 bits have seven digits.
_AREA_MIN_MM2 = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class HatchLayer:
    """A layer without polylines: it is what its hatches cover.

    Attributes:
        hatches: hatch groups, float64[k, 4] each, mm.
        name: what to name in an error.
    """

    hatches: tuple[NDArray[np.float64], ...]
    name: str

    @property
    def key(self) -> bytes:
        """SHA-256 of the hatches."""
        known = hashlib.sha256()
        for group in self.hatches:
            known.update(b"group" + group.tobytes())
        return known.digest()

    def elements(self, grid: Grid) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the elements that the hatches cover for at least half."""
        return outline_of_hatches(self.hatches, grid, self.name)


class BuildFileSource:
    """The lowest `layers` layers of a CLI build file; see `Source`.

    The file is read twice, each time from one end to the other: for its bounds and heights, and for its
    layers. All models of the file are parts of one outline. The layer thickness is the median step between
    heights.

    Args:
        path: the file.
        layers: only so many from the plate up; None: all.
        plate_mm: what the printer can build.

    Raises:
        GeometryError: the file breaks the format, has fewer layers, or does not fit the plate.
    """

    def __init__(
        self,
        path: Path,
        *,
        layers: int | None = None,
        plate_mm: tuple[float, float, float] = PLATE_MM,
    ) -> None:
        geometry_library("shapely")  # refused before the file is read, if it is missing
        self._path = path
        self.name = path.stem
        low, high = np.full(2, np.inf), np.full(2, -np.inf)
        heights: list[float] = []
        for layer in read_cli_layers(path):
            heights.append(layer.height_mm)
            for points in _extent(layer):
                low, high = np.minimum(low, points.min(axis=0)), np.maximum(high, points.max(axis=0))
            if len(heights) > LAYERS_MAX:
                raise GeometryError(
                    f"the file has more than {LAYERS_MAX} layers",
                    where=str(path),
                    why=f"1 to {LAYERS_MAX} can be printed",
                    remedy="split the build file",
                )
        self.layers = chosen_layers(len(heights), layers, str(path), "build file")
        if not np.isfinite(low).all():
            raise GeometryError(
                "the file has neither closed polylines nor hatches",
                where=str(path),
                remedy="export it with contours or hatches",
            )
        size = (*(high - low).tolist(), max(heights))
        if any(side > room + 1e-6 for side, room in zip(size, plate_mm, strict=True)):
            raise GeometryError(
                f"the build file is {' x '.join(f'{side:.4g}' for side in size)} mm",
                where=str(path),
                why=f"the plate takes {' x '.join(f'{room:g}' for room in plate_mm)} mm",
                remedy="check $$UNITS, or set --plate if the printer is larger",
            )
        self.bounds_mm = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        steps = np.diff(heights)
        self.layer_m: float | None = round(float(np.median(steps)) / 1e3, 9) if steps.size else None

    def __iter__(self) -> Iterator[Layer]:
        """Yield the layers, read as they are asked for."""
        for number, layer in enumerate(read_cli_layers(self._path)):
            if number == self.layers:
                return
            where = f"{self._path}, layer {number} at {layer.height_mm:.6g} mm"
            groups = tuple(group.lines for group in layer.hatches if len(group.lines))
            closed = [line for line in layer.polylines if line.direction != OPEN]
            if closed:
                yield OutlineLayer(outline_of(closed, where), groups)
            elif groups:
                yield HatchLayer(groups, where)
            else:
                raise GeometryError(
                    "the layer has neither a closed polyline nor hatches",
                    where=where,
                    why="every layer needs something to scan",
                    remedy="export the build file again",
                )


def outline_of(polylines: Sequence[Polyline], where: str) -> Any:
    """Return the outline that closed polylines draw: shapely Polygon or MultiPolygon, mm.

    From the largest to the smallest, outer lines add and inner lines take away, so that islands in holes and
    models that overlap come out right.

    Raises:
        GeometryError: a polyline crosses itself or encloses nothing, or nothing is left.
    """
    shapely = geometry_library("shapely")
    rings = []
    for number, line in enumerate(polylines):
        points = line.points
        if len(points) and not np.array_equal(points[0], points[-1]):
            points = np.concatenate((points, points[:1]))
        ring = shapely.Polygon(points) if len(points) >= 4 else None
        # Of a line that crosses itself the lobes count, which may cancel each other in its own area.
        if ring is None or not shapely.make_valid(ring).area > _AREA_MIN_MM2:
            raise GeometryError(
                f"polyline {number} has no area",
                where=where,
                why="a wall of zero thickness cannot be scanned",
                remedy="give the wall a thickness, or export it as an open polyline",
            )
        if not ring.is_valid:
            raise GeometryError(
                f"polyline {number} crosses itself: {shapely.is_valid_reason(ring)}",
                where=where,
                why="inside and outside cannot be told apart",
                remedy="repair the solid in the program that made it, and export the build file again",
            )
        rings.append((ring.area, line.direction, ring))
    rings.sort(key=lambda entry: -entry[0])
    outline = shapely.Polygon()
    for same_kind in _runs(rings):
        joined = shapely.union_all([ring for _, _, ring in same_kind])
        outline = outline.union(joined) if same_kind[0][1] == OUTSIDE else outline.difference(joined)
    polygons = [part for part in shapely.get_parts(outline) if part.geom_type == "Polygon" and part.area > 0]
    if not polygons:
        raise GeometryError(
            "the polylines enclose nothing",
            where=where,
            why="outer lines have direction 1, inner lines 0",
            remedy="export the build file again",
        )
    return shapely.MultiPolygon(polygons) if len(polygons) > 1 else polygons[0]


def _runs(rings: list[tuple[float, int, Any]]) -> list[list[tuple[float, int, Any]]]:
    """Return neighbours of one direction together: a union of many at once is far quicker than one by one."""
    runs: list[list[tuple[float, int, Any]]] = []
    for ring in rings:
        if runs and runs[-1][0][1] == ring[1]:
            runs[-1].append(ring)
        else:
            runs.append([ring])
    return runs


def _extent(layer: BuildLayer) -> Iterator[NDArray[np.float64]]:
    """Yield the points that bound a layer: of its closed polylines, else of its hatches with their width."""
    closed = [line.points for line in layer.polylines if line.direction != OPEN and len(line.points)]
    yield from closed
    if not closed:
        for group in layer.hatches:
            if len(group.lines):
                half = spacing_mm(group.lines, 0.0) / 2
                ends = group.lines.reshape(-1, 2)
                yield np.stack((ends.min(axis=0) - half, ends.max(axis=0) + half))
