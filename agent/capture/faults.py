"""What can be wrong with a frame, each by its name. A layer whose frame is faulty starts without one."""

from __future__ import annotations

from enum import Enum

from cosmic.errors import CaptureError


class FaultKind(Enum):
    """The names of faults; they are words of the log."""

    MISSING = "missing"
    """No frame came within the limit."""
    LATE = "late"
    """A frame came, and was not whole or not mapped within the limit."""
    FROZEN = "frozen"
    """The frame is the one before."""
    SATURATED = "saturated"
    """Too many pixels are at the end of their range."""
    MISREGISTERED = "misregistered"
    """The camera or the part does not stand where the registration says."""
    FORMAT = "format"
    """The pixels have another format."""
    SIZE = "size"
    """The frame has another width or height."""
    UNPLUGGED = "unplugged"
    """The camera, or the process that reads it, is gone."""
    HALF_WRITTEN = "half-written"
    """The file, or the frame on its way, is not complete."""
    RANGE = "range"
    """Temperatures that cannot be: the calibration does not fit the frame."""


class FrameFault(CaptureError):
    """A frame that cannot be used.

    Attributes:
        kind: which fault it is.
    """

    def __init__(self, kind: FaultKind, what: str, *, where: str = "", why: str = "", remedy: str = "") -> None:
        super().__init__(f"{kind.value}: {what}", where=where, why=why, remedy=remedy)
        self.kind = kind
