"""CLI build files for tests: written from the same layers as ASCII and in both binary forms."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

Points = Sequence[tuple[float, float]]
Lines = Sequence[tuple[float, float, float, float]]


@dataclass
class Drawn:
    """One layer: (model, direction, points) and (model, hatches), in units of the file."""

    height: float
    polylines: list[tuple[int, int, Points]] = field(default_factory=list)
    hatches: list[tuple[int, Lines]] = field(default_factory=list)


def square(left: float, bottom: float, side: float) -> Points:
    """The corners of a square, counter-clockwise, closed."""
    right, top = left + side, bottom + side
    return [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]


def filled(left: float, bottom: float, width: float, height: float, step: float) -> Lines:
    """Hatches along x that fill a rectangle, there and back."""
    count = round(height / step)
    lines = []
    for number in range(count):
        y = bottom + (number + 0.5) * step
        ends = (left, left + width) if number % 2 == 0 else (left + width, left)
        lines.append((ends[0], y, ends[1], y))
    return lines


def header(kind: str, units: str = "1", extra: str = "") -> str:
    return f"$$HEADERSTART\n$${kind}\n$$UNITS/{units}\n$$VERSION/200\n{extra}$$HEADEREND"


def ascii_file(layers: Sequence[Drawn], units: str = "1", extra: str = "") -> bytes:
    lines = [header("ASCII", units, extra), "$$GEOMETRYSTART"]
    for layer in layers:
        lines.append(f"$$LAYER/{layer.height!r}")
        for model, direction, points in layer.polylines:
            numbers = ",".join(repr(float(value)) for point in points for value in point)
            lines.append(f"$$POLYLINE/{model},{direction},{len(points)},{numbers}")
        for model, hatches in layer.hatches:
            numbers = ",".join(repr(float(value)) for line in hatches for value in line)
            lines.append(f"$$HATCHES/{model},{len(hatches)},{numbers}")
    return ("\n".join([*lines, "$$GEOMETRYEND"]) + "\n").encode()


def binary_file(
    layers: Sequence[Drawn], units: str = "1", *, short: bool = False, aligned: bool = False, extra: str = ""
) -> bytes:
    body = b""

    def put(index: int, fixed: bytes, values: bytes = b"") -> None:
        nonlocal body
        body += struct.pack("<H", index)
        body += b"\0" * (-len(body) % 4 if aligned else 0)
        body += fixed + values
        body += b"\0" * (-len(body) % 4 if aligned else 0)

    whole, real = ("H", "H") if short else ("i", "f")
    for layer in layers:
        put(128 if short else 127, struct.pack(f"<{real}", round(layer.height) if short else layer.height))
        for model, direction, points in layer.polylines:
            values = [round(v) if short else v for point in points for v in point]
            fixed = struct.pack(f"<3{whole}", model, direction, len(points))
            put(129 if short else 130, fixed, struct.pack(f"<{len(values)}{real}", *values))
        for model, hatches in layer.hatches:
            values = [round(v) if short else v for line in hatches for v in line]
            put(131 if short else 132, struct.pack(f"<2{whole}", model, len(hatches)),
                struct.pack(f"<{len(values)}{real}", *values))  # fmt: skip
    return header("BINARY", units, extra + ("$$ALIGN\n" if aligned else "")).encode() + body


def put_file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
