"""Sample shapes, scalable to any area: one function a shape, one line in `SHAPES`. Needs the `cloud` extra.

They are named after the ten jobs of the paper's evaluation (papers/cosmic.txt, figure 13), whose drawings
are not published as data: the features are ours. Each function draws its shape at a size of its own;
`outline_of` scales it to the area wanted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import UsageError
from thermal.extra import geometry_library

AREA_MIN_CM2 = 0.01
AREA_MAX_CM2 = 600.0
JOB_AREAS_CM2 = (9.0, 16.0, 25.0)
"""The areas of a layer in the paper's thirty jobs."""


def segmented_gear() -> Any:
    """Draw a gear with 24 teeth, a bore, and six windows between hub and rim that leave six spokes."""
    body = _polygon(gear_outline(24, root=0.88, tip=1.0), circle(0.2))
    return _without(body, *(sector(0.40, 0.68, start=turn, end=turn + 42.0) for turn in range(9, 369, 60)))


def triangular_rotor() -> Any:
    """Draw the rotor of a rotary engine: a bulged triangle, an eccentric bore with teeth, three flank pockets."""
    flanks = []
    for apex in (90.0, 210.0, 330.0):
        # Each flank is an arc about a point on the far side: flatter than a circle about the centre.
        centre = polar(0.75, np.array([apex + 180.0 + 60.0]))[0]
        ends = polar(1.0, np.array([apex, apex + 120.0])) - centre
        turns = np.rad2deg(np.unwrap(np.arctan2(ends[:, 1], ends[:, 0])))
        radius = float(np.hypot(*ends[0]))
        flanks.append(centre + polar(radius, np.linspace(turns[0], turns[1], 40)[:-1]))
    body = _polygon(np.concatenate(flanks), gear_outline(30, root=0.34, tip=0.37))
    pockets = (_moved(circle(0.10), polar(0.66, np.array([turn]))[0]) for turn in (90.0, 210.0, 330.0))
    return _without(body, *pockets)


def slotted_grid() -> Any:
    """Draw a square plate with three rows of five slots."""
    slots = [
        _moved(slot(1.3, 0.45, upright=True), (1.0 + 1.0 * x, 1.2 + 1.8 * y)) for x in range(5) for y in range(3)
    ]
    return _without(_polygon(rounded_rectangle(6.0, 6.0, 0.3)), *slots)


def holed_gear() -> Any:
    """Draw a gear with 18 teeth, a keyed bore, and eight round holes."""
    body = _polygon(gear_outline(18, root=0.86, tip=1.0), circle(0.2))
    holes = [_moved(circle(0.11), polar(0.54, np.array([turn]))[0]) for turn in np.arange(8) * 45.0]
    return _without(body, rectangle(0.0, -0.06, 0.27, 0.06), *holes)


def cylinder_gasket() -> Any:
    """Draw a cylinder head gasket: four bores in a row, bolt holes between and around them, coolant slots."""
    body = _polygon(rounded_rectangle(9.2, 3.4, 0.35))
    bores = [_moved(circle(0.86), (1.3 + 2.2 * bore, 1.7)) for bore in range(4)]
    bolts = [_moved(circle(0.14, 40), (0.3 + 2.15 * bolt, side)) for bolt in range(5) for side in (0.4, 3.0)]
    coolant = [
        _moved(slot(0.55, 0.16), (1.3 + 2.2 * bore, side)) for bore in range(4) for side in (0.36, 3.04)
    ]  # fmt: skip
    return _without(body, *bores, *bolts, *coolant)


def connecting_rod() -> Any:
    """Draw a connecting rod: big end with bolt bosses, tapered shank with a pocket, small end."""
    shank = np.array([(0.0, -0.64), (4.3, -0.42), (4.3, 0.42), (0.0, 0.64)])
    bosses = [_moved(rounded_rectangle(1.3, 0.75, 0.2), (-0.65, side - 0.375)) for side in (-1.35, 1.35)]
    body = _joined(circle(1.5), _moved(circle(0.85), (4.4, 0.0)), shank, *bosses)
    pocket = np.array([(1.75, -0.26), (3.3, -0.19), (3.3, 0.19), (1.75, 0.26)])
    return _without(body, circle(0.92), _moved(circle(0.45), (4.4, 0.0)), pocket)


def mounting_bracket() -> Any:
    """Draw a flange with four ears and bolt holes, a central bore, and a rectangular cut-out on each side."""
    ears = [_moved(circle(0.55), (x, y)) for x in (-1.9, 1.9) for y in (-1.5, 1.5)]
    plate = _moved(rounded_rectangle(4.2, 3.2, 0.4), (-2.1, -1.6))
    arms = [_moved(slot(4.9, 1.1, turn=turn), (0.0, 0.0)) for turn in (38.29, -38.29)]
    body = _joined(plate, *ears, *arms)
    holes = [_moved(circle(0.24, 48), (x, y)) for x in (-1.9, 1.9) for y in (-1.5, 1.5)]
    cuts = [_moved(rounded_rectangle(0.45, 1.4, 0.12), (x - 0.225, -0.7)) for x in (-1.45, 1.45)]
    return _without(body, circle(0.8), *holes, *cuts)


