"""Puts a finished folder under its name in one step, also where that name is taken."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def put_in_place(partial: Path, target: Path) -> None:
    """Rename `partial` to `target`. What was at `target` is at `partial` afterwards, for removal.

    Where the system can (Linux, renameat2), the two names change places in one step; elsewhere there is a
    moment in which `target` does not exist.

    Raises:
        OSError: the rename failed; `target` is as it was.
    """
    if not target.exists():
        partial.rename(target)
        return
    if _exchange(partial, target):
        return
    aside = partial.with_name(partial.name + ".old")
    target.rename(aside)
    try:
        partial.rename(target)
    except OSError:
        aside.rename(target)
        raise
    aside.rename(partial)


def _exchange(first: Path, second: Path) -> bool:
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    done = renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE)
    return bool(done == 0)
