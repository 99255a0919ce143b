"""Registrations and frames of the small square that tests share: a camera that looks at it from one side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agent.capture.registration import Point, Registration, register

SIZE_PX = (160, 120)
CORNERS_MM = ((-1.0, -1.0), (5.8, -1.0), (5.8, 5.8), (-1.0, 5.8))
CORNERS_PX = ((20.0, 110.0), (140.0, 112.0), (126.0, 12.0), (31.0, 9.0))


def oblique() -> Registration:
    """The square of 4.8 mm, seen obliquely at about 3 pixels an element."""
    points = [Point(pixel=pixel, plate_mm=mm) for pixel, mm in zip(CORNERS_PX, CORNERS_MM, strict=True)]
    return register(points, SIZE_PX)


def plate_at_pixels(registration: Registration) -> NDArray[np.float64]:
    """Return where on the plate every pixel's centre looks, float64[height, width, 2], mm."""
    width, height = registration.frame_px
    v, u = np.mgrid[0:height, 0:width].astype(np.float64)
    q = np.stack((u, v, np.ones_like(u)), axis=-1) @ np.linalg.inv(registration.matrix).T
    return np.asarray(q[..., :2] / q[..., 2:])
