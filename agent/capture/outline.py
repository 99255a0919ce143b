"""Does the layer below show where the registration puts it? Metal that was scanned is warmer than powder around it.

The mean step of the counts across the outline is taken where the outline must be, and with the outline shifted by
whole pixels. Where a shift sees a clearly larger step, camera or part have moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.capture.faults import FaultKind, FrameFault
from agent.capture.radiometry import Calibration
from agent.capture.registration import Registration
from agent.capture.resampling import Placement, element_centres_mm
from thermal.geometry import Geometry

SHIFTS_MAX = 24
"""How far the outline is looked for at most, pixels."""

ACROSS_PX_MIN = 1.0
"""Distance from the outline at which the step is taken, pixels to either side: the accepted shift, or this."""

PLATEAU = 0.95
"""Share of the largest step from which a shift counts as seeing it."""

CLEARLY = 1.2
"""How much larger the step must be where the outline is found than where it is expected."""

_POINTS_MAX = 4000


@dataclass(frozen=True, slots=True, eq=False)
class OutlineCheck:
    """Where the edge must be seen.

    Attributes:
        inner, outer: int64[points, 2], row and column in what is read of the frame, inside and outside the edge.
        reach: how far is looked, pixels.
        shift_max_px: largest shift.
        contrast_min_K: least step that is believed, kelvin.
        calibration: of the metal.
        pixels_per_mm: scale.
    """

    inner: NDArray[np.int64]
    outer: NDArray[np.int64]
    reach: int
    shift_max_px: float
    contrast_min_K: float
    calibration: Calibration
    pixels_per_mm: float

    def shift_px(self, counts: NDArray[np.float32]) -> tuple[int, int] | None:
        """Return by how many columns and rows the outline is seen from where it must be; None: it is not seen.

        Args:
            counts: float32[rows, columns], what is read of the frame.
        """
        steps = {
            (right, down): self._step(counts, right, down)
            for down in range(-self.reach, self.reach + 1)
            for right in range(-self.reach, self.reach + 1)
        }
        best = max(map(abs, steps.values()))
        if self._kelvin(best, float(counts.mean(dtype=np.float64))) < self.contrast_min_K:
            return None
        if best <= CLEARLY * abs(steps[0, 0]):
            return 0, 0
        # Around the right shift lies a plateau, as wide as the two sides of the outline are apart.
        plateau = np.array([shift for shift, step in steps.items() if abs(step) >= PLATEAU * best])
        right, down = np.rint(plateau.mean(axis=0))
        return int(right), int(down)

    def _step(self, counts: NDArray[np.float32], right: int, down: int) -> float:
        """Return the mean step across the shifted outline, counts."""
        inside = counts[self.inner[:, 0] + down, self.inner[:, 1] + right].mean(dtype=np.float64)
        outside = counts[self.outer[:, 0] + down, self.outer[:, 1] + right].mean(dtype=np.float64)
        return float(inside - outside)

    def _kelvin(self, step: float, middle: float) -> float:
        ends = [np.array([middle + half], dtype=np.float32) for half in (-step / 2, step / 2)]
        low, high = (float(self.calibration.kelvin(end)[0]) for end in ends)
        return abs(high - low)

    def check(self, counts: NDArray[np.float32], where: str) -> None:
        """Refuse a frame in which the outline is seen elsewhere. Raises FrameFault."""
        found = self.shift_px(counts)
        if found is None or np.hypot(*found) <= self.shift_max_px:
            return
        raise FrameFault(
            FaultKind.MISREGISTERED,
            f"the layer below is seen {found[0]:+d} columns and {found[1]:+d} rows from where it must be"
            f" ({np.hypot(*found) / self.pixels_per_mm:.2f} mm)",
            where=where,
            why=f"at most {self.shift_max_px:g} pixels are accepted (capture.checks.outline_shift_max_px)",
            remedy="fasten the camera and register it anew, or correct capture.registration.part_at_mm",
        )


def margin_px(shift_max_px: float) -> int:
    """Return how much of the frame around the part the check needs, pixels."""
    return _reach(shift_max_px) + int(np.ceil(max(shift_max_px, ACROSS_PX_MIN))) + 1


def _reach(shift_max_px: float) -> int:
    return int(min(SHIFTS_MAX, np.ceil(2 * shift_max_px) + 4))


def make_outline_check(
    below: Geometry,
    placement: Placement,
    registration: Registration,
    window: tuple[int, int, int, int],
    calibration: Calibration,
    shift_max_px: float,
    contrast_min_K: float,
) -> OutlineCheck | None:
    """Return the check for the outline of the layer below, or None where too little of it is in view."""
    dx_mm = below.dx_m * 1e3
    origin_mm = (below.origin_m[0] * 1e3, below.origin_m[1] * 1e3)
    pixel_mm = 1.0 / float(registration.pixels_per_mm(placement.on_plate(_middle(below)))[0])
    away_mm = max(shift_max_px, ACROSS_PX_MIN) * pixel_mm
    edge, normal = _edges(below)
    centres = element_centres_mm(dx_mm, origin_mm, below.row[edge], below.col[edge])
    rim = centres + normal * dx_mm / 2
    left, top, right, bottom = window
    reach = _reach(shift_max_px)
    sides = []
    for sign in (-1.0, 1.0):
        seen = registration.project(placement.on_plate(rim + sign * away_mm * normal))
        sides.append(np.nan_to_num(np.rint(seen), nan=-1e6).astype(np.int64)[:, ::-1] - (top, left))
    ok = np.ones(len(rim), dtype=np.bool_)
    for side in sides:
        low = np.all(side >= reach, axis=1)
        ok &= low & (side[:, 0] < bottom - top - reach) & (side[:, 1] < right - left - reach)
    if np.count_nonzero(ok) < 20:
        return None
    chosen = np.flatnonzero(ok)[:: -(-int(np.count_nonzero(ok)) // _POINTS_MAX)]
    inner, outer = (side[chosen] for side in sides)
    return OutlineCheck(inner, outer, reach, shift_max_px, contrast_min_K, calibration, 1.0 / pixel_mm)


def _middle(geometry: Geometry) -> NDArray[np.float64]:
    dx_mm = geometry.dx_m * 1e3
    return np.array(
        [
            [
                geometry.origin_m[0] * 1e3 + geometry.col.mean() * dx_mm,
                geometry.origin_m[1] * 1e3 + geometry.row.mean() * dx_mm,
            ]
        ]
    )


def _edges(geometry: Geometry) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the elements with a side on the outline and that side's outward normal, once for every such side."""
    grid = np.zeros((int(geometry.row.max()) + 3, int(geometry.col.max()) + 3), dtype=np.bool_)
    grid[geometry.row + 1, geometry.col + 1] = True
    edges, normals = [], []
    for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        found = np.flatnonzero(~grid[geometry.row + 1 + y, geometry.col + 1 + x])
        edges.append(found)
        normals.append(np.tile(np.array([[x, y]], dtype=np.float64), (found.size, 1)))
    return np.concatenate(edges), np.concatenate(normals)


def rim_lines_mm(geometry: Geometry) -> NDArray[np.float64]:
    """Return the outline as the sides of elements on it, float64[sides, 2 ends, 2], in the part's frame, mm."""
    dx_mm = geometry.dx_m * 1e3
    edge, normal = _edges(geometry)
    origin_mm = (geometry.origin_m[0] * 1e3, geometry.origin_m[1] * 1e3)
    middle = element_centres_mm(dx_mm, origin_mm, geometry.row[edge], geometry.col[edge]) + normal * dx_mm / 2
    along = normal[:, ::-1] * dx_mm / 2
    return np.stack((middle - along, middle + along), axis=1)
