"""Is this frame to be believed? Every check answers with the fault's name, the value, the limit and a remedy."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.capture.faults import FaultKind, FrameFault
from agent.capture.frame import Frame
from agent.capture_settings import Checks

_SAMPLED_BYTES = 256 * 1024
"""How much of a frame its fingerprint is made of: noise makes every row of two frames differ."""


def check_size(frame: Frame, frame_px: tuple[int, int]) -> None:
    """Refuse a frame of another size than the registration's. Raises FrameFault."""
    if frame.size_px != frame_px:
        width, height = frame.size_px
        raise FrameFault(
            FaultKind.SIZE,
            f"the frame has {width} x {height} pixels",
            where=frame.where,
            why=f"the registration is for {frame_px[0]} x {frame_px[1]}",
            remedy="set the camera to that size, or register it anew",
        )


def check_saturation(counts: NDArray[np.float32], frame: Frame, settings: Checks) -> None:
    """Refuse a frame with too many pixels at the end of their range. Raises FrameFault.

    Args:
        counts: float32[...], what is read of the frame.
        frame: where it comes from.
        settings: the limits.
    """
    limit = settings.saturated_counts if settings.saturated_counts is not None else frame.counts_max
    if limit is None:
        return
    share = np.count_nonzero(counts >= np.float32(limit)) / counts.size
    if share > settings.saturated_share_max:
        raise FrameFault(
            FaultKind.SATURATED,
            f"{share:.1%} of the pixels over the part are at {limit:g} counts or above",
            where=frame.where,
            why=f"at most {settings.saturated_share_max:.1%} may be (capture.checks.saturated_share_max)",
            remedy="choose a shorter exposure, a filter or a higher measuring range",
        )


class Freezing:
    """Remembers the frame before."""

    def __init__(self) -> None:
        self._identity: tuple[int, ...] | None = None
        self._print: tuple[int, tuple[int, ...]] | None = None

    def check(self, counts: NDArray[np.float32], frame: Frame) -> None:
        """Refuse a frame that is the one before, by its number or by its counts. Raises FrameFault.

        Args:
            counts: float32[rows, columns], what is read of the frame.
            frame: where it comes from.
        """
        same_number = frame.identity is not None and frame.identity == self._identity
        step = -(-counts.nbytes // _SAMPLED_BYTES)
        found = (zlib.crc32(counts[::step].tobytes()), counts.shape)
        same_counts = found == self._print
        self._identity, self._print = frame.identity, found
        if same_number or same_counts:
            raise FrameFault(
                FaultKind.FROZEN,
                "its number is that of the frame before"
                if same_number
                else "every pixel is as in the frame before",
                where=frame.where,
                why="a new frame differs at least by its noise",
                remedy="restart the camera or its software; without noise: capture.checks.frozen = false",
            )


def check_range(map_K: NDArray[np.float32], where: str, settings: Checks) -> None:
    """Refuse a map with temperatures that cannot be. Raises FrameFault."""
    low, high = map_K.min(), map_K.max()
    if settings.min_K <= low and high <= settings.max_K:  # false for NaN as well
        return
    wrong = ~((map_K >= settings.min_K) & (map_K <= settings.max_K))
    finite: NDArray[Any] = map_K[np.isfinite(map_K)]
    seen = f"{finite.min():.0f} to {finite.max():.0f} K" if finite.size else "no temperature at all"
    raise FrameFault(
        FaultKind.RANGE,
        f"{np.count_nonzero(wrong)} of {map_K.size} elements are no possible temperature ({seen})",
        where=where,
        why=f"{settings.min_K:g} to {settings.max_K:g} K are possible (capture.checks.min_K, max_K)",
        remedy="check capture.calibration against the camera's own reading",
    )
