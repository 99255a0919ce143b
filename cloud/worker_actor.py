"""The worker as an actor of a Ray cluster. Imports numpy, the link's worker side and a store, and no more.

Ray makes the process and calls the methods; nothing here knows of Ray.
"""

from __future__ import annotations

import threading
from typing import Any

import cosmic
from cloud.link.worker import connect
from cloud.stores.blocks import StoredBlocks
from cloud.worker import Event, Store, Worker
from cloud.worker_process import MappedFiles


def open_blocks(store: dict[str, str]) -> Store:
    """Return the store of a `load` event: `folder` is mapped, so that its pages are not copied; else `address`."""
    return MappedFiles(store) if "folder" in store else StoredBlocks(store)


class WorkerActor:
    """One environment of a function."""

    def __init__(self) -> None:
        self._worker = Worker(open_blocks, connect)

    def invoked(self, event: Event) -> dict[str, Any]:
        """Answer an event of kind `load`, `warm` or `serve`."""
        return {**self._worker.invoked(event), "version": cosmic.__version__}

    def last(self) -> None:
        """Never return: whoever waits for it hears at once that the actor is gone."""
        threading.Event().wait()
