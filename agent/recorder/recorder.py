"""Records a job beside its printing: what happens is noted at once and written by a thread of its own.

On the deadline path there is one append to a list. The thread takes what was noted, some times a second, and makes
it one chunk on disk: after a kill at any moment at most the last of them is missing. A slow disk holds up the
thread alone; what the list cannot hold any more is counted and said. A full disk ends the recording alone.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import msgspec
import structlog

from agent.observers import Happening, MapTaken
from agent.recorder.channels import Channel, Event, JobHeader, LogLine
from agent.recorder.errors import need
from agent.recorder.shelf import FileName, folder_of, free_name, prune, remove_unborn
from agent.recorder.telling import Telling
from agent.recorder.writing import Beginning, Disk, RecordingFile
from cosmic.logs import listening

_log = structlog.get_logger()

MESSAGES_MAX = 50_000
"""Messages waiting to be written; beyond that they are lost, and counted."""

MAP_BYTES_MAX = 64 * 1024**2
"""Bytes of maps waiting to be written; likewise."""

YIELD_EVERY = 16
"""Messages after which the thread lets the event loop's run: it must not hold the interpreter for milliseconds."""

OPEN_S = 2.0
"""How long the start of a job waits for the recording's beginning to be on disk, seconds."""

CLOSE_S = 10.0
"""How long the end of a job waits for a slow disk, seconds."""

CHUNKS_MAX = 8192
"""Chunks of a file before the next begins, an hour of printing: MCAP's writer holds 0.6 KB of each until then."""

