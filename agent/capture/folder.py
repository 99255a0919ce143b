"""Frames dropped into a folder: the newest complete file since the layer was ready.

The folder is looked at in turns while a frame is waited for, and never else: that works on network shares, where
the kernel tells nothing. What is new is what was not there, or was another file, when the layer became ready: the
clocks of the two computers need not agree.
"""

from __future__ import annotations

import asyncio
import fnmatch
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from agent.capture.faults import FaultKind, FrameFault
from agent.capture.frame import Frame
from agent.capture.framefiles import SUFFIXES, IncompleteError, check_reader, read_frame
from agent.capture_settings import Folder
from cosmic.errors import ConfigurationError

_log = structlog.get_logger()

_LOOKS_SHARE = 0.2
"""Largest share of the time that looking at a large folder may take."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as it was seen: another inode, size or time is another content."""

    inode: int
    size: int
    mtime_ns: int


@dataclass(slots=True)
class _Waiting:
    """What is known while a frame is waited for."""

    layer: int
    before: dict[str, Entry]
    ready_ns: int
    ends_s: float
    seen: dict[str, tuple[Entry, float]] = field(default_factory=dict)
    refused: dict[str, Entry] = field(default_factory=dict)
    incomplete: dict[str, str] = field(default_factory=dict)


class FolderSource:
    """Reads frames from `settings.directory`."""

    def __init__(self, settings: Folder) -> None:
        self._settings = settings
        self.name = settings.directory
        self._folder = Path(settings.directory)
        self._missed: set[str] | None = None
        check_pattern(settings)

    async def open(self) -> None:
        """Nothing is kept open: the folder may come and go."""

    async def close(self) -> None:
        """Nothing is kept open."""

    async def frame(self, layer: int, limit_s: float) -> Frame:
        """Return the newest complete frame that was written since this call.

        Raises:
            FrameFault: none came within `limit_s` seconds, or it is no frame.
        """
        early_ns = int(self._settings.early_ms * 1e6)
        now_ns = time.time_ns()  # beside the clock of files there is no other: used only where early_ms is set
        waiting = _Waiting(layer, {}, now_ns - early_ns, time.monotonic() + limit_s)
        waiting.before = await asyncio.to_thread(self._list, layer)
        self._tell_late(waiting)
        if early_ns:
            waiting.before = {n: e for n, e in waiting.before.items() if e.mtime_ns < waiting.ready_ns}
        while True:
            began_s = time.monotonic()
            found = await asyncio.to_thread(self._look, waiting)
            if found is not None:
                self._missed = None
                return found
            now_s = time.monotonic()
            pause_s = max(self._settings.poll_ms / 1e3, (now_s - began_s) / _LOOKS_SHARE)
            if now_s + pause_s > waiting.ends_s:
                self._missed = set(waiting.before)
                raise self._none(waiting, limit_s)
            await asyncio.sleep(pause_s)

    def _look(self, waiting: _Waiting) -> Frame | None:
        """Return the newest new file if it is whole."""
        new = {
            name: entry for name, entry in self._list(waiting.layer).items() if waiting.before.get(name) != entry
        }
        now_s = time.monotonic()
        for name, entry in new.items():
            if name not in waiting.seen or waiting.seen[name][0] != entry:
                waiting.seen[name] = (entry, now_s)
        for name in sorted(new, key=lambda name: (new[name].mtime_ns, name), reverse=True):
            entry, since_s = waiting.seen[name]
            if now_s - since_s < self._settings.settle_ms / 1e3 or waiting.refused.get(name) == entry:
                continue
            try:
                return self._read(name)
            except IncompleteError as error:
                waiting.refused[name] = entry  # looked at again when it grows
                waiting.incomplete[name] = str(error)
            except FileNotFoundError:
                continue  # moved away meanwhile
            except OSError as error:
                waiting.refused[name] = entry
                waiting.incomplete[name] = error.strerror or str(error)
        return None

    def _read(self, name: str) -> Frame:
        return read_frame(self._folder / name)

    def _list(self, layer: int) -> dict[str, Entry]:
        """Return the frames of `layer` that lie in the folder."""
        wanted = re.compile(fnmatch.translate(file_pattern(self._settings, layer)))
        found: dict[str, Entry] = {}
        files = 0
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    files += 1
                    if files > self._settings.files_max:
                        raise self._too_many()
                    name = entry.name
                    if name.startswith(".") or not name.lower().endswith(SUFFIXES) or not wanted.match(name):
                        continue
                    try:
                        known = entry.stat()
                    except FileNotFoundError:
                        continue
                    found[name] = Entry(known.st_ino, known.st_size, known.st_mtime_ns)
        except OSError as error:
            raise FrameFault(
                FaultKind.UNPLUGGED,
                f"the folder cannot be read: {error.strerror}",
                where=str(self._folder),
                remedy="check capture.folder.directory, its permissions, and whether the share is mounted",
            ) from error
        return found

    def _too_many(self) -> FrameFault:
        return FrameFault(
            FaultKind.MISSING,
            f"the folder holds more than {self._settings.files_max} files",
            where=str(self._folder),
            why="looking through them takes longer than a frame may (capture.folder.files_max)",
            remedy="remove old frames",
        )

    def _none(self, waiting: _Waiting, limit_s: float) -> FrameFault:
        """Return the fault for a wait that ended without a frame: say what was there."""
        pattern = file_pattern(self._settings, waiting.layer)
        if waiting.incomplete:
            name, why = next(reversed(waiting.incomplete.items()))
            return FrameFault(
                FaultKind.HALF_WRITTEN,
                f"{why}; it did not become whole within {limit_s:.2f} s",
                where=str(self._folder / name),
                remedy="let the monitoring system write under another name and rename, or raise capture.limit_ms",
            )
        if waiting.seen:
            name = next(reversed(waiting.seen))
            return FrameFault(
                FaultKind.LATE,
                f"the file was still changing when {limit_s:.2f} s were over",
                where=str(self._folder / name),
                why=f"a file is read when it has not changed for {self._settings.settle_ms:g} ms",
                remedy="raise capture.limit_ms, or set capture.folder.settle_ms lower",
            )
        newest = max(waiting.before, key=lambda name: waiting.before[name].mtime_ns, default=None)
        there = f"the newest before is {newest}" if newest else "there is none from before either"
        return FrameFault(
            FaultKind.MISSING,
            f"no new file '{pattern}' within {limit_s:.2f} s; {there}",
            where=str(self._folder),
            remedy="check that the monitoring system records, and capture.folder.pattern",
        )

    def _tell_late(self, waiting: _Waiting) -> None:
        """Say so where the frame that was missed came after its limit."""
        if self._missed is not None:
            late = sorted(set(waiting.before) - self._missed)
            if late:
                _log.warning("frame_late", layer=waiting.layer - 1, file=late[-1], remedy="raise capture.limit_ms")
            self._missed = None


def file_pattern(settings: Folder, layer: int) -> str:
    """Return the pattern of the files of `layer`."""
    return settings.pattern.format(layer=layer + settings.layer_offset)


def check_pattern(settings: Folder) -> None:
    """Check folder and pattern of the settings, and that what reads the files is installed.

    Raises:
        ConfigurationError: they cannot be used.
    """
    if not settings.directory:
        raise ConfigurationError(
            "no folder is named", where="capture.folder.directory", remedy="name the folder in which frames appear"
        )
    try:
        pattern = file_pattern(settings, 0)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise ConfigurationError(
            f"'{settings.pattern}' cannot be used: {error}",
            where="capture.folder.pattern",
            remedy="use *, ? and {layer} or {layer:05d}, for example frame_{layer:05d}*.tif",
        ) from error
    if "/" in pattern:
        raise ConfigurationError(
            f"'{settings.pattern}' names another folder",
            where="capture.folder.pattern",
            remedy="name the folder in capture.folder.directory",
        )
    suffix = Path(pattern).suffix.lower()
    if suffix in SUFFIXES:
        check_reader(suffix)
