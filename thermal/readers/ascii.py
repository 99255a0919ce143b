"""Reads the geometry of an ASCII CLI build file, command by command."""

from __future__ import annotations

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
from thermal.readers.header import without_comments
from thermal.readers.window import Window

COMMAND_BYTES_MAX = 64 << 20
"""Text of one command: 4 million points of 16 characters."""

_GAP_BYTES_MAX = 1 << 20


def read_ascii(window: Window, header: Header, where: str) -> Iterator[Command]:
    """Yield the commands between `$$GEOMETRYSTART` and `$$GEOMETRYEND`.

    Raises:
        GeometryError: one of the two is missing, or a command is unknown, cut off or not made of numbers.
    """
    _start(window, where)
    while True:
        place = window.start
        window.take(2)
        size = window.find(b"$$", COMMAND_BYTES_MAX)
        if size == -2:
            raise damaged(
                f"the command at byte {place} does not end",
                where,
                f"at most {COMMAND_BYTES_MAX} bytes are possible",
            )
        text = without_comments(window.take(size) if size >= 0 else window.rest())
        name, _, values = text.partition(b"/")
        name = name.strip().upper()
        if name == b"GEOMETRYEND":
            return
        if size == -1:
            raise damaged(
                f"the file ends at byte {window.start} inside the geometry", where, "$$GEOMETRYEND is missing"
            )
        yield _command(name, values, header, f"{where}, byte {place}")


def _start(window: Window, where: str) -> None:
    """Go to the command after `$$GEOMETRYSTART`, over comments and white space."""
    head = window.find(b"$$GEOMETRYSTART", _GAP_BYTES_MAX)
    if head < 0 or without_comments(window.take(head)).strip():
        raise damaged("the file has no $$GEOMETRYSTART after its header", where)
    window.take(len(b"$$GEOMETRYSTART"))
    gap = window.find(b"$$", _GAP_BYTES_MAX)
    if gap < 0 or without_comments(window.take(gap)).strip():
        raise damaged("the file ends after $$GEOMETRYSTART", where, "$$GEOMETRYEND is missing")


def _command(name: bytes, values: bytes, header: Header, where: str) -> Command:
    shown = f"$${name[:20].decode('latin-1')}"
    if name not in {b"LAYER", b"POLYLINE", b"HATCHES"}:
        raise damaged(f"the command '{shown}' is not known", where)
    try:
        numbers = np.array(values.split(b","), dtype=np.float64)
    except ValueError:
        raise damaged(f"{shown} has something else than numbers", where) from None
    fixed = {b"LAYER": 1, b"POLYLINE": 3, b"HATCHES": 2}[name]
    if numbers.size < fixed or not np.isfinite(numbers[:fixed]).all():
        raise damaged(f"{shown} has {numbers.size} values", where, f"at least {fixed} numbers are needed")
    scaled = numbers[fixed:] * header.units_mm
    if name == b"LAYER":
        if numbers.size != 1:
            raise damaged(f"$$LAYER has {numbers.size} values", where, "it has one, its height")
        return LayerStart(float(numbers[0]) * header.units_mm)
    whole = numbers[:fixed].astype(np.int64).tolist()
    if whole != numbers[:fixed].tolist():
        raise damaged(f"{shown} has a fraction where a whole number belongs", where)
    count = checked_count(shown, whole[-1], where)
    if name == b"HATCHES":
        return Hatches(whole[0], checked_points(shown, count, scaled, 4, where))
    if not INSIDE <= whole[1] <= OPEN:
        raise damaged(f"$$POLYLINE has direction {whole[1]}", where, "0, 1 and 2 are known")
    return Polyline(whole[0], whole[1], checked_points(shown, count, scaled, 2, where))
