"""Maps and orders as small pictures: one byte a square, a palette, written as PNG without any library."""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE_MAX = 320
"""Squares of a picture's side at most: what a screen shows beside others."""

SQUARES_MAX = 24_000_000
"""Squares of all maps of a report at most: some 10 MB of PNG."""

INFERNO = "000004 160b39 420a68 6a176e 932667 bc3754 dd513a f37819 fca50a f6d746 fcffa4"
VIRIDIS = "440154 482475 414487 355f8d 2a788e 21918c 22a884 44bf70 7ad151 bddf26 fde725"
BALANCE = "053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f"
"""The live page's colours for temperature and order (matplotlib's inferno and viridis); those for differences."""


def palette(anchors: str) -> bytes:
    """Return 256 colours: the first for squares without an element, transparent; then from low to high."""
    points = np.array(
        [[int(anchor[at : at + 2], 16) for at in (0, 2, 4)] for anchor in anchors.split()], dtype=float
    )
    at = np.linspace(0, len(points) - 1, 255)
    colours = np.stack([np.interp(at, np.arange(len(points)), points[:, channel]) for channel in range(3)], axis=1)
    return bytes(3) + colours.round().astype(np.uint8).tobytes()


@dataclass(frozen=True, slots=True)
class Raster:
    """How the elements of a geometry become squares of a picture: by groups of `factor` x `factor` elements.

    Attributes:
        rows: of the picture.
        columns: of the picture.
        factor: elements along a square's side.
        square: int64[n], the square of every element; the highest row comes first, as on a screen.
        filled: bool[rows * columns], squares with an element at least.
    """

    rows: int
    columns: int
    factor: int
    square: NDArray[np.int64]
    filled: NDArray[np.bool_]

    def means(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the mean of the elements in every square, 0 where there is none: float64[rows * columns]."""
        sums = np.bincount(self.square, weights=values, minlength=self.filled.size)
        counts = np.bincount(self.square, minlength=self.filled.size)
        return np.divide(sums, counts, out=np.zeros_like(sums), where=self.filled)

    def one_of(self, values: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the value of one of the elements in every square: for values that have no mean."""
        found = np.zeros(self.filled.size, dtype=np.int64)
        found[self.square] = values
        return found


def raster_of(row: NDArray[np.int32], col: NDArray[np.int32], maps: int) -> Raster:
    """Return how the elements of a geometry become squares, where so many maps are to be shown.

    row, col: int32[n], grid row and column of every element.
    """
    rows, columns = int(row.max()) + 1, int(col.max()) + 1
    factor = -(-max(rows, columns) // SIDE_MAX)
    while -(-rows // factor) * -(-columns // factor) * maps > SQUARES_MAX and factor < max(rows, columns):
        factor += 1
    high, wide = -(-rows // factor), -(-columns // factor)
    square = (high - 1 - row.astype(np.int64) // factor) * wide + col // factor
    filled = np.zeros(high * wide, dtype=np.bool_)
    filled[square] = True
    return Raster(high, wide, factor, square, filled)


def shades(values: NDArray[np.floating], filled: NDArray[np.bool_], low: float, high: float) -> NDArray[np.uint8]:
    """Return the palette's places, 1 to 255 from `low` to `high`, 0 where nothing is filled: uint8[squares]."""
    share = (values - low) / max(high - low, 1e-9)
    places = 1 + np.clip(np.rint(share * 254), 0, 254)
    return np.where(filled, places, 0).astype(np.uint8)


def png(places: NDArray[np.uint8], rows: int, columns: int, colours: bytes, *, level: int = 6) -> bytes:
    """Return a PNG of palette places, uint8[rows * columns], the highest row first; place 0 is transparent.

    Rows are coded as differences to the row above (PNG's filter 2): neighbours are alike.
    """
    picture = places.reshape(rows, columns)
    lines = np.empty((rows, columns + 1), dtype=np.uint8)
    lines[:, 0] = 2
    lines[0, 1:] = picture[0]
    np.subtract(picture[1:], picture[:-1], out=lines[1:, 1:])
    head = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    parts = [
        (b"IHDR", head),
        (b"PLTE", colours),
        (b"tRNS", b"\0"),
        (b"IDAT", zlib.compress(lines.tobytes(), level)),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in [*parts, (b"IEND", b"")])


def data_url(content: bytes) -> str:
    """Return a PNG as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(content).decode()


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
