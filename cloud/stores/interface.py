"""What a store of blocks does. Methods block and may be called from several threads at once."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import Protocol

Progress = Callable[[int, int], None]
"""(bytes done, bytes in all)."""

PART_BYTES_MIN = 5 * 2**20
"""Smallest part of an upload but the last, bytes (Amazon S3 user guide, multipart upload limits)."""

PARTS_MAX = 10_000
"""Most parts of an upload (as above)."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One object of a store.

    Attributes:
        key: its name, parts separated by `/`.
        bytes: its size.
        sha256: its digest, hex; None where the store was not told, or was only asked for a list.
    """

    key: str
    bytes: int
    sha256: str | None


class Upload(Protocol):
    """An object being written in parts, numbered from 1. It appears under its key when finished, whole."""

    @property
    def left(self) -> Container[int]:
        """Numbers of the parts that an earlier attempt left."""
        ...

    def same(self, number: int, content: memoryview, sha256: str) -> bool:
        """Return whether a part that was left is this content, whose SHA-256 is `sha256`, hex."""
        ...

    def put(self, number: int, content: memoryview, sha256: str) -> None:
        """Write a part. The store compares it with `sha256`, hex. Raises StoreError."""
        ...

    def finish(self) -> Stored:
        """Make the object appear. Raises StoreError."""
        ...

    def abandon(self) -> None:
        """Remove what was written."""
        ...


class Store(Protocol):
    """A folder, or a bucket and a prefix."""

    @property
    def address(self) -> str:
        """What `open_store` opens again: a path, or `s3://bucket/prefix`."""
        ...

    def check(self) -> None:
        """Try what every use needs. Raises StoreError with the remedy."""
        ...

    def find(self, key: str) -> Stored | None:
        """Return an object, or None where there is none."""
        ...

    def list(self, prefix: str) -> list[Stored]:
        """Return the objects whose key begins with `prefix`, in the order of their keys."""
        ...

    def read_into(self, key: str, start: int, target: memoryview) -> None:
        """Fill `target` with the bytes from `start` on. Raises BlockMissingError, StoreError."""
        ...

    def begin(self, key: str, size: int, sha256: str, part_bytes: int) -> Upload:
        """Begin an upload of `size` bytes, or take up one that was interrupted.

        sha256: of the whole object, hex; it is kept with the object.
        part_bytes: size of every part but the last.
        """
        ...

    def remove(self, keys: Iterable[str]) -> None:
        """Remove objects; one that is not there is no error."""
        ...
