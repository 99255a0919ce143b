"""Reads CLI build files (Common Layer Interface, version 2.0), ASCII and binary, in bounded memory.

The file is read from one end to the other through a window; no more than one command is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import GeometryError
from thermal.readers.ascii import read_ascii
from thermal.readers.binary import read_binary
from thermal.readers.commands import Command, Hatches, Header, LayerStart, Polyline, damaged
from thermal.readers.header import read_header
from thermal.readers.window import CHUNK_BYTES, Window

LAYER_POINTS_MAX = 40_000_000
"""Points and ends of hatches of one layer, 640 MB."""


@dataclass(frozen=True, slots=True)
class BuildLayer:
    """One layer of a build file.

    Attributes:
        height_mm: its upper side above the plate.
        polylines: closed and open lines, in the order of the file.
        hatches: groups of hatches, in the order of the file.
    """

    height_mm: float
    polylines: tuple[Polyline, ...]
    hatches: tuple[Hatches, ...]


def read_cli_header(path: Path) -> Header:
    """Read the header of a build file.

    Raises:
        GeometryError: it cannot be read, or is no header.
    """
    with _opened(path) as file:
        return read_header(Window(file), str(path))


def read_cli(path: Path, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Command]:
    """Yield the commands of a build file's geometry, coordinates in mm.

    Args:
        path: the file.
        chunk_bytes: how much is read at a time.

    Raises:
        GeometryError: the file cannot be read, is truncated, or breaks the format.
    """
    with _opened(path) as file:
        window = Window(file, chunk_bytes)
        try:
            header = read_header(window, str(path))
            read = read_binary if header.binary else read_ascii
            yield from read(window, header, str(path))
        except OSError as error:
            raise GeometryError(
                f"the file cannot be read: {error.strerror}", where=str(path), remedy="check the disk"
            ) from error


def read_cli_layers(path: Path) -> Iterator[BuildLayer]:
    """Yield the layers of a build file, heights increasing.

    Raises:
        GeometryError: as `read_cli`, and where heights do not increase, a command comes before the first
            layer, or there is no layer.
    """
    height_mm: float | None = None
    polylines: list[Polyline] = []
    hatches: list[Hatches] = []
    points = 0
    for command in read_cli(path):
        if isinstance(command, LayerStart):
            if height_mm is not None:
                yield BuildLayer(height_mm, tuple(polylines), tuple(hatches))
                if not command.height_mm > height_mm:
                    raise damaged(
                        f"a layer at {command.height_mm:.6g} mm follows one at {height_mm:.6g} mm",
                        str(path),
                        "heights must increase",
                    )
            height_mm, polylines, hatches, points = command.height_mm, [], [], 0
            continue
        if height_mm is None:
            raise damaged("a polyline or hatch comes before the first layer", str(path))
        points += _points(command).size // 2
        if points > LAYER_POINTS_MAX:
            raise damaged(
                f"the layer at {height_mm:.6g} mm has more than {LAYER_POINTS_MAX} points",
                str(path),
                "more are not possible in one layer",
            )
        if isinstance(command, Polyline):
            polylines.append(command)
        else:
            hatches.append(command)
    if height_mm is None:
        raise damaged("the file has no layer", str(path))
    yield BuildLayer(height_mm, tuple(polylines), tuple(hatches))


def _points(command: Polyline | Hatches) -> NDArray[np.float64]:
    return command.points if isinstance(command, Polyline) else command.lines


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise GeometryError(
            f"the file cannot be read: {error.strerror}", where=str(path), remedy="check its name"
        ) from error
