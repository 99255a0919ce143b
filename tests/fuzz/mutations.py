"""Turns good input into bad: seeded, so that every finding can be made again."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

INTERESTING = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",  # NaN, in msgpack
    b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00",  # infinity
    b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00",
    b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xc0",
    b"\xc1",
    b"\x93",
    b"\xdd\xff\xff\xff\xff",  # an array that claims four thousand million elements
    b"NaN",
    b"1e999",
    b"-1",
    b"99999999999999999999",
    b"{",
    b"]",
    b'"',
    b"\n",
    b"\r\n",
    b"\xf0\x9f\x94\xa5",
    b"\xed\xa0\x80",
    b"../",
)


def _flip(data: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(data))
    data[place] ^= 1 << chance.randrange(8)


def _set(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] = chance.randrange(256)


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _remove(data: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(data))
    del data[place : place + chance.randint(1, 16)]


def _repeat(data: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(data))
    data[place:place] = data[place : place + chance.randint(1, 32)] * chance.choice((1, 1, 2, 8))


def _insert(data: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(data) + 1)
    data[place:place] = chance.choice(INTERESTING)


def _overwrite(data: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(data))
    known = chance.choice(INTERESTING)
    data[place : place + len(known)] = known


def _swap(data: bytearray, chance: random.Random) -> None:
    one, other = chance.randrange(len(data)), chance.randrange(len(data))
    data[one], data[other] = data[other], data[one]


_MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip,
    _flip,
    _set,
    _set,
    _cut,
    _remove,
    _repeat,
    _insert,
    _overwrite,
    _swap,
)


def mutated(corpus: Sequence[bytes], chance: random.Random) -> bytes:
    """Return one of `corpus` with one to eight mutations, sometimes joined to another; now and then as it is."""
    data = bytearray(chance.choice(corpus))
    if chance.random() < 0.05:
        other = chance.choice(corpus)
        data[len(data) // 2 :] = other[len(other) // 2 :]
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3, 5, 8))):
        if data:
            chance.choice(_MUTATIONS)(data, chance)
    return bytes(data)