NOT_LOGGED = frozenset({"window", "layer", "job"})
"""Log lines that the other channels hold already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large recordings may get, and how often they reach the disk."""

    directory: Path
    bytes_max: int
    file_bytes_max: int
    flush_s: float = 0.4
    sync: bool = True
    chunks_max: int = CHUNKS_MAX

    @property
    def rotate_at(self) -> int:
        """Size at which a file is followed by the next: there must be an older one that can be removed."""
        return min(self.file_bytes_max, max(1, self.bytes_max // 2))


@dataclass(slots=True)
class Counts:
    """What has become of what was noted.

    Attributes:
        written: messages on disk, by topic.
        lost: happenings that are not: the list was full, or the recording had stopped.
        bytes: on disk, of this recording.
        files: how many of them.
        removed: files of older recordings that made room.
        failed: why recording stopped, empty while it goes on.
    """

    written: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    bytes: int = 0
    files: int = 0
    removed: int = 0
    failed: str = ""


@dataclass(frozen=True, slots=True)
class _Note:
    """Something to be written: when, and what."""

    at_s: float
    what: Happening | LogLine


class Recorder:
    """Keeps one recording; an observer of the printing.

    Attributes:
        folder: where its files are.
        path: its first file.
        counts: what has become of what was noted.
    """

    def __init__(
        self,
        limits: Limits,
        header: JobHeader,
        attachments: Mapping[str, bytes],
        *,
        guard_s: float = 0.0,
        disk: Disk | None = None,
        stopped: Callable[[str, str], None] = lambda _cause, _remedy: None,
    ) -> None:
        """Prepare; `start` begins.

        header: `header.started` gives the name; its `file` is counted on here.
        stopped: told cause and remedy, on the event loop's thread, when recording has to stop.
        Raises ConfigurationError without the extra `recording`.
        """
        need("mcap.writer")
        need("zstandard")
        self.folder = folder_of(limits.directory, header.job)
        self.counts = Counts()
        self._limits = limits
        self._header = header
        self._attachments = dict(attachments)
        self._guard_s = guard_s
        self._disk = disk or Disk()
        self._stopped = stopped
        self._name = free_name(self.folder, file_stamp(header.started))
        self.path = self.folder / str(self._name)
        self._notes: deque[_Note] = deque()
        self._map_bytes_noted = 0
        self._map_bytes_written = 0
        self._losing = threading.Lock()
        self._lost_said = 0
        self._opened = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="recorder", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clock: Callable[[], float] = time.monotonic
        self._origin_s = 0.0
        self._last_ns = 0
        self._kept_bytes = 0
        self._file: RecordingFile | None = None
        self._beside = ExitStack()

    def start(self) -> None:
        """Begin: the recording's time zero is now, of the running loop's clock."""
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._origin_s = self._clock()
        self._telling = Telling(self._origin_s, self._guard_s)
        self._thread.start()

    def observe(self, happening: Happening) -> None:
        """Note `happening`. Returns at once; called on the event loop's thread."""
        if isinstance(happening, MapTaken):
            self._map_bytes_noted += happening.map_K.nbytes
            if self._map_bytes_noted - self._map_bytes_written > MAP_BYTES_MAX:
                self._map_bytes_noted -= happening.map_K.nbytes
                self._lose(1)
                return
        self._note(happening)

    def log_line(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """Note a line of the log. Returns at once; called on any thread."""
        if event not in NOT_LOGGED and threading.current_thread() is not self._thread:
            self._note(LogLine(level=level, event=event, fields=dict(fields)))

    async def __aenter__(self) -> Self:
        """Begin, listening to the log as well; the file is there when the job begins, unless the disk is slow."""
        self._beside.enter_context(listening(self.log_line))
        self.start()
        await asyncio.to_thread(self._opened.wait, OPEN_S)
        return self

    async def __aexit__(self, *_error: object) -> None:
        """End the recording."""
        await self.close()
        self._beside.close()

    @property
    def failed(self) -> str | None:
        """Why recording stopped, None while it goes on."""
        return self.counts.failed or None

    async def close(self) -> None:
        """Write what is noted and end the file; waits for a slow disk within a limit."""
        if self._loop is None or self._end.is_set():
            return
        self._end.set()
        await asyncio.to_thread(self._thread.join, CLOSE_S)
        counts = self.counts
        self._lose(len(self._notes))
        _log.info(
            "recording_closed",
            path=str(self.path),
            files=counts.files,
            bytes=counts.bytes,
            messages=counts.written.total(),
            lost=counts.lost,
            whole=not self._thread.is_alive() and not counts.failed and not counts.lost,
        )

    def _note(self, what: Happening | LogLine) -> None:
        if self.counts.failed or len(self._notes) >= MESSAGES_MAX:
            self._lose(1)
        else:
            self._notes.append(_Note(self._clock(), what))

    def _lose(self, notes: int) -> None:
        with self._losing:  # held for as long as an addition takes
            self.counts.lost += notes

    # --- in the thread ----------------------------------------------------------------------------------------

    def _write_all(self) -> None:
        try:
            remove_unborn(self.folder)
            self._open(1)
            self._opened.set()
            self._prune()
            while not self._end.wait(self._limits.flush_s):
                self._write_noted()
            self._write_noted()
            assert self._file is not None
            self._file.close()
            self._count_bytes(self._file)
        except OSError as error:
            self._fail(error.strerror or str(error), "free disk space, or change recording.directory")
        except Exception as error:  # noqa: BLE001  a bug here must not end silently, nor end the printing
            self._fail(f"{type(error).__name__}: {error}", "report this; the printing goes on")

    def _write_noted(self) -> None:
        """Make everything noted so far one chunk on disk."""
        file, notes = self._file, self._notes
        assert file is not None
        added: Counter[str] = Counter()
        taken = len(notes)
        for number in range(taken):
            note = notes.popleft()
            try:
                self._add(file, note, added)
            finally:
                if number % YIELD_EVERY == 0:
                    time.sleep(0)
        if self.counts.lost > self._lost_said:
            self._say_lost(file, added)
        if not added:
            return
        try:
            file.commit()
        except OSError:
            self._lose(taken)
            raise
        self.counts.written.update(added)
        self._count_bytes(file)
        full = file.bytes_written - file.bytes_at_beginning >= self._limits.rotate_at
        if full or file.chunks >= self._limits.chunks_max:
            self._rotate(file)
        elif self._kept_bytes > self._limits.bytes_max:
            self._prune()

    def _add(self, file: RecordingFile, note: _Note, added: Counter[str]) -> None:
        self._last_ns = max(self._last_ns, self._header.started_ns + round((note.at_s - self._origin_s) * 1e9))
        what = note.what
        for topic, message in [("log", what)] if isinstance(what, LogLine) else self._telling.of(what):
            file.add(topic, self._last_ns, _encoder.encode(message))
            added[topic] += 1
        if isinstance(what, MapTaken):
            self._map_bytes_written += what.map_K.nbytes

    def _say_lost(self, file: RecordingFile, added: Counter[str]) -> None:
        lost, self._lost_said = self.counts.lost - self._lost_said, self.counts.lost
        gap: Channel = Event(kind="recording_gap", values={"lost": lost})
        file.add("event", self._last_ns, _encoder.encode(gap))
        added["event"] += 1
        _log.warning("recording_behind", lost=lost, remedy="the disk is too slow: change recording.directory")

    def _rotate(self, file: RecordingFile) -> None:
        file.close()
        self._count_bytes(file)
        self._open(self.counts.files + 1)
        self._prune()

    def _open(self, number: int) -> None:
        header = msgspec.structs.replace(self._header, file=number)
        path = self.folder / str(FileName(self._name.start, number))
        beginning = Beginning(header, self._attachments)
        self._file = RecordingFile(path, beginning, self._disk, sync=self._limits.sync)
        self._file_counted = 0
        self.counts.files = number
        self._count_bytes(self._file)

    def _count_bytes(self, file: RecordingFile) -> None:
        more = file.bytes_written - self._file_counted
        self._file_counted = file.bytes_written
        self.counts.bytes += more
        self._kept_bytes += more

    def _prune(self) -> None:
        assert self._file is not None
        pruned = prune(self._limits.directory, self._limits.bytes_max, self._file.path)
        self._kept_bytes = pruned.bytes_left
        self.counts.removed += len(pruned.removed)
        if pruned.removed:
            _log.info(
                "recordings_removed", files=[str(path) for path in pruned.removed], cause="recording.bytes_max"
            )

    def _fail(self, cause: str, remedy: str) -> None:
        self.counts.failed = cause
        self._opened.set()
        while self._notes:
            self._notes.popleft()
            self._lose(1)
        if self._file is not None:
            self._file.abandon()
        _log.error("recording_stopped", cause=cause, remedy=remedy, path=str(self.path))
        loop = self._loop
        assert loop is not None
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            loop.call_soon_threadsafe(self._stopped, cause, remedy)


_encoder = msgspec.json.Encoder(enc_hook=str)


def file_stamp(started: str) -> str:
    """Return an RFC 3339 time in UTC as file names have it: `20261121T061200Z`."""
    return started[:19].replace("-", "").replace(":", "") + "Z"
