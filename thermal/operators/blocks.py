"""How a dense operator is cut into r x c blocks, and what the files of the blocks are called.

Every process that reads, writes or sums blocks takes its ranges and names from here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from cosmic.errors import ConfigurationError
from thermal.geometry import Geometry

PRECISIONS = ("float64", "float32")


def block_ranges(n: int, count: int) -> list[tuple[int, int]]:
    """Cut `n` rows or columns into `count` consecutive ranges (first, end), as equal as possible.

    The first `n % count` ranges are longer by one.

    Raises:
        ConfigurationError: there would be an empty range or none.
    """
    if not 1 <= count <= n:
        raise ConfigurationError(
            f"{n} elements cannot be cut into {count} blocks",
            where="blocks",
            why=f"the number of blocks must lie between 1 and {n}",
            remedy="use fewer blocks",
        )
    size, longer = divmod(n, count)
    ends = [size * (k + 1) + min(k + 1, longer) for k in range(count)]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def block_set_folder(part_folder: Path, geometry: int, blocks: tuple[int, int], precision: str) -> Path:
    """Return the folder of one set of blocks: `operators/geometry-0000/float64-4x1` below the part."""
    check_precision(precision)
    return part_folder / "operators" / f"geometry-{geometry:04d}" / f"{precision}-{blocks[0]}x{blocks[1]}"


def block_name(length: int, i: int, j: int) -> str:
    """Return the file name of block (i, j) of the operator of cells of `length` elements."""
    return f"length-{length:05d}-block-{i}-{j}.npy"


def check_precision(precision: str) -> DTypeLike:
    """Return the dtype of a precision.

    Raises:
        ConfigurationError: it is neither float64 nor float32.
    """
    if precision not in PRECISIONS:
        raise ConfigurationError(
            f"there is no precision '{precision}'",
            where="precision",
            remedy=f"use one of: {', '.join(PRECISIONS)}",
        )
    return np.float64 if precision == "float64" else np.float32


def dense_bytes(geometry: Geometry, precision: str = "float64") -> int:
    """Return the bytes that all dense operators of a geometry take, without file headers."""
    size = np.dtype(check_precision(precision)).itemsize
    return len(geometry.distinct_lengths) * geometry.elements**2 * size
