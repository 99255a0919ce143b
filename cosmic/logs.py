"""Structured logs: one JSON object a line for services, readable lines on a terminal.

Lines are written by a thread of their own: a full pipe or a slow disk never holds up whoever logs.
"""

from __future__ import annotations

import atexit
import logging
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Literal, TextIO, cast

import msgspec
import structlog

from cosmic.journald import JournalStream, goes_to_the_journal

Level = Literal["debug", "info", "warning", "error"]
LINES_MAX = 10_000
"""Lines waiting to be written; beyond that lines are dropped and counted."""

LineListener = Callable[[str, str, Mapping[str, Any]], None]
"""Is told level, event and fields of a line, on the thread that logs; must return at once."""

_encoder = msgspec.json.Encoder(enc_hook=str)
_listeners: list[LineListener] = []
_LEVELS = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error", "critical")}
_least = logging.INFO


def configure(stream: TextIO | None = None, *, pretty: bool | None = None, level: Level = "info") -> None:
    """Send logs to `stream` (default stdout) from now on.

    pretty: readable lines instead of JSON; None decides by whether `stream` is a terminal.
    Where `stream` is journald's, lines become entries whose fields can be filtered by.
    The wall time in `time` (UTC, RFC 3339) is a label: nothing is decided by it.
    """
    stream = stream or sys.stdout
    if not pretty and goes_to_the_journal(stream):
        stream = cast("TextIO", JournalStream(stream))
    writer = _BackgroundWriter(stream)
    readable = stream.isatty() if pretty is None else pretty
    set_level(level)
    processors: list[Any] = [
        _drop_below_level,
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _tell_listeners,
    ]
    if readable:
        processors.append(structlog.dev.ConsoleRenderer(timestamp_key="time", colors=stream.isatty()))
    else:
        processors.append(structlog.processors.JSONRenderer(serializer=_to_json))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", writer)),
        cache_logger_on_first_use=False,
    )


def set_level(level: Level) -> None:
    """Log from `level` on, from now on, loggers that are bound already as well."""
    global _least  # noqa: PLW0603  one log, one level
    _least = getattr(logging, level.upper())


@contextmanager
def listening(listener: LineListener) -> Iterator[None]:
    """Tell `listener` every line that is logged meanwhile. One that fails changes nothing."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def _drop_below_level(_logger: Any, method: str, line: Any) -> Any:
    if _LEVELS.get(method, logging.INFO) < _least:
        raise structlog.DropEvent
    return line


def _tell_listeners(_logger: Any, _method: str, line: Any) -> Any:
    for listener in _listeners:
        with suppress(Exception):
            fields = {key: value for key, value in line.items() if key not in {"event", "level", "time"}}
            listener(str(line.get("level", "")), str(line.get("event", "")), fields)
    return line


def _to_json(event: Any, **_options: Any) -> str:
    return _encoder.encode(event).decode()


class _BackgroundWriter:
    """A text file whose `write` never waits: lines go through a bounded queue to a thread."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: queue.Queue[str] = queue.Queue(LINES_MAX)
        self._dropped = 0
        threading.Thread(target=self._write_all, name="log", daemon=True).start()
        atexit.register(self._finish)

    def write(self, line: str) -> int:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1
        return len(line)

    def flush(self) -> None:
        """Nothing to do: the thread flushes whenever it has caught up."""

    def _write_all(self) -> None:
        while True:
            line = self._lines.get()
            try:
                self._stream.write(line)
                if self._dropped and self._lines.empty():
                    dropped, self._dropped = self._dropped, 0
                    self._stream.write(f'{{"event":"log_lines_dropped","count":{dropped}}}\n')
                if self._lines.empty():
                    self._stream.flush()
            except (OSError, ValueError):  # the reader went away, or the stream is closed: nobody is left to tell
                pass
            finally:
                self._lines.task_done()

    def _finish(self) -> None:
        """Write what is waiting when the program ends, for a second at most."""
        finisher = threading.Thread(target=self._lines.join, daemon=True)
        finisher.start()
        finisher.join(timeout=1.0)
