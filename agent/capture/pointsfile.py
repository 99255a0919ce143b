"""Reads registration points: a CSV of a spreadsheet (u_px, v_px, x_mm, y_mm, name) or a TOML file."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec

from agent.capture.homography import RegistrationError
from agent.capture.registration import Point
from cosmic.undecodable import UNDECODABLE

COLUMNS = ("u_px", "v_px", "x_mm", "y_mm")
_FORM = "a CSV with the head u_px,v_px,x_mm,y_mm[,name], or TOML with [[points]] of pixel, plate_mm and name"


class _PointsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    points: list[Point]
    frame_px: tuple[int, int] | None = None


def read_points(path: Path) -> tuple[list[Point], tuple[int, int] | None]:
    """Return the points of a file, and the frame's width and height where the file has them.

    Raises:
        RegistrationError: the file cannot be read, or is neither form.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets write the mark
    except OSError as error:
        raise RegistrationError(
            f"cannot be read: {error.strerror}", where=str(path), remedy="check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise _unreadable(path, "it is no text") from error
    if path.suffix.lower() != ".toml":
        return _from_csv(path, text), None
    try:
        found = msgspec.toml.decode(text, type=_PointsFile)
    except UNDECODABLE as error:
        raise _unreadable(path, str(error)) from error
    return found.points, found.frame_px


def _from_csv(path: Path, text: str) -> list[Point]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise _unreadable(path, "it is empty")
    delimiter = ";" if ";" in lines[0] else "\t" if "\t" in lines[0] else ","
    head, *rows = csv.reader(lines, delimiter=delimiter)
    head = [name.strip() for name in head]
    missing = [name for name in COLUMNS if name not in head]
    if missing:
        raise _unreadable(path, f"the head lacks {', '.join(missing)}")
    return [_point(path, head, row, number) for number, row in enumerate(rows, start=1)]


def _point(path: Path, head: list[str], row: list[str], number: int) -> Point:
    values = dict(zip(head, row, strict=False))
    try:
        u, v, x, y = (float(values[name].replace(",", ".")) for name in COLUMNS)
    except (KeyError, ValueError) as error:
        raise _unreadable(path, f"point {number}: {error}") from error
    return Point(name=values.get("name", "").strip(), pixel=(u, v), plate_mm=(x, y))


def _unreadable(path: Path, why: str) -> RegistrationError:
    return RegistrationError(f"holds no registration points: {why}", where=str(path), remedy=f"give {_FORM}")
