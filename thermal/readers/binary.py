"""Reads the geometry of a binary CLI build file, command by command.

Numbers are little-endian. A command is an unsigned 16-bit index and its parameters; short forms have unsigned
16-bit parameters, long forms 32-bit integers and 32-bit reals. With `$$ALIGN` every index and every first
parameter begins at a multiple of four bytes counted from the end of the header; zero bytes fill the gaps.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from thermal.readers.commands import (
    INSIDE,
    OPEN,
    Command,
    Hatches,
    Header,
    LayerStart,
    Polyline,
    checked_count,
    checked_points,
    damaged,
)
from thermal.readers.window import Window

# Index -> (what, format of the fixed parameters, type of the coordinates).
_FORMS: dict[int, tuple[str, struct.Struct, str]] = {
    127: ("layer", struct.Struct("<f"), ""),
    128: ("layer", struct.Struct("<H"), ""),
    129: ("polyline", struct.Struct("<HHH"), "<u2"),
    130: ("polyline", struct.Struct("<iii"), "<f4"),
    131: ("hatches", struct.Struct("<HH"), "<u2"),
    132: ("hatches", struct.Struct("<ii"), "<f4"),
}


def read_binary(window: Window, header: Header, where: str) -> Iterator[Command]:
    """Yield the commands up to the end of the file.

    Raises:
        GeometryError: a command is unknown or cut off, or has impossible numbers.
    """
    begin = window.start
    while window.peek(1):
        place = window.start
        if place == begin and window.peek(2) in {b"\r\n", b"\n\x7f", b"\n\x80"}:
            window.take(2 if window.peek(1) == b"\r" else 1)  # some writers end the header's line
            begin = window.start
            continue
        at = f"{where}, byte {place}"
        index = int.from_bytes(_take(window, 2, at), "little")
        if index not in _FORMS:
            raise damaged(f"the binary command {index} is not known", at, "127 to 132 are")
        what, fixed, coordinate = _FORMS[index]
        _fill(window, begin, header)
        values = fixed.unpack(_take(window, fixed.size, at))
        if what == "layer":
            yield _layer(float(values[0]) * header.units_mm, at)
        else:
            width = 2 if what == "polyline" else 4
            count = checked_count(what, int(values[-1]), at)
            raw = _take(window, count * width * int(coordinate[-1]), at)
            numbers = np.frombuffer(raw, dtype=coordinate).astype(np.float64) * header.units_mm
            points = checked_points(what, count, numbers, width, at)
            if what == "hatches":
                yield Hatches(int(values[0]), points)
            elif INSIDE <= values[1] <= OPEN:
                yield Polyline(int(values[0]), int(values[1]), points)
            else:
                raise damaged(f"a polyline has direction {values[1]}", at, "0, 1 and 2 are known")
        _fill(window, begin, header)


def _layer(height_mm: float, where: str) -> LayerStart:
    if not np.isfinite(height_mm):
        raise damaged("a layer's height is not a finite number", where)
    return LayerStart(height_mm)


def _take(window: Window, count: int, where: str) -> bytes:
    found = window.take(count)
    if len(found) < count:
        raise damaged(f"the file ends after {len(found)} of {count} bytes of a command", where, "it is truncated")
    return found


def _fill(window: Window, begin: int, header: Header) -> None:
    """Skip to the next multiple of four bytes where the header says `$$ALIGN`."""
    if header.aligned:
        window.take(-(window.start - begin) % 4)
