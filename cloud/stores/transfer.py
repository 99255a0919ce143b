"""Whole objects to and from a store: in parts, concurrently, compared with their SHA-256, with progress.

Reading is what a worker does when it loads, so this file needs nothing but numpy and the store.
"""

from __future__ import annotations

import hashlib
import io
import mmap
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cloud.stores.errors import BlockMissingError, DamagedBlockError, StoreError
from cloud.stores.interface import PART_BYTES_MIN, PARTS_MAX, Progress, Store, Stored, Upload

PART_BYTES = 16 * 2**20
"""Default size of a part of an upload, bytes."""

RANGE_BYTES = 8 * 2**20
"""Size of one ranged read, bytes: Amazon recommends 8 to 16 MB (S3 user guide, performance guidelines)."""

WRITERS = 4
READERS = 8
"""Ranged reads at a time: S3 gives one connection 85-90 MB/s (as above), a Lambda environment takes 78 MB/s."""

TRIES_MAX = 3
"""How often one range is read before the object has failed."""


def upload(
    store: Store,
    key: str,
    path: Path,
    *,
    part_bytes: int = PART_BYTES,
    writers: int = WRITERS,
    progress: Progress | None = None,
) -> Stored:
    """Write a file to a store; one that is there already with this content is left as it is.

    Interrupted at any point, the next call writes only the parts that are missing.

    Args:
        store: where to.
        key: under which name.
        path: the file.
        part_bytes: size of a part, at least 5 MiB where there are several; raised for objects of many parts.
        writers: parts written at a time.
        progress: told after every part, in this thread.

    Raises:
        DamagedBlockError: the file changed while it was written.
        StoreError: it cannot be read, or the store failed.
    """
    with _mapped(path) as content:
        size = content.nbytes
        sha256 = hashlib.sha256(content).hexdigest()
        there = store.find(key)
        if there is not None and (there.bytes, there.sha256) == (size, sha256):
            if progress is not None:
                progress(size, size)
            return there
        part_bytes = max(part_bytes, PART_BYTES_MIN, -(-size // PARTS_MAX))
        stored: Stored | None = None
        for _ in range(2):  # the second time without what an attempt with other content left
            begun = store.begin(key, size, sha256, part_bytes)
            if not _put_missing(begun, content, part_bytes, writers, progress):
                begun.abandon()
                continue
            begun.finish()
            stored = store.find(key)
            # Some services that speak S3 keep no metadata: there the parts' checksums have to do.
            if stored is not None and stored.bytes == size and stored.sha256 in {None, sha256}:
                return Stored(key, size, sha256)
        raise DamagedBlockError(
            "what was stored is not what was sent",
            where=f"{store.address}/{key}",
            why=f"stored {stored}, sent {size} bytes of SHA-256 {sha256}",
            remedy="upload it again, with one upload at a time",
        )


def fetch(
    store: Store,
    stored: Stored,
    target: NDArray[np.uint8],
    *,
    range_bytes: int = RANGE_BYTES,
    readers: int = READERS,
    progress: Progress | None = None,
) -> None:
    """Fill memory with an object and compare it with its digest, where there is one.

    Args:
        store: where from.
        stored: key, size and digest.
        target: uint8[stored.bytes], contiguous.
        range_bytes: bytes of one read.
        readers: reads at a time.
        progress: told after every range, in this thread.

    Raises:
        DamagedBlockError: the content is not the one of the digest.
        BlockMissingError, StoreError: it cannot be read.
    """
    assert target.nbytes == stored.bytes, "the memory must be as large as the object"
    memory = target.data
    starts = range(0, stored.bytes, range_bytes)
    digest = hashlib.sha256()
    with ThreadPoolExecutor(min(readers, max(1, len(starts))), "fetch") as pool:
        reads = [pool.submit(_read, store, stored.key, at, memory[at : at + range_bytes]) for at in starts]
        try:
            # In order, so that hashing goes on beside the reads that are still under way.
            for at, read in zip(starts, reads, strict=True):
                read.result()
                digest.update(memory[at : at + range_bytes])
                if progress is not None:
                    progress(min(at + range_bytes, stored.bytes), stored.bytes)
        except BaseException:
            _cancel(reads)
            raise
    if stored.sha256 is not None and digest.hexdigest() != stored.sha256:
        raise DamagedBlockError(
            "the content is not the one of its digest",
            where=f"{store.address}/{stored.key}",
            why=f"SHA-256 is {digest.hexdigest()}, not {stored.sha256}",
            remedy="upload the part's blocks again",
        )


def fetch_array(
    store: Store, key: str, *, sha256: str | None = None, readers: int = READERS
) -> NDArray[np.floating]:
    """Return the array of a `.npy` object, float64 or float32, in memory that nobody else has.

    Args:
        store: where from.
        key: the object.
        sha256: its digest, hex, where the caller knows it; None: the one that the store keeps.
        readers: reads at a time.

    Raises:
        BlockMissingError: there is none.
        DamagedBlockError: it is another content, cut off, or no array of floats.
        StoreError: it cannot be read.
    """
    stored = store.find(key)
    where = f"{store.address}/{key}"
    if stored is None:
        raise BlockMissingError("there is no such block", where=where, remedy="upload the part's blocks again")
    memory = np.empty(stored.bytes, dtype=np.uint8)
    fetch(store, Stored(key, stored.bytes, sha256 or stored.sha256), memory, readers=readers)
    head = io.BytesIO(memory[:4096].tobytes())
    try:
        np.lib.format.read_magic(head)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(head)
    except ValueError as error:
        raise DamagedBlockError(f"is no .npy array: {error}", where=where, remedy="upload it again") from error
    start = head.tell()
    if fortran or dtype.kind != "f" or start + int(np.prod(shape)) * dtype.itemsize != stored.bytes:
        raise DamagedBlockError(
            f"is {dtype}{list(shape)} in {stored.bytes} bytes",
            where=where,
            why="a block is a C-ordered array of floats, and whole",
            remedy="upload it again",
        )
    return np.ndarray(shape, dtype=dtype, buffer=memory.data, offset=start)


def _put_missing(
    begun: Upload, content: memoryview, part_bytes: int, writers: int, progress: Progress | None
) -> bool:
    """Write the parts that are not there. False: what is there belongs to another content."""
    size = content.nbytes
    done_bytes = 0
    missing: list[tuple[int, memoryview]] = []
    for number, at in enumerate(range(0, max(size, 1), part_bytes), 1):
        part = content[at : at + part_bytes]
        if number not in begun.left:
            missing.append((number, part))
        elif not begun.same(number, part, hashlib.sha256(part).hexdigest()):
            return False
        else:
            done_bytes += part.nbytes
    if progress is not None and done_bytes:
        progress(done_bytes, size)

    def put(number: int, part: memoryview) -> int:
        begun.put(number, part, hashlib.sha256(part).hexdigest())
        return part.nbytes

    with ThreadPoolExecutor(writers, "upload") as pool:
        puts = [pool.submit(put, number, part) for number, part in missing]
        try:
            for one in puts:
                done_bytes += one.result()
                if progress is not None:
                    progress(done_bytes, size)
        except BaseException:
            _cancel(puts)
            raise
    return True


def _read(store: Store, key: str, start: int, target: memoryview) -> None:
    """Read one range; a connection that breaks is tried again, a block that is missing is not."""
    for attempt in range(1, TRIES_MAX + 1):
        try:
            store.read_into(key, start, target)
        except BlockMissingError:
            raise
        except StoreError:
            if attempt == TRIES_MAX:
                raise
        else:
            return


def _cancel(futures: list[Future[int]] | list[Future[None]]) -> None:
    for future in futures:
        future.cancel()


@contextmanager
def _mapped(path: Path) -> Iterator[memoryview]:
    """Give the bytes of a file without holding them in memory. Raises StoreError."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size == 0:
                yield memoryview(b"")
                return
            mapped = mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ)
    except OSError as error:
        raise StoreError(f"cannot be read: {error.strerror}", where=str(path)) from error
    view = memoryview(mapped)
    try:
        yield view
    finally:
        # Parts that an error still refers to keep the mapping until they are forgotten.
        view.release()
