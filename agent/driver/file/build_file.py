"""A layer's CLI build file as bytes: where its hatches stand, and the same bytes with hatches in another order.

Nothing is written anew: header, contours, comments and every coordinate stay the bytes they were. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from thermal.readers.ascii import read_ascii
from thermal.readers.binary import read_binary
from thermal.readers.commands import Hatches, Header, LayerStart, damaged
from thermal.readers.header import read_header, without_comments
from thermal.readers.window import Window

_SHORT, _LONG = 131, 132


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """A `$$HATCHES` command: the bytes from `start` to `end`, and its hatches, float64[k, 4], mm."""

    start: int
    end: int
    lines: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Piece:
    """Hatches of group number `group`: all of them in their order, or those with these places."""

    group: int
    hatches: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class BuildFile:
    """A build file of one layer.

    Attributes:
        raw: its bytes.
        header: what its header says.
        groups: its hatch commands, in the order of the file; empty ones stay where they are and are left out.
    """

    raw: bytes
    header: Header
    groups: tuple[Group, ...]

    def with_hatches(self, pieces: Sequence[Piece]) -> bytes:
        """Return the file with `pieces` where its hatches were; what stood between hatches stays where it was.

        The first piece takes the place of the first hatch command and so on; the last place takes what is left.
        """
        texts = [self._text(piece) for piece in pieces]
        written: list[bytes] = []
        at = 0
        for number, group in enumerate(self.groups):
            written.append(self.raw[at : group.start])
            last = number == len(self.groups) - 1
            written += texts[number:] if last else texts[number : number + 1]
            at = group.end
        return b"".join([*written, self.raw[at:]])

    def _text(self, piece: Piece) -> bytes:
        """Return the bytes of a hatch command with the hatches of `piece`."""
        group = self.groups[piece.group]
        raw = self.raw[group.start : group.end]
        if piece.hatches is None:
            return raw
        return (self._part_binary if self.header.binary else _part_ascii)(raw, piece.hatches)

    def _part_binary(self, raw: bytes, hatches: Sequence[int]) -> bytes:
        fixed = struct.Struct("<HH") if raw[0] == _SHORT else struct.Struct("<ii")
        begin = 4 if self.header.aligned else 2
        model, _count = fixed.unpack_from(raw, begin)
        width = 8 if raw[0] == _SHORT else 16
        first = begin + fixed.size
        chosen = [raw[first + place * width : first + (place + 1) * width] for place in hatches]
        return b"".join([raw[:begin], fixed.pack(model, len(hatches)), *chosen])


def _part_ascii(raw: bytes, hatches: Sequence[int]) -> bytes:
    name, _, values = without_comments(raw).partition(b"/")
    tokens = [token.strip() for token in values.split(b",")]
    chosen = [token for place in hatches for token in tokens[2 + 4 * place : 6 + 4 * place]]
    tail = raw[len(raw.rstrip()) :]
    return name + b"/" + b",".join([tokens[0], str(len(hatches)).encode(), *chosen]) + tail


def parse(raw: bytes, where: str) -> BuildFile:
    """Return the build file that `raw` is.

    Raises:
        GeometryError: it is not whole, breaks the format, or has another number of layers than one.
    """
    window = Window(BytesIO(raw))
    header = read_header(window, where)
    begin = window.start
    if header.binary and raw[begin : begin + 2] in {b"\r\n", b"\n\x7f", b"\n\x80"}:
        begin += 2 if raw[begin : begin + 1] == b"\r" else 1  # as the reader does
    commands = (read_binary if header.binary else read_ascii)(window, header, where)
    layers = 0
    groups: list[Group] = []
    end = begin if header.binary else _first_command(raw, begin)
    for command in commands:
        start, end = end, _aligned(window.start, begin, header)
        if isinstance(command, LayerStart):
            layers += 1
        elif isinstance(command, Hatches) and len(command.lines):
            groups.append(Group(start, end, command.lines))
    if layers != 1:
        raise damaged(f"the file has {layers} layers", where, "a machine takes one file a layer")
    return BuildFile(raw, header, tuple(groups))


def _first_command(raw: bytes, begin: int) -> int:
    mark = b"$$GEOMETRYSTART"
    return raw.find(b"$$", raw.find(mark, begin) + len(mark))


def _aligned(place: int, begin: int, header: Header) -> int:
    """Return where a command that ends at `place` ends with the zero bytes that fill it up."""
    return place + (-(place - begin) % 4 if header.binary and header.aligned else 0)
