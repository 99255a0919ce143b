"""Matrices that a user brings from any other linear model: checked, then cut in blocks beside the part.

The part's own step matrix is not looked at. The inputs f_c stay the part's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import InputError
from cosmic.undecodable import UNREADABLE_ARRAY
from thermal.geometry import Geometry
from thermal.operators.blockfiles import (
    IMPORTED,
    PANEL_BYTES,
    Announce,
    Progress,
    dense_from_files,
    write_given,
)
from thermal.operators.dense import Dense

GROWTH_MAX = 1e-6
"""By how much the 2-norm may exceed 1: rounding of a matrix that loses nothing."""

ITERATIONS = 100
CONVERGED = 1e-7

_NAME = re.compile(r"(length|cell)-0*(\d+)\.npy")


class MatrixError(InputError):
    """A matrix that a user brought cannot be used as an operator."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found about one matrix.

    Attributes:
        file: where it lies.
        norm: bound of its 2-norm, or the estimate where the bound is above 1.
    """

    file: Path
    norm: float


def read_matrices(folder: Path, geometry: Geometry) -> dict[int, NDArray[np.floating]]:
    """Map and check the matrices of a geometry: float64 or float32[n, n] for every distinct cell length.

    The files are `length-N.npy`, one for every cell length N in elements, or `cell-K.npy`, one for every cell
    K; leading zeros do not matter. Operators are kept by length, so that cells of one length must have equal
    matrices. `M[i, j]` is what 1 K of element j at the beginning of the window makes of element i at its end.

    Raises:
        MatrixError: a file is missing or unreadable, or a matrix has another shape or dtype, a value that is
            not finite, or a 2-norm above 1; the message names the file and the figure.
    """
    files = _files(folder, geometry)
    matrices = {length: _open(paths[0], geometry.elements) for length, paths in files.items()}
    for length, paths in files.items():
        check_matrix(matrices[length], str(paths[0]))
        for other in paths[1:]:
            if not _equal(matrices[length], _open(other, geometry.elements)):
                raise MatrixError(
                    f"it differs from {paths[0].name}",
                    where=str(other),
                    why=f"both cells have {length} elements, and operators are kept by length",
                    remedy="give one matrix a length (length-N.npy), or cells of different lengths",
                )
    return matrices


def import_matrices(
    part_folder: Path,
    part_digest: str,
    geometry: Geometry,
    folder: Path,
    *,
    blocks: tuple[int, int] = (1, 1),
    precision: str = "float64",
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> Dense:
    """Check a user's matrices, write them in blocks beside the part, and return the operator over them.

    All matrices are checked before the first is written.

    Args:
        part_folder: folder of the part.
        part_digest: its digest.
        geometry: the layer geometry that the matrices are for.
        folder: where the matrices are; see `read_matrices`.
        blocks: (r, c) to cut them in.
        precision: `float64` or `float32`, of the blocks.
        progress: told after every matrix written.
        announce: told how much disk the blocks take, before they are written.

    Raises:
        MatrixError: a matrix cannot be used.
        ConfigurationError: a cut or precision is not possible, or the disk has not enough room.
        PartError: there are computed operators of that cut already, or of another part.
    """
    matrices = read_matrices(folder, geometry)
    write_given(
        part_folder,
        part_digest,
        geometry,
        matrices,
        blocks=blocks,
        precision=precision,
        progress=progress,
        announce=announce,
    )
    return imported(part_folder, part_digest, geometry, blocks=blocks, precision=precision)


def imported(
    part_folder: Path,
    part_digest: str,
    geometry: Geometry,
    *,
    blocks: tuple[int, int] = (1, 1),
    precision: str = "float64",
) -> Dense:
    """Return the operator over matrices that were imported before.

    Raises:
        PartError: there are none of that cut and precision, or they belong to another part.
    """
    return dense_from_files(part_folder, geometry, blocks, precision, part_digest, source=IMPORTED)


def check_matrix(matrix: NDArray[np.floating], where: str) -> float:
    """Check that a matrix is finite and lets nothing grow; return what is known of its 2-norm.

    `||M||_2 <= sqrt(||M||_1 ||M||_inf)`, from the sums of its columns and rows, is tried first; only where
    that exceeds 1 is the norm itself estimated, from below, by the power method on `M'M`.

    Args:
        matrix: float64 or float32[n, n], may be mapped.
        where: what to name in an error.

    Raises:
        MatrixError: a value is not finite, or the norm exceeds 1 by more than 1e-6.
    """
    n = matrix.shape[0]
    columns = np.zeros(n)
    tallest = 0.0
    step = max(1, PANEL_BYTES // (8 * n))
    for first in range(0, n, step):
        panel = np.asarray(matrix[first : first + step], dtype=np.float64)
        finite = np.isfinite(panel)
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            raise MatrixError(
                f"row {first + row}, column {column} is {panel[row, column]} "
                f"({np.count_nonzero(~finite)} such in these {panel.shape[0]} rows)",
                where=where,
                why="every entry must be finite",
                remedy="export the matrix again",
            )
        sizes = np.abs(panel)
        columns += sizes.sum(axis=0)
        tallest = max(tallest, float(sizes.sum(axis=1).max()))
    bound = float(np.sqrt(columns.max() * tallest))
    if bound <= 1 + GROWTH_MAX:
        return bound
    norm = _norm(matrix)
    if norm > 1 + GROWTH_MAX:
        raise MatrixError(
            f"the matrix lets heat grow: its 2-norm is {norm:.6g}",
            where=where,
            why=f"it must be at most 1 + {GROWTH_MAX:g}: without input no window makes a map hotter",
            remedy="check its units (K above ambient in and out, no input in it) and its time step's stability",
        )
    return norm


def _norm(matrix: NDArray[np.floating]) -> float:
    """Estimate the 2-norm by the power method on `M'M`, from a fixed start."""
    x = np.random.default_rng(0).standard_normal((matrix.shape[1],))
    norm = 0.0
    for _ in range(ITERATIONS):
        x = x / float(np.linalg.norm(x))
        y = _product(matrix, x)
        before, norm = norm, float(np.linalg.norm(y))
        if norm == 0 or abs(norm - before) <= CONVERGED * norm:
            break
        x = _product(matrix.T, y)
    return norm


def _product(matrix: NDArray[np.floating], x: NDArray[np.float64]) -> NDArray[np.float64]:
    y: NDArray[np.float64] = (matrix @ x.astype(matrix.dtype)).astype(np.float64)
    return y


def _files(folder: Path, geometry: Geometry) -> dict[int, list[Path]]:
    """Return the files of every distinct length."""
    if not folder.is_dir():
        raise MatrixError("there is no such folder", where=str(folder), remedy="give the folder of the .npy files")
    found: dict[tuple[str, int], Path] = {}
    for path in sorted(folder.iterdir()):
        name = _NAME.fullmatch(path.name)
        if name:
            found[name[1], int(name[2])] = path
    kind = "cell" if any(which == "cell" for which, _ in found) else "length"
    if kind == "cell":
        wanted = [(int(length), ("cell", cell)) for cell, length in enumerate(geometry.lengths)]
    else:
        wanted = [(length, ("length", length)) for length in geometry.distinct_lengths]
    missing = [f"{kind}-{key[1]}.npy" for _, key in wanted if key not in found]
    if missing:
        raise MatrixError(
            f"{len(missing)} of {len(wanted)} matrices are missing: {', '.join(missing[:4])}"
            + (" ..." if len(missing) > 4 else ""),
            where=str(folder),
            why=f"every {kind} of geometry {geometry.number} needs one",
            remedy="add the files; 'cosmic-cloud part show' tells the cells",
        )
    files: dict[int, list[Path]] = {}
    for length, key in wanted:
        files.setdefault(length, []).append(found[key])
    return dict(sorted(files.items()))


def _open(path: Path, elements: int) -> NDArray[np.floating]:
    remedy = f"save it with numpy.save: float64 or float32, shape ({elements}, {elements})"
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except UNREADABLE_ARRAY as error:
        raise MatrixError(f"the matrix cannot be read: {error}", where=str(path), remedy=remedy) from error
    if not isinstance(matrix, np.ndarray) or matrix.shape != (elements, elements):
        raise MatrixError(
            f"the matrix has shape {getattr(matrix, 'shape', '(an archive)')}",
            where=str(path),
            why=f"this layer has {elements} elements",
            remedy=remedy,
        )
    if matrix.dtype not in (np.float64, np.float32):
        raise MatrixError(
            f"the matrix has dtype {matrix.dtype}",
            where=str(path),
            why="entries are float64 or float32",
            remedy=remedy,
        )
    return matrix


def _equal(one: NDArray[np.floating], other: NDArray[np.floating]) -> bool:
    step = max(1, PANEL_BYTES // (8 * one.shape[0]))
    return all(
        np.array_equal(one[first : first + step], other[first : first + step])
        for first in range(0, one.shape[0], step)
    )
