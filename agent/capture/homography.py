"""The homography that carries the build plate into the frame, found from points known in both.

Plate coordinates are mm, pixel coordinates have their origin in the centre of the upper left pixel, u to the right
and v down. Found by the normalised direct linear transform (R. Hartley and A. Zisserman, Multiple View Geometry,
2nd ed., algorithm 4.2), then, with more than four points, by least squares of the residuals in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from cosmic.errors import InputError

POINTS_MIN = 4
POINTS_MAX = 10_000

DEGENERATE = 1e-3
"""Height of a triangle of points, as a share of the extent of all, below which they count as collinear."""

_NULL = 1e-9
"""Singular value, relative to the largest, below which a second homography would fit as well."""

Points = NDArray[np.float64]


class RegistrationError(InputError):
    """The points do not determine where the frame lies on the build plate."""


@dataclass(frozen=True, slots=True)
class Lens:
    """Radial distortion, Brown's model: `p' = c + (p - c) (1 + k1 r^2 + k2 r^4)`.

    Attributes:
        k1, k2: coefficients; 0 for a perfect lens.
        centre_px: u and v of the optical axis.
        radius_px: the distance that counts as r = 1: half the frame's diagonal.
    """

    k1: float
    k2: float
    centre_px: tuple[float, float]
    radius_px: float

    def bend(self, ideal_px: Points) -> Points:
        """Return where the lens puts points, float64[points, 2], pixels."""
        away = ideal_px - self.centre_px
        r2 = np.sum((away / self.radius_px) ** 2, axis=-1, keepdims=True)
        bent: Points = np.asarray(self.centre_px) + away * (1.0 + self.k1 * r2 + self.k2 * r2**2)
        return bent


def project(matrix: Points, plate_mm: ArrayLike, lens: Lens | None = None) -> Points:
    """Return where points of the plate lie in the frame, float64[..., 2], pixels.

    Points at or beyond the horizon of the view are NaN.
    """
    at = np.asarray(plate_mm, dtype=np.float64)
    x, y, w = (at[..., 0] * row[0] + at[..., 1] * row[1] + row[2] for row in matrix)
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = np.where((w > 0.0)[..., None], np.stack((x, y), axis=-1) / w[..., None], np.nan)
    return seen if lens is None else lens.bend(seen)


def fit(plate_mm: ArrayLike, pixel: ArrayLike) -> Points:
    """Return the homography float64[3, 3] that carries `plate_mm` to `pixel`, positive in front of the camera.

    Args:
        plate_mm: float64[points, 2], four or more, no three of four on a line.
        pixel: float64[points, 2], the same points in the frame.

    Raises:
        RegistrationError: too few points, points on a line or in one place, or two of them mixed up.
    """
    plate, frame = np.asarray(plate_mm, dtype=np.float64), np.asarray(pixel, dtype=np.float64)
    check_points(plate, frame)
    matrix = _direct(plate, frame)
    if len(plate) > POINTS_MIN:
        matrix = _refined(matrix, plate, frame)
    _check_order(matrix, plate)
    return matrix


def check_points(plate: Points, frame: Points) -> None:
    """Check that points determine a homography.

    Raises:
        RegistrationError: they do not.
    """
    if plate.shape != frame.shape or plate.ndim != 2 or plate.shape[1] != 2:
        raise RegistrationError(
            f"{len(plate)} points on the plate and {len(frame)} in the frame",
            where="registration points",
            remedy="give u, v, x and y of every point",
        )
    if not POINTS_MIN <= len(plate) <= POINTS_MAX:
        raise RegistrationError(
            f"there are {len(plate)} points",
            where="registration points",
            why=f"{POINTS_MIN} to {POINTS_MAX} are needed",
            remedy="give four or more points, no three of them on a line, spread over the plate",
        )
    if not (np.isfinite(plate).all() and np.isfinite(frame).all()):
        raise RegistrationError(
            "a coordinate is not a finite number", where="registration points", remedy="mend it"
        )
    for points, unit in ((plate, "on the plate"), (frame, "in the frame")):
        _check_spread(points, unit)


def _check_spread(points: Points, place: str) -> None:
    """Refuse points of which no four are in general position."""
    extent = float(np.max(np.ptp(points, axis=0)))
    if extent <= 0.0:
        raise RegistrationError(
            f"all points {place} are one", where="registration points", remedy="spread the points over the plate"
        )
    scaled = (points - points.mean(axis=0)) / extent
    line = _line_through_all_but_one(scaled)
    if line is None:
        return
    named = ", ".join(str(number + 1) for number in line)
    raise RegistrationError(
        f"points {named} {place} lie on a line or in one place",
        where="registration points",
        why="with all points but one on a line the view is not determined",
        remedy="move a point away from that line, or add points beside it",
    )


def _line_through_all_but_one(scaled: Points) -> tuple[int, ...] | None:
    """Return points that lie on a line where at most one other does not; None where there is no such line."""
    count = len(scaled)
    # If all but one lie on a line, so do two of any three points: those lines are the candidates.
    for first, second in combinations(range(3 if count > POINTS_MIN else count), 2):
        along = scaled[second] - scaled[first]
        length = float(np.hypot(*along))
        if length < DEGENERATE:
            if count == POINTS_MIN:
                return first, second
            continue
        beside = scaled - scaled[first]
        away = np.abs(along[0] * beside[:, 1] - along[1] * beside[:, 0]) / length
        on_line = np.flatnonzero(away < DEGENERATE)
        if on_line.size >= count - 1:
            return tuple(int(number) for number in on_line)
    return None


def _normalised(points: Points) -> tuple[Points, Points]:
    """Return points moved to their mean and scaled to a mean distance of sqrt(2), and the matrix that does it."""
    mean = points.mean(axis=0)
    scale = np.sqrt(2.0) / np.mean(np.hypot(*(points - mean).T))
    matrix = np.array([[scale, 0.0, -scale * mean[0]], [0.0, scale, -scale * mean[1]], [0.0, 0.0, 1.0]])
    return (points - mean) * scale, matrix


def _direct(plate: Points, frame: Points) -> Points:
    (p, from_plate), (q, from_frame) = _normalised(plate), _normalised(frame)
    ones, zeros = np.ones((len(p), 1)), np.zeros((len(p), 3))
    world = np.hstack((p, ones))
    rows = np.vstack((np.hstack((world, zeros, -q[:, :1] * world)), np.hstack((zeros, world, -q[:, 1:] * world))))
    _, singular, right = np.linalg.svd(rows)
    if singular[7] < _NULL * singular[0]:
        raise RegistrationError(
            "the points do not determine the view",
            where="registration points",
            why="too many of them lie on a line",
            remedy="spread the points over the plate",
        )
    matrix: Points = np.linalg.inv(from_frame) @ right[-1].reshape(3, 3) @ from_plate
    return _facing(matrix, plate)


def _facing(matrix: Points, plate: Points) -> Points:
    """Return the homography with the points on its positive side and a determinant of 1 in size."""
    w = plate @ matrix[2, :2] + matrix[2, 2]
    scaled: Points = matrix * (np.sign(np.sum(np.sign(w))) or 1.0) / np.cbrt(abs(np.linalg.det(matrix)) or 1.0)
    return scaled


def _refined(matrix: Points, plate: Points, frame: Points) -> Points:
    """Return the homography with the least squares of residuals in pixels, near `matrix`."""
    _, from_plate = _normalised(plate)
    _, from_frame = _normalised(frame)
    start = from_frame @ matrix @ np.linalg.inv(from_plate)
    start /= np.linalg.norm(start)
    world = np.hstack((plate, np.ones((len(plate), 1)))) @ from_plate.T
    target = frame @ from_frame[:2, :2].T + from_frame[:2, 2]

    def residuals(values: Points) -> Points:
        seen = world @ values.reshape(3, 3).T
        out: Points = (seen[:, :2] / seen[:, 2:] - target).ravel()
        return out

    def slopes(values: Points) -> Points:
        seen = world @ values.reshape(3, 3).T
        u, v, w = seen.T
        out = np.zeros((len(plate), 2, 9))
        out[:, 0, 0:3] = out[:, 1, 3:6] = world / w[:, None]
        out[:, 0, 6:9] = -world * (u / w**2)[:, None]
        out[:, 1, 6:9] = -world * (v / w**2)[:, None]
        return out.reshape(-1, 9)

    found = least_squares(residuals, start.ravel(), jac=slopes, method="trf", xtol=1e-14, ftol=1e-14, gtol=1e-14)
    best: Points = np.linalg.inv(from_frame) @ found.x.reshape(3, 3) @ from_plate
    return _facing(best, plate)


def _check_order(matrix: Points, plate: Points) -> None:
    """Refuse a view in which some points lie behind the camera: two were mixed up."""
    w = plate @ matrix[2, :2] + matrix[2, 2]
    behind = np.flatnonzero(w <= 0.0)
    if behind.size or abs(np.linalg.det(matrix)) < 1e-300:
        raise RegistrationError(
            "the points follow each other in another order in the frame than on the plate",
            where="registration points",
            why="no camera sees them like that",
            remedy="check which pixel belongs to which point; two of them are likely swapped",
        )


def jacobian(matrix: Points, plate_mm: ArrayLike, lens: Lens | None = None) -> Points:
    """Return the pixels a mm at points of the plate, float64[points, 2, 2] (du/dx, du/dy; dv/dx, dv/dy)."""
    at = np.asarray(plate_mm, dtype=np.float64)
    step = 1e-3
    columns = []
    for axis in range(2):
        shift = np.zeros(2)
        shift[axis] = step
        columns.append((project(matrix, at + shift, lens) - project(matrix, at - shift, lens)) / (2 * step))
    return np.stack(columns, axis=-1)
