"""Sample shapes, scalable to any area: one function a shape, one line in `SHAPES`. Needs the `cloud` extra.

Each function draws its shape at a size of its own; `outline_of` scales it to the area wanted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import UsageError
from thermal.extra import geometry_library

AREA_MIN_CM2 = 0.01
AREA_MAX_CM2 = 600.0


def segmented_gear() -> Any:
    """Draw a gear with 24 teeth, a bore, and six windows between hub and rim that leave six spokes."""
    shapely = geometry_library("shapely")
    body = shapely.Polygon(gear_outline(24, root=0.88, tip=1.0), [circle(0.2)])
    windows = [sector(0.40, 0.68, start=turn, end=turn + 42.0) for turn in range(9, 369, 60)]
    return body.difference(shapely.union_all([shapely.Polygon(window) for window in windows]))


def gear_outline(teeth: int, root: float, tip: float) -> NDArray[np.float64]:
    """Return the corners of a gear with trapezoid teeth: float64[11 * teeth, 2].

    A tooth takes 30 % of its pitch at the tip and 50 % at the root; arcs are drawn with three or four corners.
    """
    pitch = 360.0 / teeth
    corners = []
    for tooth in range(teeth):
        middle = (tooth + 0.5) * pitch
        corners.append(polar(root, middle + pitch * np.linspace(-0.50, -0.25, 4)))
        corners.append(polar(tip, middle + pitch * np.linspace(-0.15, 0.15, 4)))
        corners.append(polar(root, middle + pitch * np.linspace(0.25, 0.50, 4)[:-1]))  # next tooth begins there
    return np.concatenate(corners)


def circle(radius: float, corners: int = 96) -> NDArray[np.float64]:
    """Return the corners of a circle about the origin: float64[corners, 2]."""
    return polar(radius, np.arange(corners) * (360.0 / corners))


def sector(inner: float, outer: float, start: float, end: float) -> NDArray[np.float64]:
    """Return the corners of a piece of a ring between two angles, degrees: float64[34, 2]."""
    turns = np.linspace(start, end, 17)
    return np.concatenate((polar(outer, turns), polar(inner, turns[::-1])))


def polar(radius: float, degrees: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return points of a circle about the origin: float64[len(degrees), 2]."""
    angles = np.deg2rad(degrees)
    return radius * np.stack((np.cos(angles), np.sin(angles)), axis=1)


SHAPES: dict[str, Callable[[], Any]] = {
    "segmented-gear": segmented_gear,
}
"""Name -> the function that draws it."""


def outline_of(name: str, area_cm2: float) -> Any:
    """Return a sample shape scaled to an area, its lower left corner at the origin: shapely geometry, mm.

    Raises:
        UsageError: there is no such shape, or the area is not between 0.01 and 600 cm2.
    """
    draw = SHAPES.get(name.strip().lower().replace(" ", "-"))
    if draw is None:
        raise UsageError(
            f"there is no sample shape '{name}'", where="sample", remedy=f"use one of: {', '.join(SHAPES)}"
        )
    if not AREA_MIN_CM2 <= area_cm2 <= AREA_MAX_CM2:
        raise UsageError(
            f"an area of {area_cm2:g} cm2 is not possible",
            where="area",
            why=f"it must lie between {AREA_MIN_CM2:g} and {AREA_MAX_CM2:g} cm2",
            remedy="use another area",
        )
    affinity = geometry_library("shapely.affinity")
    shape = draw()
    factor = math.sqrt(area_cm2 * 100 / shape.area)
    scaled = affinity.scale(shape, factor, factor, origin=(0, 0))
    left, bottom, _, _ = scaled.bounds
    return affinity.translate(scaled, -left, -bottom)