def ribbed_bar() -> Any:
    """Draw a bar with nine ribs on either side and a hole at both ends."""
    ribs = [_moved(rounded_rectangle(0.38, 2.6, 0.1), (1.25 + 0.85 * rib, -0.5)) for rib in range(9)]
    body = _joined(rounded_rectangle(9.7, 1.6, 0.3), *ribs)
    return _without(body, _moved(circle(0.32), (0.65, 0.8)), _moved(circle(0.32), (9.05, 0.8)))


def holed_l_bracket() -> Any:
    """Draw an L with a rounded inner corner, three holes in each leg and one in the corner."""
    along = [(1.0 + 1.85 * hole, 1.0) for hole in range(1, 4)]
    up = [(1.0, 1.0 + 1.85 * hole) for hole in range(1, 4)]
    holes = [_moved(circle(0.42), centre) for centre in ((1.0, 1.0), *along, *up)]
    return _without(_polygon(l_outline(7.6, 2.0, 0.6)), *holes)


def simple_l_bracket() -> Any:
    """Draw an L with rounded corners and nothing else."""
    return _polygon(l_outline(6.0, 2.4, 0.5)).intersection(_polygon(rounded_rectangle(6.0, 6.0, 0.5)))


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


def rectangle(left: float, bottom: float, right: float, top: float) -> NDArray[np.float64]:
    """Return the corners of a rectangle: float64[4, 2]."""
    return np.array([(left, bottom), (right, bottom), (right, top), (left, top)])


def rounded_rectangle(width: float, height: float, radius: float) -> NDArray[np.float64]:
    """Return the corners of a rectangle with round corners, its lower left one at the origin: float64[52, 2]."""
    centres = rectangle(radius, radius, width - radius, height - radius)
    return np.concatenate(
        [centres[k] + polar(radius, 180.0 + 90.0 * k + np.linspace(0.0, 90.0, 13)) for k in range(4)]
    )


def slot(length: float, width: float, *, upright: bool = False, turn: float = 0.0) -> NDArray[np.float64]:
    """Return the corners of a slot with round ends about the origin, `length` over all: float64[50, 2]."""
    ends = np.linspace(-90.0, 90.0, 25)
    half = (length - width) / 2
    right = polar(width / 2, ends) + np.array([half, 0.0])
    points = np.concatenate((right, -right))
    angle = math.radians(turn + (90.0 if upright else 0.0))
    turned = np.array([(math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))])
    return np.asarray(points @ turned)


def l_outline(leg: float, width: float, radius: float) -> NDArray[np.float64]:
    """Return the corners of an L, its outer corner at the origin, its inner one rounded: float64[k, 2]."""
    inner = np.array([(width, width)])
    if radius > 0:
        inner = polar(radius, np.linspace(270.0, 180.0, 13)) + width + radius
    ends = np.array([(0.0, 0.0), (leg, 0.0), (leg, width)])
    return np.concatenate((ends, inner, np.array([(width, leg), (0.0, leg)])))


SHAPES: dict[str, Callable[[], Any]] = {
    "segmented-gear": segmented_gear,
    "triangular-rotor": triangular_rotor,
    "slotted-grid": slotted_grid,
    "holed-gear": holed_gear,
    "cylinder-gasket": cylinder_gasket,
    "connecting-rod": connecting_rod,
    "mounting-bracket": mounting_bracket,
    "ribbed-bar": ribbed_bar,
    "holed-l-bracket": holed_l_bracket,
    "simple-l-bracket": simple_l_bracket,
}
"""Name -> the function that draws it."""


def outline_of(name: str, area_cm2: float) -> Any:
    """Return a sample shape scaled to an area, its lower left corner at the origin: shapely geometry, mm.

    Raises:
        UsageError: there is no such shape, or the area is not between 0.01 and 600 cm2.
    """
    draw = SHAPES.get("-".join(name.strip().lower().replace("-", " ").split()))
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


def _polygon(shell: NDArray[np.float64], *holes: NDArray[np.float64]) -> Any:
    return geometry_library("shapely").Polygon(shell, holes)


def _joined(*shells: NDArray[np.float64]) -> Any:
    shapely = geometry_library("shapely")
    return shapely.union_all([shapely.Polygon(shell) for shell in shells])


def _without(body: Any, *cut: NDArray[np.float64]) -> Any:
    return body.difference(_joined(*cut))


def _moved(points: NDArray[np.float64], by: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    moved: NDArray[np.float64] = points + np.asarray(by, dtype=np.float64)
    return moved
