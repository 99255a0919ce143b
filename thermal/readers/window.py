"""A file seen through a window of bounded size: the build file readers never hold more than one command."""

from __future__ import annotations

from typing import BinaryIO

CHUNK_BYTES = 1 << 20


class Window:
    """Bytes of a file from a place on, read when they are needed.

    Attributes:
        start: place in the file of the window's first byte.
    """

    def __init__(self, file: BinaryIO, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._file = file
        self._chunk_bytes = chunk_bytes
        self._bytes = bytearray()
        self._at = 0
        self._ended = False
        self.start = 0

    def find(self, mark: bytes, limit_bytes: int) -> int:
        """Return how far away `mark` is, -1 where the file ends before it, -2 where it is not within the limit."""
        searched = 0
        while True:
            place = self._bytes.find(mark, self._at + max(0, searched - len(mark) + 1))
            if place >= 0:
                return place - self._at
            searched = len(self._bytes) - self._at
            if searched > limit_bytes:
                return -2
            if not self._more():
                return -1

    def peek(self, count: int) -> bytes:
        """Return the next `count` bytes, fewer at the end of the file, and leave them."""
        while len(self._bytes) - self._at < count and self._more():
            pass
        return bytes(self._bytes[self._at : self._at + count])

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes, fewer at the end of the file."""
        found = self.peek(count)
        self._at += len(found)
        self.start += len(found)
        return found

    def rest(self) -> bytes:
        """Return what is left in the window after the end of the file was met."""
        return self.take(len(self._bytes) - self._at)

    def _more(self) -> bool:
        if self._ended:
            return False
        # What was taken is dropped when the next chunk comes, so that a byte is moved once a chunk at most.
        del self._bytes[: self._at]
        self._at = 0
        chunk = self._file.read(self._chunk_bytes)
        self._ended = not chunk
        self._bytes += chunk
        return bool(chunk)
