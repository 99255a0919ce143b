"""One MCAP file as a stream of entries, as far as it can be read: chunk by chunk, damaged ones left out."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.recorder.errors import ForeignRecording, RecordingError, need

_MAGIC = b"\x89MCAP0\r\n"


@dataclass(frozen=True, slots=True)
class Damage:
    """Where a file cannot be read, and why. `kind`: `truncated` or `damaged`."""

    kind: str
    at_byte: int
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that stands in a file.

    Attributes:
        kind: `metadata`, `attachment` or `message`.
        name: its name, or a message's topic.
        values: of metadata.
        content: of an attachment or a message.
        schema: name of a message's schema.
        log_ns: a message's time, UTC, ns since 1970.
    """

    kind: str
    name: str
    values: dict[str, str] = field(default_factory=dict)
    content: bytes = b""
    schema: str = ""
    log_ns: int = 0


def read_entries(path: Path, damage: list[Damage]) -> Iterator[Entry]:
    """Yield what stands in `path`, in order; what cannot be read is put into `damage`.

    Raises ForeignRecording when it is no MCAP file, RecordingError when it cannot be opened.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            magic = file.read(len(_MAGIC))
            if magic != _MAGIC[: len(magic)]:
                raise ForeignRecording(
                    "this is no recording", where=str(path), why="it is no MCAP file", remedy="check the path"
                )
            yield from _entries(file, size, damage)
    except OSError as error:
        raise RecordingError(
            f"the recording cannot be read: {error.strerror}", where=str(path), remedy="check the permissions"
        ) from error


def _entries(file: Any, size: int, damage: list[Damage]) -> Iterator[Entry]:
    stream, records = need("mcap.stream_reader"), need("mcap.records")
    library = (need("mcap.exceptions").McapError, need("zstandard").ZstdError)
    bad = (*library, struct.error, ValueError, KeyError, EOFError, OverflowError, MemoryError)
    known: dict[int, Any] = {}
    schemas: dict[int, str] = {}
    file.seek(0)
    reader = iter(stream.StreamReader(file, emit_chunks=True, record_size_limit=size).records)
    while True:
        at_byte = file.tell()
        try:
            record = next(reader)
        except StopIteration:
            return
        except bad as error:
            damage.append(_broken(at_byte, file.tell(), size, error))
            return
        if isinstance(record, records.DataEnd):
            return  # what follows is the index
        try:
            opened = (
                stream.breakup_chunk(record, validate_crc=True) if isinstance(record, records.Chunk) else [record]
            )
        except bad as error:
            damage.append(Damage("damaged", at_byte, f"a chunk is damaged, and left out: {error}"))
            continue
        for each in opened:
            if isinstance(each, records.Schema):
                schemas[each.id] = each.name
            elif isinstance(each, records.Channel):
                known[each.id] = each
            elif isinstance(each, records.Metadata):
                yield Entry("metadata", each.name, values=each.metadata)
            elif isinstance(each, records.Attachment):
                yield Entry("attachment", each.name, content=each.data)
            elif isinstance(each, records.Message) and each.channel_id in known:
                channel = known[each.channel_id]
                schema = schemas.get(channel.schema_id, "")
                yield Entry("message", channel.topic, content=each.data, schema=schema, log_ns=each.log_time)


def _broken(at_byte: int, read_to: int, size: int, error: Exception) -> Damage:
    """Return what is wrong from `at_byte` on, where the records end."""
    if read_to < size:
        return Damage(
            "damaged", at_byte, f"nothing can be read from here to the end, {size - at_byte} bytes: {error}"
        )
    lost = size - at_byte
    more = f", and {lost} bytes of an unfinished chunk are left out" if lost else ""
    return Damage("truncated", at_byte, f"the recording was not ended: a kill, a full disk, or it goes on{more}")
