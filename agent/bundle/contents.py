"""What goes into a support archive: each piece by itself, so that one that cannot be had costs no other."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from agent.configuration import AgentConfiguration
from cosmic import __version__
from cosmic.config_commands import shown
from cosmic.configuration import Effective

COMMAND_S = 20.0
"""Longest wait for a program, seconds."""
LOG_LINES = 20_000
"""Newest lines of the service's journal."""
UNIT = "cosmic-agent.service"


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of the archive: its `name` and what makes its text."""

    name: str
    text: Callable[[], str]


def pieces(settings: AgentConfiguration, values: list[Effective]) -> Iterator[Piece]:
    """Yield every piece but recordings and checks."""
    yield Piece("versions.json", lambda: _json(versions()))
    yield Piece("configuration.json", lambda: _json([_value(one) for one in values]))
    yield Piece("machine.txt", lambda: machine(settings))
    yield Piece("recordings.txt", lambda: listing(settings.recording.directory))
    yield Piece(
        "journal.jsonl",
        lambda: _run("journalctl", "-u", UNIT, "-n", str(LOG_LINES), "-o", "cat", "--no-pager"),
    )
    yield Piece(
        "unit.txt", lambda: _run("systemctl", "cat", UNIT) + _run("systemctl", "status", "--no-pager", UNIT)
    )


def versions() -> dict[str, object]:
    """Return the versions of the agent and of all that is installed beside it."""
    installed = {found.name: found.version for found in importlib.metadata.distributions()}
    return {
        "agent": __version__,
        "python": sys.version,
        "system": platform.platform(),
        "installed": dict(sorted(installed.items())),
    }


def machine(settings: AgentConfiguration) -> str:
    """Return processor, memory, load and room on the disks that are written to."""
    lines = [f"processors: {os.cpu_count()}", f"load: {os.getloadavg()}"]
    lines += Path("/proc/meminfo").read_text().splitlines()[:5]
    for folder in (settings.recording.directory, settings.printer.parts_directory):
        if folder and Path(folder).is_dir():
            usage = shutil.disk_usage(folder)
            lines.append(f"{folder}: {usage.free / 1e9:.2f} of {usage.total / 1e9:.2f} GB free")
    return "\n".join(lines) + "\n"


def listing(directory: str) -> str:
    """Return the recordings there are, oldest first, with their bytes."""
    files = recordings(directory)
    return "".join(f"{path.stat().st_size:>12}  {path}\n" for path in files) or "no recordings\n"


def recordings(directory: str) -> list[Path]:
    """Return the recordings in `directory`, oldest first."""
    if not directory or not Path(directory).is_dir():
        return []
    return sorted(Path(directory).rglob("*.mcap"), key=lambda path: path.stat().st_mtime)


def _value(one: Effective) -> dict[str, object]:
    return {"key": one.key, "value": shown(one.value), "source": one.source}


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode() + "\n"


def _run(*command: str) -> str:
    """Return what a program says; that it is not here, where it is not."""
    if shutil.which(command[0]) is None:
        return f"{command[0]} is not on this system\n"
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=COMMAND_S, check=False)  # noqa: S603
    return done.stdout + (f"(exit {done.returncode}) {done.stderr}" if done.returncode else "")
