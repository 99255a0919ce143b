"""Keeps the map of every layer on disk, one folder a job. Printing never waits for it, nor fails with it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from agent.observers import Happening, MapTaken

_log = structlog.get_logger()


class MapRecording:
    """Writes `layer-00000-map.npy` (float32[n], kelvin) and so on into `folder`, each atomically, in a thread.

    Attributes:
        folder: where the maps are.
        failed: why recording stopped, None while it goes on.
    """

    def __init__(self, folder: Path, bytes_max: int) -> None:
        self.folder = folder
        self.failed: str | None = None
        self._bytes_left = bytes_max
        self._pending: set[asyncio.Task[None]] = set()

    def observe(self, happening: Happening) -> None:
        """Keep the map of every layer, whatever it came from."""
        if isinstance(happening, MapTaken):
            self.keep(happening.layer, happening.map_K)

    def keep(self, layer: int, map_K: NDArray[np.float32]) -> None:
        """Have the map of `layer` written; returns at once."""
        if self.failed is not None:
            return
        self._bytes_left -= map_K.nbytes
        if self._bytes_left < 0:
            self._stop(f"limit of the job's bytes reached at layer {layer}", "raise recording.bytes_max")
            return
        task = asyncio.create_task(self._write(layer, map_K))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def close(self) -> None:
        """Wait until everything kept is on disk."""
        await asyncio.gather(*self._pending)

    async def _write(self, layer: int, map_K: NDArray[np.float32]) -> None:
        try:
            await asyncio.to_thread(_write_array, self.folder / f"layer-{layer:05d}-map.npy", map_K)
        except OSError as error:
            self._stop(str(error), "free disk space or change recording.directory")

    def _stop(self, cause: str, remedy: str) -> None:
        self.failed = cause
        _log.error("recording_stopped", cause=cause, remedy=remedy, folder=str(self.folder))


def _write_array(path: Path, values: NDArray[np.float32]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.save(file, values)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
