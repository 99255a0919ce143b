"""How long a function takes to start, judged before there is one: Lambda allows an environment 10 s for it."""

from __future__ import annotations

import subprocess
import sys

from cloud.aws.errors import LimitError, PackageError

INIT_S_MAX = 10.0
"""Longest init, seconds: then it runs again inside the first call, which is paid (figures.md, init)."""

INIT_S_NOTED = 5.0
"""From here on it is said, seconds: Amazon's processors may be half as fast as those here."""

VCPU_MB = 1769
"""Memory that comes with a whole processor, MiB (figures.md, Lambda memory)."""

_PROGRAM = "import time, cloud.aws.function; print(time.process_time())"


def import_s() -> float:
    """Return the processor's time for a new interpreter to import what functions run, seconds.

    Raises PackageError where it cannot be imported.
    """
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise PackageError("the worker cannot be imported here", why=lines[-1] if lines else "it said nothing")
    return float(done.stdout)


def init_s(processor_s: float, memory_mb: int) -> float:
    """Return how long that takes in a function: imports use one processor, and small ones get a share of it."""
    return processor_s / min(1.0, memory_mb / VCPU_MB)


def start_warnings(seconds: float, memory_mb: int) -> list[str]:
    """Return what is to be said of a start that takes so long. Raises LimitError where Lambda cuts it off."""
    if seconds > INIT_S_MAX:
        raise LimitError(
            f"a function takes some {seconds:.1f} s to start",
            why=f"Lambda allows {INIT_S_MAX:.0f} s; {memory_mb} MiB get"
            f" {min(1.0, memory_mb / VCPU_MB):.0%} of a processor",
            remedy="give functions more memory",
        )
    if seconds > INIT_S_NOTED:
        return [
            f"a function takes some {seconds:.1f} s to start, Lambda allows {INIT_S_MAX:.0f} s: take more memory"
        ]
    return []
