"""Which pixels are not to be believed: from a list, a mask file, or found in a dark and a flat frame."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from agent.capture.framefiles import read_frame
from cosmic.errors import ConfigurationError

SHARE_MAX = 0.2
"""Largest share of bad pixels: more is no camera, or the mask of something else."""

_SIGMA = 1.4826
"""Standard deviation of a normal distribution in units of its median absolute deviation."""


def bad_pixels(
    file: Path | None, listed: Iterable[tuple[int, int]], frame_px: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the mask bool[height, width], True where a pixel is bad.

    Args:
        file: a picture or array of the frame's size, not 0 where a pixel is bad; None: no file.
        listed: u and v of single pixels.
        frame_px: width and height.

    Raises:
        ConfigurationError: a pixel outside the frame, a mask of another size, or more than a fifth is bad.
    """
    width, height = frame_px
    bad = np.zeros((height, width), dtype=np.bool_)
    for u, v in listed:
        if not (0 <= u < width and 0 <= v < height):
            raise ConfigurationError(
                f"pixel [{u}, {v}] is outside the frame",
                where="capture.calibration.bad_pixels",
                why=f"the frame has {width} x {height} pixels",
                remedy="give column and row, counted from 0",
            )
        bad[v, u] = True
    if file is not None:
        bad |= _mask(file, (height, width))
    if np.count_nonzero(bad) > SHARE_MAX * bad.size:
        raise ConfigurationError(
            f"{np.count_nonzero(bad)} of {bad.size} pixels are bad",
            where="capture.calibration.bad_pixels_file" if file is not None else "capture.calibration.bad_pixels",
            why=f"at most {SHARE_MAX:.0%} can be replaced",
            remedy="check the mask: bad pixels are the ones that are not 0",
        )
    return bad


def _mask(file: Path, shape: tuple[int, int]) -> NDArray[np.bool_]:
    try:
        mask = read_frame(file).pixels
    except Exception as error:
        raise ConfigurationError(
            f"the mask cannot be read: {error}",
            where="capture.calibration.bad_pixels_file",
            remedy="check the path",
        ) from error
    if mask.shape != shape:
        raise ConfigurationError(
            f"the mask has {mask.shape[1]} x {mask.shape[0]} pixels",
            where="capture.calibration.bad_pixels_file",
            why=f"the registration's frame has {shape[1]} x {shape[0]}",
            remedy="use a mask made from this camera's frames",
        )
    return np.asarray(mask != 0, dtype=np.bool_)


def find_bad_pixels(
    dark: NDArray[np.float64], flat: NDArray[np.float64], *, sigmas: float = 6.0, response_min: float = 0.5
) -> NDArray[np.bool_]:
    """Return the mask bool[height, width] of pixels that are hot, dead, or answer otherwise than their neighbours.

    Args:
        dark: frame of something cold and even (shutter closed), counts, float64[height, width].
        flat: frame of something warmer and even, counts, float64[height, width].
        sigmas: how far a dark pixel may be from its neighbours, robust standard deviations of the frame.
        response_min: least rise from dark to flat, as a share of the neighbours'; their inverse is the most.
    """
    off = dark - median_filter(dark, size=5, mode="nearest")
    noise = max(_SIGMA * float(np.median(np.abs(off - np.median(off)))), 1.0)
    hot = np.abs(off) > sigmas * noise
    rise = flat - dark
    around = median_filter(rise, size=5, mode="nearest")
    with np.errstate(divide="ignore", invalid="ignore"):
        response = rise / around
    answers = (response >= response_min) & (response <= 1.0 / response_min)
    return np.asarray(hot | ~answers, dtype=np.bool_)
