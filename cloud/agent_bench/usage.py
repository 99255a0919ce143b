"""What a process uses, as the kernel counts it (proc(5))."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

MB = 1e6
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process uses now.

    Attributes:
        resident_mb: pages in memory, shared ones among them, MB (1e6 bytes).
        own_mb: pages that no other process shares, MB.
        cpu_s: processor time since its start, seconds.
        descriptors: open files and sockets.
    """

    resident_mb: float
    own_mb: float
    cpu_s: float
    descriptors: int


def usage_of(pid: int) -> Usage:
    """Return what process `pid` uses. Raises OSError when it is gone, or another user's."""
    place = Path("/proc") / str(pid)
    fields = (place / "stat").read_text().rpartition(")")[2].split()
    resident = int((place / "statm").read_text().split()[1]) * _PAGE
    return Usage(
        resident_mb=resident / MB,
        own_mb=_own_bytes(place) / MB,
        cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS,
        descriptors=sum(1 for _ in (place / "fd").iterdir()),
    )


def _own_bytes(place: Path) -> int:
    lines = (place / "smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))
