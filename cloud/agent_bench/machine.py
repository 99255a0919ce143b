"""A machine on the agent's socket that scans by waiting: docs/reference/socket-driver.md."""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cosmic.errors import CosmicError

ANSWER_S = 30.0
"""Longest wait for the agent's next cell, seconds."""


class Machine:
    """Prints layers whose cells take `windows_s`, seconds."""

    def __init__(self, path: Path, layers: int, windows_s: Sequence[float]) -> None:
        self._layers, self._windows_s = layers, windows_s
        self._commands: queue.Queue[dict[str, Any]] = queue.Queue()
        self._scanned: list[int] = []
        self._layer, self._ready, self._scanning = -1, False, False
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._tell("hello", version=1, machine="bench", layers=layers)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def print_job(self) -> None:
        """Print all layers. Raises CosmicError when the agent hands over no cell."""
        self._tell("job", layers=self._layers)
        for layer in range(self._layers):
            self._print_layer(layer)
        self._tell("job_done", reason="all layers printed")

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    def _print_layer(self, layer: int) -> None:
        self._layer, self._ready, self._scanned = layer, False, []
        self._tell("spreading", layer=layer, seconds=0.0)
        self._ready = True
        self._tell("layer_ready", layer=layer, windows_s=list(self._windows_s))
        ends_s = 0.0
        for window in range(len(self._windows_s)):
            cell = self._cell(layer, window)
            begins_s = max(ends_s, time.monotonic())
            self._scanned.append(cell)
            self._scanning = True
            self._tell("cell_started", layer=layer, window=window, cell=cell, at_s=begins_s)
            ends_s = begins_s + self._windows_s[cell]
            time.sleep(max(0.0, ends_s - time.monotonic()))
            self._scanning = False
            self._tell("cell_finished", layer=layer, window=window, cell=cell, at_s=ends_s)
        self._tell("layer_done", layer=layer)

    def _cell(self, layer: int, window: int) -> int:
        while True:
            try:
                command = self._commands.get(timeout=ANSWER_S)
            except queue.Empty:
                raise CosmicError(
                    "the agent hands over no cell", where=f"layer {layer}, window {window}", remedy="read its log"
                ) from None
            if (command["layer"], command["window"]) == (layer, window):
                return int(command["cell"])

    def _read(self) -> None:
        try:
            for line in self._socket.makefile():
                command = json.loads(line)
                if command["command"] == "scan":
                    self._commands.put(command)
                elif command["command"] == "report":
                    where = {"layer": self._layer, "ready": self._ready, "scanned": self._scanned}
                    self._tell("position", **where, scanning=self._scanning)
        except (OSError, ValueError):
            return  # closed while it was read

    def _tell(self, event: str, **fields: object) -> None:
        self._socket.sendall(json.dumps({"event": event, **fields}).encode() + b"\n")
