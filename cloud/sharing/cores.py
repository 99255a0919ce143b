"""How many processors there are for the coordinator."""

from __future__ import annotations

import os
from pathlib import Path


def usable_cores() -> float:
    """Return how many processors this process may use: its affinity, and the quota of its control group."""
    cores = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(os.cpu_count() or 1)
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return cores if quota == "max" else min(cores, int(quota) / int(period))
    except (OSError, ValueError):  # no control groups of version 2
        return cores
