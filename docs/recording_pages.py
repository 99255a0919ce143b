"""The reference page of recordings, from the types that are written."""

from __future__ import annotations

import datetime as dt
import inspect
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from agent.export.tables import LayerRow, WindowRow, columns_of
from agent.recorder import channels
from cosmic.sections import attribute_docs, first_line


def recording_page(shown_type: Callable[[Any], str]) -> str:
    """Return the page of files, channels and tables."""
    parts = [
        "# Recordings",
        (
            "One [MCAP](https://mcap.dev) file a job: `<recording.directory>/<job>/<start>.mcap`, `<start>` being the time of the start,\n"
            "UTC (`20261121T061200Z`). Above `recording.file_bytes_max`, or with 8192 chunks (an hour of printing), it goes on in\n"
            "`<start>.0002.mcap` and so on; every file says everything of the job again. Above `recording.bytes_max`, all recordings together, the oldest files are removed.\n"
            "[How to replay one](../how-to/replay-a-job.md)."
        ),
        (
            "Chunks are compressed with zstd and written every `recording.flush_ms`: after a kill at most what came since the last one is\n"
            "missing. A file whose writer was killed has no index at its end; it is read from its beginning. Messages are JSON, with\n"
            "their JSON schema in the file. A message's log time is UTC in ns and never runs backwards: the start's wall clock plus the\n"
            "time that has passed by the monotonic one."
        ),
        (
            f"Format {channels.FORMAT}. The version of a channel is part of its schema's name. Later versions read recordings of earlier ones; a\n"
            "channel or an event that is not known is left out and said, a higher format is refused."
        ),
        f"## Metadata `{channels.JOB}`\n{first_line(channels.JobHeader)}\n\n{_fields(channels.JobHeader, shown_type)}",
        (
            f"## Attachments\n`{channels.MANIFEST}`: the part's manifest, whose SHA-256 is `digest`. `{channels.CONFIGURATION}`: every setting that\n"
            "was in force; passwords in addresses are hidden, other secrets stand in files of their own."
        ),
        *(_channel(topic, kind, shown_type) for topic, kind in channels.CHANNELS.items()),
        "### Kinds of events\n\n| kind | |\n|---|---|\n"
        + "\n".join(f"| `{kind}` | {text} |" for kind, text in channels.EVENTS.items()),
        (
            "### The coding `delta-planes-zstd`\nBase64 of four lengths (uint32, little-endian) and four zstd frames. Decompressed, frame k is byte k of every\n"
            "value of a uint32 array; each value is the zigzag code of the difference between the bits of an element's float32\n"
            "and those of the element before (0 before the first). `cosmic-agent export REC --map LAYER` undoes it."
        ),
        (
            "## Tables\n`cosmic-agent export REC --format csv` or `parquet`, `--table windows` or `layers`. Times have their zone (UTC)."
        ),
        f"### `windows`\n{first_line(WindowRow)}\n\n{_columns(WindowRow)}",
        f"### `layers`\n{first_line(LayerRow)}\n\n{_columns(LayerRow)}",
    ]
    return "\n\n".join(parts) + "\n"


def _channel(topic: str, kind: type[channels.Channel], shown_type: Callable[[Any], str]) -> str:
    text = inspect.cleandoc(kind.__doc__ or "")
    return f"## Channel `{topic}`\n`{channels.schema_name(topic)}`. {text}\n\n{_fields(kind, shown_type)}"


def _fields(kind: type[msgspec.Struct], shown_type: Callable[[Any], str]) -> str:
    told = attribute_docs(kind)
    rows = [
        f"| `{field.name}` | {_plain(field.type, shown_type)} | {told.get(field.name, '')} |"
        for field in msgspec.structs.fields(kind)
    ]
    return "| field | value | |\n|---|---|---|\n" + "\n".join(rows)


def _plain(kind: Any, shown_type: Callable[[Any], str]) -> str:
    known = [each for each in typing.get_args(kind) if each is not type(None)]
    if len(known) == 1 and type(None) in typing.get_args(kind):
        return shown_type(known[0])
    return "object" if typing.get_origin(kind) is dict else shown_type(kind)


def _columns(kind: type[WindowRow | LayerRow]) -> str:
    told = attribute_docs(kind)
    words = {str: "text", int: "integer", float: "number", dt.datetime: "time"}
    rows = [f"| `{name}` | {words[plain]} | {told.get(name, '')} |" for name, plain in columns_of(kind).items()]
    return "| column | value | |\n|---|---|---|\n" + "\n".join(rows)
