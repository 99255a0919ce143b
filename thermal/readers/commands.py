"""What a CLI build file says (Common Layer Interface, version 2.0): its header, layers, polylines and hatches.

Coordinates here are millimetres: the readers apply `$$UNITS`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import GeometryError

POINTS_MAX = 4_000_000
"""Points of one polyline, or twice the hatches of one group."""

INSIDE, OUTSIDE, OPEN = 0, 1, 2
"""Directions of a polyline: clockwise around a hole, counter-clockwise around material, open line."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a build file.

    Attributes:
        binary: the geometry is in binary commands.
        aligned: binary commands and their parameters begin at multiples of four bytes.
        units_mm: millimetres per unit.
        layers: as the header tells; None where it does not.
        labels: model identifier -> text.
    """

    binary: bool
    aligned: bool
    units_mm: float
    layers: int | None = None
    labels: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LayerStart:
    """`$$LAYER`: what follows lies at this height, mm."""

    height_mm: float


@dataclass(frozen=True, slots=True)
class Polyline:
    """`$$POLYLINE` of a model: float64[n, 2], mm."""

    model: int
    direction: int
    points: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hatches:
    """`$$HATCHES` of a model: float64[n, 4], x and y of start and end, mm."""

    model: int
    lines: NDArray[np.float64]


Command = LayerStart | Polyline | Hatches


def damaged(what: str, where: str, why: str = "") -> GeometryError:
    """Return the error for a build file that breaks the format."""
    return GeometryError(what, where=where, why=why, remedy="export the build file again")


def checked_points(
    name: str, count: int, values: NDArray[np.float64], width: int, where: str
) -> NDArray[np.float64]:
    """Return coordinates as float64[count, width].

    Raises:
        GeometryError: there are more or fewer than announced, or one is not a finite number.
    """
    if values.size != count * width:
        raise damaged(f"{name} announces {count * width} coordinates and has {values.size}", where)
    if not np.isfinite(values).all():
        raise damaged(f"{name} has a coordinate that is not a finite number", where)
    return values.reshape(count, width)


def checked_count(name: str, count: int, where: str) -> int:
    """Return a number of points or hatches that is possible.

    Raises:
        GeometryError: it is negative or above the limit.
    """
    if not 0 <= count <= POINTS_MAX:
        raise damaged(f"{name} announces {count} points", where, f"0 to {POINTS_MAX} in one command are possible")
    return count
