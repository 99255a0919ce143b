"""What Lambda writes into a log group after every invocation, into a real log service (moto)."""

from __future__ import annotations

import queue
import threading
from typing import Any

from tests.support.amazon import client_of


class ReportLog:
    """Writes reports in a thread of its own: nobody waits for them, as with Lambda."""

    def __init__(self, control_plane: str | None) -> None:
        self._control_plane = control_plane
        self._waiting: queue.Queue[tuple[str, str, int, str] | None] = queue.Queue()
        self._streams: set[tuple[str, str]] = set()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def write(self, group: str, stream: str, when_ms: int, line: str) -> None:
        """Have a line written, with its time (Unix, ms)."""
        self._waiting.put((group, stream, when_ms, line))

    def close(self) -> None:
        """Write what waits, and end."""
        self._waiting.put(None)
        self._thread.join(10.0)

    def _write(self) -> None:
        logs: Any = None
        while (entry := self._waiting.get()) is not None:
            group, stream, when_ms, line = entry
            if logs is None:
                logs = client_of("logs", str(self._control_plane))
            try:
                if (group, stream) not in self._streams:
                    logs.create_log_stream(logGroupName=group, logStreamName=stream)
                    self._streams.add((group, stream))
                event = {"timestamp": when_ms, "message": line}
                logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])
            except logs.exceptions.ResourceNotFoundException:  # destroyed meanwhile
                self._streams.discard((group, stream))
