"""One MCAP file of a recording: what is added is on disk, readable, after `commit`.

A file is seen under its name only when its beginning is whole. After a failed write it is cut back to its last
whole chunk. Every system call can be replaced, so that slow and full disks can be tried.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from agent.recorder import channels
from agent.recorder.errors import need
from agent.recorder.shelf import UNBORN
from cosmic import __version__


@dataclass(frozen=True, slots=True)
class Disk:
    """How bytes get to disk."""

    write: Callable[[int, bytes], int] = os.write
    sync: Callable[[int], None] = os.fsync


@dataclass(frozen=True, slots=True)
class Beginning:
    """What stands at the beginning of every file: the header, and attachments as JSON by name."""

    header: channels.JobHeader
    attachments: dict[str, bytes]


class _Sink:
    """What MCAP's writer writes to: memory, until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._offset = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self._offset += len(data)
        return len(data)

    def tell(self) -> int:
        return self._offset

    def flush(self) -> None:
        """Nothing to do: `take` hands on."""

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class RecordingFile:
    """A file that is being written.

    Attributes:
        path: where it is.
        bytes_written: its size.
        chunks: how many chunks it has.
    """

    def __init__(self, path: Path, beginning: Beginning, disk: Disk, *, sync: bool = True) -> None:
        """Make the file. Raises OSError. `sync`: have every commit reach the disk itself, not only the system."""
        writing = need("mcap.writer")
        self.path = path
        self.bytes_written = 0
        self.chunks = 0
        self._disk = disk
        self._sync = sync
        self._sink = _Sink()
        self._writer = writing.Writer(self._sink, compression=writing.CompressionType.ZSTD)
        self._writer.start(profile=channels.PROFILE, library=f"cosmic-lpbf {__version__}")
        header = beginning.header
        self._writer.add_metadata(
            channels.JOB, {name: str(value) for name, value in msgspec.structs.asdict(header).items()}
        )
        for name, content in beginning.attachments.items():
            self._writer.add_attachment(header.started_ns, header.started_ns, name, "application/json", content)
        self._ids = {topic: self._register(topic, kind) for topic, kind in channels.CHANNELS.items()}
        self._sequence = dict.fromkeys(channels.CHANNELS, 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        unborn = path.with_name(path.name + UNBORN)
        self._fd = os.open(unborn, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            self._put(self._sink.take())
            unborn.rename(path)
        except OSError:
            os.close(self._fd)
            raise
        finally:
            with suppress(OSError):
                unborn.unlink()
        self.bytes_at_beginning = self.bytes_written

    def _register(self, topic: str, kind: type[channels.Channel]) -> int:
        schema = msgspec.json.encode(channels.json_schema(kind))
        schema_id = self._writer.register_schema(channels.schema_name(topic), "jsonschema", schema)
        channel_id: int = self._writer.register_channel(topic, "json", schema_id)
        return channel_id

    def add(self, topic: str, log_ns: int, content: bytes) -> None:
        """Add a message, `content` being its JSON, at `log_ns` (UTC, ns since 1970)."""
        self._sequence[topic] += 1
        self._writer.add_message(self._ids[topic], log_ns, content, log_ns, self._sequence[topic])

    def commit(self) -> None:
        """Have everything added so far on disk as a chunk. Raises OSError; then the file ends before the chunk."""
        self._writer.flush()
        self._put(self._sink.take())
        self.chunks += 1

    def close(self) -> None:
        """Write what is left and the index, with which viewers open large files at once. Raises OSError."""
        try:
            self._writer.finish()
            self._put(self._sink.take())
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the file as it is on disk. Can be repeated."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with suppress(OSError):
                os.close(fd)

    def _put(self, content: bytes) -> None:
        if not content:
            return
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[self._disk.write(self._fd, bytes(rest)) :]
            if self._sync:
                self._disk.sync(self._fd)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, self.bytes_written)
            raise
        self.bytes_written += len(content)
