"""The wall clock: deadlines do not need it, certificates and the times of records do."""

from __future__ import annotations

import asyncio
import ctypes
import ctypes.util
import time
from datetime import UTC, datetime

from agent.checks.finding import Finding, Verdict

EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
"""A clock that shows an earlier time was never set: this program is younger."""

_UNSYNCHRONISED = 5
"""TIME_ERROR of adjtimex(2): the kernel's clock follows no other clock."""
_TIMEX_BYTES = 208
"""At least sizeof(struct timex) on Linux, of which nothing but the return value is read; mode 0 changes nothing."""


async def check_clock() -> Finding:
    """Look at the time, and at whether the kernel's clock is kept right."""
    now = datetime.now(UTC)
    shown = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    if now < EARLIEST:
        return Finding("clock", Verdict.FAILED, f"it shows {shown}", "set it: certificates are not valid yet then")
    if not time.get_clock_info("monotonic").monotonic:
        return Finding("clock", Verdict.FAILED, "this system has no monotonic clock", "deadlines need one")
    state = await asyncio.to_thread(_kernel_state)
    if state == _UNSYNCHRONISED:
        return Finding(
            "clock",
            Verdict.WARNING,
            f"{shown}, and no service keeps it right",
            "timedatectl set-ntp true, or install chrony: the times of records drift",
        )
    return Finding("clock", Verdict.OK, f"{shown}" + (", kept right by a time service" if state >= 0 else ""))


def _kernel_state() -> int:
    """Return what adjtimex(2) says of the clock; -1 where it cannot be asked."""
    try:
        library = ctypes.CDLL(ctypes.util.find_library("c") or "libc.so.6", use_errno=True)
        return int(library.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    except (OSError, AttributeError):
        return -1
