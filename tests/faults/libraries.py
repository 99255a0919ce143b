"""Small C libraries that stand between a process and the system, to be preloaded."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

from tests.faults.stage import Stage


async def preloaded(stage: Stage, name: str) -> str:
    """Make the library `name`, of the source beside this file; return its path, for LD_PRELOAD."""
    source, library = Path(__file__).with_name(f"{name}.c"), stage.folder / f"{name}.so"
    words = ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source)]
    await asyncio.to_thread(subprocess.run, words, check=True, capture_output=True)
    return str(library)


def no_compiler() -> str:
    """Return why no library can be made here."""
    return "" if shutil.which("cc") else "there is no C compiler to make the libraries of tests/faults"
