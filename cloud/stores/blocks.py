"""The blocks that a worker is told to load, read from a store: what cloud.worker takes as its store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cloud.stores.addresses import open_store
from cloud.stores.errors import StoreError
from cloud.stores.transfer import fetch_array
from cloud.worker import Floats

BLOCKS_AT_ONCE = 4
READERS = 4
"""Ranged reads of one block at a time: 4 x 4 fill what a function's network carries (figures.md: 78 MB/s)."""


class StoredBlocks:
    """The store that a `load` event describes: `address`, and where it is S3 `region` and `endpoint_url`."""

    def __init__(self, store: dict[str, str]) -> None:
        self._store = open_store(
            store["address"], region=store.get("region"), endpoint_url=store.get("endpoint_url") or None
        )

    def read(self, blocks: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Floats]]:
        """Yield every block with its array, some being read ahead. Raises ValueError, OSError."""
        with ThreadPoolExecutor(BLOCKS_AT_ONCE, "blocks") as pool:
            reads = [pool.submit(fetch_array, self._store, block["file"], readers=READERS) for block in blocks]
            try:
                for block, read in zip(blocks, reads, strict=True):
                    yield block, read.result()
            except StoreError as error:
                raise ValueError(str(error)) from error
            finally:
                for read in reads:
                    read.cancel()
