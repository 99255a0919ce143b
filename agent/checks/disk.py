"""Folders that must be written to: whether they can be, how fast, and whether there is room."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
import uuid
from pathlib import Path

from agent.checks.finding import Finding, Verdict
from agent.configuration import AgentConfiguration
from agent.part_source import is_digest

TRIAL_BYTES = 1 << 20
"""What is written, made to reach the disk, and removed again, bytes."""
SLOW_S = 1.0
"""A trial slower than this is worth a word: recordings lag behind, printing does not."""
ROOM_BYTES = 256 << 20
"""Less room than this is worth a word, bytes."""


async def check_disk(settings: AgentConfiguration) -> Finding:
    """Try the folders of recordings and of fetched parts."""
    folders = {}
    if settings.recording.directory:
        folders["recording.directory"] = Path(settings.recording.directory)
    if is_digest(settings.printer.part):
        folders["printer.parts_directory"] = Path(settings.printer.parts_directory)
    if not folders:
        return Finding("disk", Verdict.OFF, "nothing is recorded and no part is fetched")
    found = [await asyncio.to_thread(_try, setting, folder) for setting, folder in folders.items()]
    worst = max(found, key=lambda one: [Verdict.OK, Verdict.WARNING, Verdict.FAILED].index(one.verdict))
    return Finding("disk", worst.verdict, "; ".join(one.text for one in found), worst.remedy)


def _try(setting: str, folder: Path) -> Finding:
    where = f"{setting} {folder}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        slowest_s = _write(folder / f".check-{uuid.uuid4().hex}")
        room = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(
            "disk",
            Verdict.FAILED,
            f"{where} cannot be written: {error.strerror}",
            "free space on it, let the agent's user write there, or name another folder",
        )
    text = f"{where}: {room / 1e9:.1f} GB free, 1 MiB on disk in {slowest_s * 1e3:.0f} ms"
    if room < ROOM_BYTES:
        return Finding(
            "disk", Verdict.WARNING, text, f"free space: below {ROOM_BYTES >> 20} MiB recording soon stops"
        )
    if slowest_s > SLOW_S:
        return Finding("disk", Verdict.WARNING, text, "a faster disk loses less of a recording in a crash")
    return Finding("disk", Verdict.OK, text)


def _write(path: Path) -> float:
    """Write and remove a file; return how long the disk took, seconds."""
    began_s = time.monotonic()
    try:
        with path.open("wb") as file:
            file.write(bytes(TRIAL_BYTES))
            file.flush()
            os.fsync(file.fileno())
    finally:
        path.unlink(missing_ok=True)
    return time.monotonic() - began_s
