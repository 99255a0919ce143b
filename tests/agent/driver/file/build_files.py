"""Build files for tests: written, and read by a reader that shares nothing with ours."""

from __future__ import annotations

import random
import re
import struct
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Read:
    """What a file says: coordinates as they stand in it."""

    header: bytes
    contours: list[object] = field(default_factory=list)
    hatches: Counter[object] = field(default_factory=Counter)
    order: list[object] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)


def read_ascii(raw: bytes) -> Read:
    """Read an ASCII file command by command; hatches are tuples of (model, four coordinates as text)."""
    head, _, body = raw.partition(b"$$HEADEREND")
    found = Read(head)
    text = re.sub(r"//.*?//", "", body.decode())
    for command in re.findall(r"\$\$([A-Z]+)(?:/([-0-9.,eE\s]*))?", text):
        name, values = command[0], [value.strip() for value in command[1].split(",")]
        found.kinds.append(name)
        if name in {"POLYLINE", "LAYER"}:
            found.contours.append((name, tuple(values)))
        elif name == "HATCHES":
            assert len(values) == 2 + 4 * int(values[1])
            for place in range(2, len(values), 4):
                hatch = (values[0], *values[place : place + 4])
                found.hatches[hatch] += 1
                found.order.append(hatch)
    assert found.kinds[0] == "GEOMETRYSTART"
    assert found.kinds[-1] == "GEOMETRYEND"
    return found


def read_binary(raw: bytes, *, aligned: bool) -> Read:
    """Read a binary file; hatches are (form, model, the bytes of four coordinates)."""
    head, _, body = raw.partition(b"$$HEADEREND")
    found, at = Read(head), 0

    def take(count: int) -> bytes:
        nonlocal at
        assert at + count <= len(body), "the file is cut off"
        at += count
        return body[at - count : at]

    def align() -> None:
        nonlocal at
        while aligned and at % 4:
            assert take(1) == b"\0"

    while at < len(body):
        (index,) = struct.unpack("<H", take(2))
        align()
        found.kinds.append(("layer", "polyline", "hatches")[(index - 127) // 2])
        if index in (127, 128):
            found.contours.append((index, take(4 if index == 127 else 2)))
        elif index in (129, 130):
            fixed = take(6 if index == 129 else 12)
            points = struct.unpack("<HHH" if index == 129 else "<iii", fixed)[2]
            found.contours.append((index, fixed, take(points * (4 if index == 129 else 8))))
        else:
            model, count = struct.unpack("<HH" if index == 131 else "<ii", take(4 if index == 131 else 8))
            for _ in range(count):
                hatch = (index, model, take(8 if index == 131 else 16))
                found.hatches[hatch] += 1
                found.order.append(hatch)
        align()
    return found


def islands(seed: int, *, across: int) -> list[tuple[int, list[tuple[int, int, int, int]]]]:
    """Return hatch groups of the square part in units of 0.01 mm: (cell, or -1 where it spans several; hatches).

    across: how many groups run over two islands.
    """
    generator = random.Random(seed)
    groups = []
    for cell in range(36):
        x, y = cell % 6 * 80, cell // 6 * 80
        lines = []
        for offset in range(5, 80, generator.choice((10, 15, 25))):
            line = (x, y + offset, x + 80, y + offset) if cell % 2 else (x + offset, y, x + offset, y + 80)
            lines.append(line if generator.random() < 0.5 else (*line[2:], *line[:2]))
        groups.append((cell, lines))
    for _ in range(across):  # one command with the hatches of two islands
        first = groups.pop(generator.randrange(len(groups)))
        second = groups.pop(generator.randrange(len(groups)))
        mixed = [*first[1], *second[1]]
        generator.shuffle(mixed)
        groups.append((-1, mixed))
    generator.shuffle(groups)
    return groups


def write_ascii(seed: int, *, across: int = 0) -> bytes:
    """Return an ASCII file of the square part's layer."""
    generator = random.Random(f"text {seed}")
    end = generator.choice(("\n", "\r\n"))
    lines = ["$$HEADERSTART", "$$ASCII", "$$UNITS/0.01", "$$VERSION/200", "$$LAYERS/1", "// kept //", "$$HEADEREND"]
    lines += ["$$GEOMETRYSTART", "$$LAYER/3", "$$POLYLINE/1,1,5,0,0,480,0,480,480,0,480,0,0"]
    for _, hatches in islands(seed, across=across):
        form = generator.choice(("{}", "{}.0", "{}.00"))
        values = [form.format(value) for hatch in hatches for value in hatch]
        comma = generator.choice((",", ", ")) if generator.random() < 0.3 else ","
        lines.append(f"$$HATCHES/{generator.choice((1, 2))},{len(hatches)},{comma.join(values)}")
        if generator.random() < 0.2:
            lines.append(f"$$POLYLINE/1,2,2,0,0,{generator.randrange(480)},5")
    lines.append("$$GEOMETRYEND")
    return (end.join(lines) + end).encode()


def write_binary(seed: int, *, across: int = 0, aligned: bool = False) -> bytes:
    """Return a binary file of the square part's layer, short and long forms mixed."""
    generator = random.Random(f"bytes {seed}")
    head = b"$$HEADERSTART\n$$BINARY\n$$UNITS/0.01\n$$VERSION/200\n$$LAYERS/1\n"
    head += (b"$$ALIGN\n" if aligned else b"") + b"$$HEADEREND"
    body = b""

    def command(index: int, rest: bytes) -> bytes:
        text = struct.pack("<H", index)
        text += b"\0" * (-len(text) % 4 if aligned else 0) + rest
        return text + b"\0" * (-len(text) % 4 if aligned else 0)

    body += command(128, struct.pack("<H", 3))
    body += command(129, struct.pack("<HHH", 1, 1, 3) + struct.pack("<6H", 0, 0, 480, 0, 480, 480))
    for _, hatches in islands(seed, across=across):
        values = [value for hatch in hatches for value in hatch]
        if generator.random() < 0.5:
            body += command(131, struct.pack("<HH", 1, len(hatches)) + struct.pack(f"<{len(values)}H", *values))
        else:
            body += command(132, struct.pack("<ii", 2, len(hatches)) + struct.pack(f"<{len(values)}f", *values))
        if generator.random() < 0.2:
            body += command(
                129, struct.pack("<HHH", 1, 2, 2) + struct.pack("<4H", 0, 0, generator.randrange(480), 5)
            )
    return head + body
