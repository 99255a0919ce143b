"""What goes over the worker link: a header of fixed size, then a payload of bounded size.

A frame says how long it is before anything of it is believed: a reader never allocates what a peer asks for.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

import numpy as np

HEADER = struct.Struct("<2sBBIQII40x")
"""Magic, kind, value type, payload bytes, sequence, geometry, length of the cell in elements.

64 bytes, a line of the processor's cache: the values behind it are aligned where the frame is.
"""

MAGIC = b"cW"

CACHE_LINE_BYTES = 64

HELLO_BYTES_MAX = 131_072
"""Longest greeting, bytes: it names each of at most 5,000 resident blocks by 16 digits."""

TEXT_BYTES_MAX = 4096
"""Longest explanation or summary, bytes."""

VECTOR_BYTES_MAX = 64 * 2**20
"""Longest part of theta that a worker takes, bytes: 8 million values."""

TOKEN_LENGTH_MAX = 256
"""Longest token that is looked at, characters."""

TYPES = {"float64": 1, "float32": 2}
"""Value types by numpy's name; 0 is a payload of bytes. All numbers are little-endian."""

TYPE_NAMES = {number: name for name, number in TYPES.items()}
ITEM_BYTES = {1: 8, 2: 4}


class Kind(IntEnum):
    """What a frame is. Its payload: JSON (HELLO, DONE), values (WINDOW, PARTIAL), text (FAULT), none (RELEASE)."""

    HELLO = 1
    WINDOW = 2
    PARTIAL = 3
    FAULT = 4
    RELEASE = 5
    DONE = 6


class Frame(NamedTuple):
    """A header, unpacked."""

    kind: Kind
    type: int
    bytes: int
    sequence: int
    geometry: int
    length: int


class FrameError(ValueError):
    """What came is no frame, or one that is not allowed."""


def pack(
    kind: Kind, size: int = 0, *, type_: int = 0, sequence: int = 0, geometry: int = 0, length: int = 0
) -> bytes:
    """Return the header of a frame whose payload has `size` bytes."""
    return HEADER.pack(MAGIC, kind, type_, size, sequence, geometry, length)


def unpack(head: memoryview | bytes | bytearray) -> Frame:
    """Return the frame of a header. Raises FrameError."""
    magic, kind, type_, size, sequence, geometry, length = HEADER.unpack(head)
    if magic != MAGIC:
        raise FrameError("no frame of ours")
    try:
        known = Kind(kind)
    except ValueError:
        raise FrameError(f"no frame of kind {kind}") from None
    valued = known in {Kind.WINDOW, Kind.PARTIAL}
    if valued != (type_ in TYPE_NAMES) or (valued and size % ITEM_BYTES[type_]):
        raise FrameError(f"a {known.name} of {size} bytes of type {type_}")
    return Frame(known, type_, size, sequence, geometry, length)


def aligned(size: int) -> memoryview:
    """Return `size` bytes of memory that begin with a line of the processor's cache."""
    memory = np.empty(size + CACHE_LINE_BYTES, dtype=np.uint8)
    start = -memory.ctypes.data % CACHE_LINE_BYTES
    return memory.data[start : start + size]
