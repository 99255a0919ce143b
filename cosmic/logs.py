"""Structured logs: one JSON object a line for services, readable lines on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal, TextIO

import msgspec
import structlog

Level = Literal["debug", "info", "warning", "error"]
_encoder = msgspec.json.Encoder(enc_hook=str)


def configure(stream: TextIO | None = None, *, pretty: bool | None = None, level: Level = "info") -> None:
    """Send logs to `stream` (default stdout) from now on.

    pretty: readable lines instead of JSON; None decides by whether `stream` is a terminal.
    The wall time in `time` (UTC, RFC 3339) is a label: nothing is decided by it.
    """
    stream = stream or sys.stdout
    readable = stream.isatty() if pretty is None else pretty
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    if readable:
        processors.append(structlog.dev.ConsoleRenderer(timestamp_key="time", colors=stream.isatty()))
    else:
        processors.append(structlog.processors.JSONRenderer(serializer=_to_json))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


def _to_json(event: Any, **_options: Any) -> str:
    return _encoder.encode(event).decode()
