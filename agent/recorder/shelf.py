"""Where recordings lie: `<directory>/<job>/<start>.mcap`, rotated to `<start>.0002.mcap` and so on.

The oldest files are removed when all of them together are too large; the newest never is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"(?P<start>\d{8}T\d{6}Z(?:-\d+)?)(?:\.(?P<number>\d{4,}))?\.mcap")
STARTS_PER_SECOND_MAX = 1000
UNBORN = ".part"
"""What the name of a file ends in until its beginning is on disk."""


@dataclass(frozen=True, slots=True, order=True)
class FileName:
    """A recording's file: its start (UTC, with a number where two began in the same second) and its number."""

    start: str
    number: int

    @classmethod
    def of(cls, path: Path) -> FileName | None:
        """Return what the name of `path` says, None where it is no recording's."""
        found = _NAME.fullmatch(path.name)
        return None if found is None else cls(found["start"], int(found["number"] or 1))

    def __str__(self) -> str:
        return f"{self.start}.mcap" if self.number == 1 else f"{self.start}.{self.number:04d}.mcap"


def folder_of(directory: Path, job: str) -> Path:
    """Return the folder of a job's recordings; what a file name cannot hold becomes `_`."""
    return directory / (re.sub(r"[^\w.+-]", "_", job).lstrip(".")[:200] or "_")


def free_name(folder: Path, stamp: str) -> FileName:
    """Return the name for a recording that begins at `stamp` beside those that are there."""
    for number in range(STARTS_PER_SECOND_MAX):
        name = FileName(stamp if number == 0 else f"{stamp}-{number}", 1)
        if not any(folder.glob(f"*{name.start}.*mcap*")):
            return name
    raise FileExistsError(f"{folder / stamp}.mcap and {STARTS_PER_SECOND_MAX} more")


def files_of(path: Path) -> list[Path]:
    """Return the files of the recording to which the file `path` belongs, in order."""
    own = FileName.of(path)
    if own is None:
        return [path]
    names = [(name, each) for each in path.parent.iterdir() if (name := FileName.of(each)) is not None]
    return [each for name, each in sorted(names) if name.start == own.start]


def recordings_in(folder: Path) -> list[Path]:
    """Return the first file of every recording in `folder` and its jobs' folders, the oldest first."""
    first: dict[tuple[Path, str], tuple[FileName, Path]] = {}
    for name, path in _all_files([*folder.glob("*.mcap"), *folder.glob("*/*.mcap")]):
        key = (path.parent, name.start)
        if key not in first or name < first[key][0]:
            first[key] = (name, path)
    return [path for _, path in sorted(first.values())]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What is left after the oldest were removed: bytes in all, and the files that went."""

    bytes_left: int
    removed: list[Path]


def prune(directory: Path, bytes_max: int, writing: Path) -> Pruned:
    """Remove the oldest recordings below `directory` until `bytes_max` are kept; never `writing` nor the newest."""
    found = sorted(_all_files(directory.glob("*/*.mcap")))
    sizes = {path: _size(path) for _, path in found}
    total = sum(sizes.values())
    removed: list[Path] = []
    for _, path in found[:-1]:
        if total <= bytes_max:
            break
        if path == writing:
            continue
        with suppress(OSError):
            path.unlink()
            removed.append(path)
            total -= sizes[path]
            path.parent.rmdir()  # fails while others are in it
    return Pruned(total, removed)


def remove_unborn(folder: Path) -> None:
    """Remove what a kill left of files whose beginning was not whole."""
    for path in folder.glob(f"*.mcap{UNBORN}"):
        with suppress(OSError):
            path.unlink()


def _all_files(paths: Iterable[Path]) -> list[tuple[FileName, Path]]:
    return [(name, path) for path in paths if (name := FileName.of(path)) is not None]


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
