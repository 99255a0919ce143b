"""Reads the header of a CLI build file, and takes comments out of its text."""

from __future__ import annotations

import re

from thermal.readers.commands import Header, damaged
from thermal.readers.window import Window

HEADER_BYTES_MAX = 1 << 20
UNITS_MIN_MM, UNITS_MAX_MM = 1e-7, 1e3

_START, _END = b"$$HEADERSTART", b"$$HEADEREND"
# A comment ends at the next pair of slashes, or with its line where a writer forgot to close it.
_COMMENT = re.compile(rb"//[^\r\n]*?(?://|(?=[\r\n])|\Z)")


def without_comments(text: bytes) -> bytes:
    """Return text of a build file without `// comments //`."""
    return _COMMENT.sub(b" ", text) if b"//" in text else text


def read_header(window: Window, where: str) -> Header:
    """Read a header; the window then stands at the first byte after `$$HEADEREND`.

    Raises:
        GeometryError: it is missing, not closed, without units, or says neither ASCII nor binary.
    """
    begins = window.find(_START, HEADER_BYTES_MAX)
    ends = window.find(_END, HEADER_BYTES_MAX)
    if begins < 0 or ends < begins:
        missing = _START if begins < 0 or 0 <= ends < begins else _END
        raise damaged(f"the file has no {missing.decode()}", where, "a CLI build file begins with a header")
    text = without_comments(window.take(ends)[begins + len(_START) :])
    window.take(len(_END))
    values: dict[str, str] = {}
    labels: dict[int, str] = {}
    for command in text.split(b"$$")[1:]:
        name, _, value = command.decode("latin-1").partition("/")
        name, value = name.strip().upper(), value.strip()
        if name == "LABEL":
            number, _, label = value.partition(",")
            labels[_whole(number, "$$LABEL", where)] = label.strip()
        else:
            values[name] = value
    if ("BINARY" in values) == ("ASCII" in values):
        raise damaged("the header says neither $$ASCII nor $$BINARY, or both", where)
    layers = _whole(values["LAYERS"], "$$LAYERS", where) if values.get("LAYERS") else None
    return Header("BINARY" in values, "ALIGN" in values, _units(values, where), layers, labels)


def _units(values: dict[str, str], where: str) -> float:
    if not values.get("UNITS"):
        raise damaged("the header has no $$UNITS", where, "coordinates are meaningless without their unit")
    try:
        units_mm = float(values["UNITS"])
    except ValueError:
        units_mm = 0.0
    if not UNITS_MIN_MM <= units_mm <= UNITS_MAX_MM:
        raise damaged(
            f"$$UNITS is '{values['UNITS'][:40]}'",
            where,
            f"it must lie between {UNITS_MIN_MM:g} and {UNITS_MAX_MM:g} mm",
        )
    return units_mm


def _whole(text: str, name: str, where: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 12):
        raise damaged(f"{name} has '{digits[:40]}' where a whole number belongs", where)
    return int(digits)
