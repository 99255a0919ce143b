"""Cuts a solid into the outlines of its layers. Needs the `cloud` extra."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import GeometryError
from thermal.extra import geometry_library
from thermal.solid import Solid

LAYERS_MAX = 20_000

# Corners of a solid are joined on this grid, mm; a cut through a corner is moved up by it.
_SNAP_MM = 1e-6


def layer_count(solid: Solid, layer_mm: float) -> int:
    """Return how many layers have their middle inside the solid.

    Raises:
        GeometryError: none has, or more than 20,000.
    """
    count = int(np.ceil(solid.height_mm / layer_mm - 0.5 - 1e-9))
    if not 1 <= count <= LAYERS_MAX:
        raise GeometryError(
            f"the solid is {solid.height_mm:.4g} mm high: {count} layers of {layer_mm:g} mm",
            where=solid.name,
            why=f"1 to {LAYERS_MAX} layers can be printed",
            remedy="check the units and the layer thickness",
        )
    return count


def outlines(solid: Solid, layer_mm: float, layers: int) -> Iterator[Any]:
    """Yield the outline of each layer at half its height: shapely Polygon or MultiPolygon with holes, mm.

    Args:
        solid: the solid.
        layer_mm: thickness of a layer, mm.
        layers: how many, from the plate up.

    Raises:
        GeometryError: a layer has no area, or its outline is not closed.
    """
    heights = np.unique(solid.mesh.vertices[:, 2])
    for layer in range(layers):
        height_mm = (layer + 0.5) * layer_mm
        # A plane through corners or faces has no well-defined cut: what lies just above it is printed.
        if np.abs(heights - height_mm).min() < _SNAP_MM:
            height_mm += 2 * _SNAP_MM
        outline = _outline(solid, height_mm)
        if outline is None or outline.is_empty:
            raise GeometryError(
                f"layer {layer} at {height_mm:.4g} mm has no area",
                where=solid.name,
                why="every layer needs something to scan",
                remedy="close the gap in the solid, or print the pieces as parts of their own",
            )
        yield outline


def _outline(solid: Solid, height_mm: float) -> Any:
    shapely = geometry_library("shapely")
    ends = _segments(solid, height_mm)
    if not len(ends):
        return None
    # Bodies may overlap: their outlines are cut where they cross, and what any body fills is inside.
    lines = shapely.union_all(shapely.linestrings(ends))
    faces, cuts, dangles, stray = shapely.polygonize_full(list(shapely.get_parts(lines)))
    if stray.is_empty and not (cuts.is_empty and dangles.is_empty) and solid.mesh.is_watertight:
        # The cut through a closed surface is closed: a line that bounds nothing is run through both ways.
        raise GeometryError(
            f"the outline at {height_mm:.4g} mm has a wall of zero thickness",
            where=solid.name,
            why="it encloses no material",
            remedy="give the wall a thickness in the program that made it",
        )
    if not (cuts.is_empty and dangles.is_empty and stray.is_empty):
        raise GeometryError(
            f"the outline at {height_mm:.4g} mm is not closed",
            where=solid.name,
            why="the solid's surface does not separate inside from outside there",
            remedy="repair it in the program that made it",
        )
    winding = [_winding(ends, face.representative_point()) for face in faces.geoms]
    if min(winding, default=0) < 0:
        raise GeometryError(
            f"the outline at {height_mm:.4g} mm crosses itself",
            where=solid.name,
            why="the solid is inside out there",
            remedy="repair it in the program that made it",
        )
    return shapely.union_all([face for face, turns in zip(faces.geoms, winding, strict=True) if turns > 0])


def _segments(solid: Solid, height_mm: float) -> NDArray[np.float64]:
    """Return the cut through the triangles, the solid to the left: float64[k, 2 ends, 2], mm."""
    mesh_plane = geometry_library("trimesh.intersections").mesh_plane
    cut, triangles = mesh_plane(solid.mesh, [0, 0, 1], [0, 0, height_mm], return_faces=True)
    if not len(cut):
        return np.empty((0, 2, 2))
    ends: NDArray[np.float64] = np.round(np.asarray(cut)[..., :2] / _SNAP_MM) * _SNAP_MM
    outward = solid.mesh.face_normals[triangles][:, :2]
    along = ends[:, 1] - ends[:, 0]
    backward = outward[:, 0] * along[:, 1] - outward[:, 1] * along[:, 0] < 0
    ends[backward] = ends[backward, ::-1]
    return ends[np.any(along != 0, axis=1)]


def _winding(ends: NDArray[np.float64], point: Any) -> int:
    """Return how many bodies more than cavities surround a point: upward less downward crossings of a ray."""
    (x0, y0), (x1, y1) = ends[:, 0].T, ends[:, 1].T
    up, down = (y0 <= point.y) & (y1 > point.y), (y1 <= point.y) & (y0 > point.y)
    crossing = np.flatnonzero(up | down)
    share = (point.y - y0[crossing]) / (y1[crossing] - y0[crossing])
    right = crossing[x0[crossing] + share * (x1[crossing] - x0[crossing]) > point.x]
    return int(np.count_nonzero(up[right])) - int(np.count_nonzero(down[right]))
