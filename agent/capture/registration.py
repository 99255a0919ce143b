"""The registration: where the frame lies on the build plate, with the points it was found from, as a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from agent.capture.homography import Lens, Points, RegistrationError, fit, jacobian, project
from cosmic.errors import InputError
from cosmic.undecodable import UNDECODABLE

SCHEMA = 1
LENS_POINTS_MIN = 8
"""Points from which a lens is found besides the view."""


class Point(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A point known in the frame and on the plate."""

    name: str = ""
    pixel: tuple[float, float]
    """u and v, pixels; the centre of the upper left pixel is (0, 0)."""
    plate_mm: tuple[float, float]
    """x and y on the build plate, mm."""
    residual_px: float = 0.0
    """How far from `pixel` the registration puts it."""
    residual_mm: float = 0.0
    """The same on the plate."""


class LensValues(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Radial distortion; see agent.capture.homography.Lens."""

    k1: float
    k2: float = 0.0
    centre_px: tuple[float, float]
    radius_px: float


class Registration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `cosmic-agent capture register` writes and `capture.registration.file` names."""

    schema: int = SCHEMA
    frame_px: tuple[int, int]
    """Width and height of the frames it holds for."""
    plate_to_pixel: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
    """The homography, row by row: mm on the plate to pixels of a perfect lens."""
    lens: LensValues | None = None
    points: tuple[Point, ...] = ()
    rms_px: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no view of a plate."""
        if self.schema != SCHEMA:
            raise ValueError(f"schema {self.schema}, known is {SCHEMA}")
        if min(self.frame_px) < 1:
            raise ValueError("frame_px: width and height are at least 1")
        if not np.isfinite(self.plate_to_pixel).all() or abs(np.linalg.det(self.matrix)) < 1e-12:
            raise ValueError("plate_to_pixel: it is singular")

    @property
    def matrix(self) -> Points:
        """The homography, float64[3, 3]."""
        return np.array(self.plate_to_pixel, dtype=np.float64)

    @property
    def bending(self) -> Lens | None:
        """The lens, where one was found."""
        lens = self.lens
        return None if lens is None else Lens(lens.k1, lens.k2, lens.centre_px, lens.radius_px)

    def project(self, plate_mm: ArrayLike) -> Points:
        """Return where points of the plate lie in the frame, float64[..., 2], pixels; NaN behind the camera."""
        return project(self.matrix, plate_mm, self.bending)

    def pixels_per_mm(self, plate_mm: ArrayLike) -> NDArray[np.float64]:
        """Return the scale at points of the plate, float64[points], pixels/mm."""
        determinants = np.linalg.det(jacobian(self.matrix, plate_mm, self.bending))
        return np.asarray(np.sqrt(np.abs(determinants)), dtype=np.float64)


def register(points: Sequence[Point], frame_px: tuple[int, int], *, lens: bool = False) -> Registration:
    """Return the registration that fits points best, with the residual of each.

    Args:
        points: four or more.
        frame_px: width and height of the frame.
        lens: find the lens's radial distortion (k1) as well; needs eight points.

    Raises:
        RegistrationError: the points do not determine it, or lie outside the frame.
    """
    plate = np.array([point.plate_mm for point in points], dtype=np.float64).reshape(-1, 2)
    frame = np.array([point.pixel for point in points], dtype=np.float64).reshape(-1, 2)
    outside = np.flatnonzero(np.any((frame < -0.5) | (frame > np.array(frame_px) - 0.5), axis=1))
    if outside.size:
        raise RegistrationError(
            f"point {_named(points, int(outside[0]))} lies outside the frame",
            where="registration points",
            why=f"the frame has {frame_px[0]} x {frame_px[1]} pixels",
            remedy="give the size of the frame in which the points were read",
        )
    matrix = fit(plate, frame)
    found = _with_lens(matrix, plate, frame, frame_px) if lens else None
    bending = None
    if found is not None:
        matrix, bending = found
    off = project(matrix, plate, bending) - frame
    off_mm = np.linalg.solve(jacobian(matrix, plate, bending), off[..., None])[..., 0]
    return Registration(
        frame_px=frame_px,
        plate_to_pixel=tuple(tuple(float(value) for value in row) for row in matrix),  # type: ignore[arg-type]
        lens=None
        if bending is None
        else LensValues(k1=bending.k1, k2=bending.k2, centre_px=bending.centre_px, radius_px=bending.radius_px),
        points=tuple(
            Point(
                name=point.name or str(number + 1),
                pixel=point.pixel,
                plate_mm=point.plate_mm,
                residual_px=float(np.hypot(*off[number])),
                residual_mm=float(np.hypot(*off_mm[number])),
            )
            for number, point in enumerate(points)
        ),
        rms_px=float(np.sqrt(np.mean(np.sum(off**2, axis=1)))),
    )


def _named(points: Sequence[Point], number: int) -> str:
    return points[number].name or str(number + 1)


def _with_lens(matrix: Points, plate: Points, frame: Points, frame_px: tuple[int, int]) -> tuple[Points, Lens]:
    """Return view and lens that fit best together."""
    if len(plate) < LENS_POINTS_MIN:
        raise RegistrationError(
            f"there are {len(plate)} points",
            where="--lens",
            why=f"a lens needs {LENS_POINTS_MIN}",
            remedy="add points, also near the corners of the frame",
        )
    centre = ((frame_px[0] - 1) / 2, (frame_px[1] - 1) / 2)
    radius = float(np.hypot(*frame_px)) / 2
    mean, size = plate.mean(axis=0), float(np.max(np.ptp(plate, axis=0)))
    to_unit = np.array([[1 / size, 0.0, -mean[0] / size], [0.0, 1 / size, -mean[1] / size], [0.0, 0.0, 1.0]])
    unit = (plate - mean) / size
    start = matrix @ np.linalg.inv(to_unit)
    scale = np.array([radius, radius, 1.0])[:, None]  # all unknowns of one size
    start = start / start[2, 2] / scale

    def unpacked(values: Points) -> tuple[Points, Lens]:
        free = np.append(values[:8], 1.0).reshape(3, 3) * scale
        return free, Lens(float(values[8]), 0.0, centre, radius)

    def residuals(values: Points) -> Points:
        free, lens = unpacked(values)
        off: Points = np.nan_to_num(project(free, unit, lens) - frame, nan=1e6).ravel()
        return off

    best = least_squares(residuals, np.append(start.ravel()[:8], 0.0), x_scale=1.0, xtol=1e-14, ftol=1e-14)
    free, lens = unpacked(best.x)
    return free @ to_unit, lens


def load_registration(path: Path) -> Registration:
    """Read a registration.

    Raises:
        RegistrationError: the file is missing or is no registration.
    """
    remedy = "make it with 'cosmic-agent capture register'"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Registration)
    except OSError as error:
        raise RegistrationError(f"cannot be read: {error.strerror}", where=str(path), remedy=remedy) from error
    except UNDECODABLE as error:
        raise RegistrationError(f"is no registration: {error}", where=str(path), remedy=remedy) from error


def save_registration(registration: Registration, path: Path) -> None:
    """Write a registration whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    text = msgspec.json.format(msgspec.json.encode(registration), indent=2) + b"\n"
    try:
        with tempfile.NamedTemporaryFile(dir=path.absolute().parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(text)
        Path(file.name).chmod(0o644)
        os.replace(file.name, path)  # noqa: PTH105  one step, also over a file that is there
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}", where=str(path), remedy="check the folder and its permissions"
        ) from error
