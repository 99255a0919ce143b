"""The part that platforms are measured with: squares of several sizes, one operator each.

Their islands are all alike, so that a layer of n elements has one dense operator of n x n: the smallest is all
message, the largest all memory. Built like every other part, with the same block files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import box

from thermal.building import build_from_outline
from thermal.operators.blockfiles import write_given
from thermal.operators.dense import matrix_rows
from thermal.part import Part, make_part, write_part
from thermal.process import Process

ISLAND_MM = 2.8
"""Side of the islands: 14 elements of 0.2 mm."""

NAME = "profile"
Told = Callable[[str, int, int], None]
"""(what, done, in all): how far something is."""


def square_part(largest_cm2: float, *, odd: bool = False, sizes: int = 4) -> Part:
    """Return a part of squares, a layer each, the smallest first.

    largest_cm2: area of the largest at most.
    odd: with half islands at two edges, so that cells of three lengths occur.
    sizes: how many at most; they are a factor in area apart.
    """
    most = max(2, math.floor(math.sqrt(largest_cm2) * 10 / ISLAND_MM))
    sides = sorted({max(1, round(most ** (step / (sizes - 1)))) for step in range(sizes)})
    geometries = []
    process = Process()
    for number, side in enumerate(sides):
        side_mm = side * ISLAND_MM + (ISLAND_MM / 2 if odd else 0.0)
        built = build_from_outline(box(0, 0, side_mm, side_mm), NAME, process, island_mm=ISLAND_MM)
        geometries.append(replace(built.geometries[0], number=number))
    return make_part(NAME, process, geometries, list(range(len(sides))), cells=built.manifest.cells)


def written_part(
    folder: Path, largest_cm2: float, cuts: Sequence[int], precisions: Sequence[str], told: Told
) -> Part:
    """Write the part into a folder, with its dense operators in every cut into row ranges and every precision."""
    part = square_part(largest_cm2)
    written = write_part(part, folder, force=True)
    for geometry in written.geometries:
        told("matrices", geometry.number, len(written.geometries))
        matrices: dict[int, NDArray[np.floating]] = dict(
            matrix_rows(geometry, written.process, 0, geometry.elements)
        )
        for cut in cuts:
            for precision in precisions:
                write_given(folder, written.digest, geometry, matrices, blocks=(cut, 1), precision=precision)
    told("matrices", len(written.geometries), len(written.geometries))
    return written
