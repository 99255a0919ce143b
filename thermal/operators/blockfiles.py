"""Block files of dense operators: written once beside a part, then mapped by whoever computes.

A file appears under its name only when it is complete. Writing that was interrupted goes on where it
broke off. A set of blocks records the digest of the part that it was computed from.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import DTypeLike, NDArray

from cosmic.errors import ConfigurationError, PartError
from cosmic.undecodable import UNDECODABLE, UNREADABLE_ARRAY
from thermal.geometry import Geometry
from thermal.operators.blocks import block_name, block_ranges, block_set_folder, check_precision
from thermal.operators.dense import Dense, matrix_rows, unknown_length
from thermal.process import Process

PANEL_BYTES = 64 * 2**20
SPARE_BYTES = 64 * 2**20
LABEL = "blocks.json"
CLAIM = "blocks.json.partial"
COMPUTED = "computed"
IMPORTED = "imported"

Progress = Callable[[int, int], None]
"""(rows done, rows in all) of the matrices being written."""

Announce = Callable[[str], None]
"""Takes one line for the user."""


class BlockSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a set of blocks belongs to.

    Attributes:
        part: digest of the part, SHA-256 hex.
        elements: rows and columns of every operator.
        blocks: (r, c).
        precision: `float64` or `float32`.
        lengths: cell lengths whose operators are in the set.
        source: `computed` from the part's own model, or `imported` (opaque.py): another model's.
    """

    part: str
    elements: int
    blocks: tuple[int, int]
    precision: str
    lengths: tuple[int, ...]
    source: str = COMPUTED


def write_blocks(
    part_folder: Path,
    part_digest: str,
    geometry: Geometry,
    process: Process,
    *,
    blocks: tuple[int, int] = (1, 1),
    precision: str = "float64",
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> Path:
    """Write the blocks of every distinct length of a geometry; return their folder.

    Blocks that are complete already are kept, and an interrupted run is continued. The rows are computed by
    as many threads as there are processors; the files do not depend on their number.

    Args:
        part_folder: folder of the part, must exist.
        part_digest: digest of that part.
        geometry: the layer geometry.
        process: the part's process settings.
        blocks: (r, c): cuts of the rows and of the columns.
        precision: `float64` or `float32`, of the files.
        progress: told after every panel of rows.
        announce: told in a line how much disk the files take, before anything is written.

    Raises:
        ConfigurationError: a cut or precision is not possible, or the disk has not enough room.
        PartError: the folder holds blocks of another part.
    """
    dtype = check_precision(precision)
    rows = block_ranges(geometry.elements, blocks[0])
    columns = block_ranges(geometry.elements, blocks[1])
    folder = block_set_folder(part_folder, geometry.number, blocks, precision)
    label = BlockSet(part_digest, geometry.elements, blocks, precision, geometry.distinct_lengths)
    files, missing = _claim(folder, label, announce)
    panel = max(1, PANEL_BYTES // (8 * geometry.elements))
    for i, (top, bottom) in enumerate(rows):
        wanted = [(length, j) for length, at, j in missing if at == i]
        writers = {
            (length, j): _Writer(files[length, i, j], (bottom - top, _cells(columns[j])), dtype)
            for length, j in wanted
        }
        first = top + min((writer.rows_done for writer in writers.values()), default=bottom - top)
        while first < bottom:
            end = min(first + panel, bottom)
            for length, values in _rows_on_all_processors(geometry, process, first, end):
                for j, span in enumerate(columns):
                    if (length, j) in writers:
                        writers[length, j].put(first - top, values[:, slice(*span)])
            first = end
            if progress is not None:
                progress(first, geometry.elements)
        for writer in writers.values():
            writer.finish()
        if progress is not None:
            progress(bottom, geometry.elements)
    _settle(folder)
    return folder


def write_given(
    part_folder: Path,
    part_digest: str,
    geometry: Geometry,
    matrices: dict[int, NDArray[np.floating]],
    *,
    blocks: tuple[int, int] = (1, 1),
    precision: str = "float64",
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> Path:
    """Write given matrices in blocks beside a part, as `write_blocks` writes computed ones; return their folder.

    Args:
        part_folder: folder of the part, must exist.
        part_digest: digest of that part.
        geometry: the layer geometry.
        matrices: float64 or float32[n, n] for every distinct length, checked already; may be mapped files.
        blocks: (r, c): cuts of the rows and of the columns.
        precision: `float64` or `float32`, of the files.
        progress: told after every matrix.
        announce: told how much disk the files take, before anything is written.

    Raises:
        ConfigurationError: a cut or precision is not possible, or the disk has not enough room.
        PartError: the folder holds other blocks.
    """
    dtype = check_precision(precision)
    rows = block_ranges(geometry.elements, blocks[0])
    columns = block_ranges(geometry.elements, blocks[1])
    folder = block_set_folder(part_folder, geometry.number, blocks, precision)
    lengths = geometry.distinct_lengths
    files, missing = _claim(
        folder, BlockSet(part_digest, geometry.elements, blocks, precision, lengths, IMPORTED), announce
    )
    for key in missing:
        length, i, j = key
        (top, bottom), (left, right) = rows[i], columns[j]
        writer = _Writer(files[key], (bottom - top, right - left), dtype)
        step = max(1, PANEL_BYTES // (8 * (right - left)))
        for first in range(top, bottom, step):
            end = min(first + step, bottom)
            writer.put(first - top, np.asarray(matrices[length][first:end, left:right], dtype=np.float64))
        writer.finish()
        if progress is not None:
            progress(lengths.index(length) + 1, len(lengths))
    _settle(folder)
    return folder


def read_block_set(part_folder: Path, geometry: int, blocks: tuple[int, int], precision: str) -> BlockSet:
    """Return what a set of blocks belongs to.

    Raises:
        PartError: there is no such set, or its label is damaged.
    """
    path = block_set_folder(part_folder, geometry, blocks, precision) / LABEL
    try:
        return msgspec.json.decode(path.read_bytes(), type=BlockSet)
    except FileNotFoundError:
        raise PartError(
            f"there are no {precision} operators in {blocks[0]}x{blocks[1]} blocks",
            where=str(path.parent),
            remedy=f"build the part with --operators dense --blocks {blocks[0]}x{blocks[1]} "
            f"--precision {precision}",
        ) from None
    except (OSError, *UNDECODABLE) as error:
        raise PartError(
            f"the label cannot be read: {error}", where=str(path), remedy="remove the folder, build again"
        ) from error


def open_block(
    part_folder: Path,
    geometry: Geometry,
    block: tuple[int, int, int],
    *,
    blocks: tuple[int, int] = (1, 1),
    precision: str = "float64",
) -> NDArray[np.floating]:
    """Map one block read-only: float64 or float32[rows of range i, columns of range j].

    Args:
        part_folder: folder of the part.
        geometry: the layer geometry.
        block: (length, i, j).
        blocks: (r, c) of the set.
        precision: of the set.

    Raises:
        PartError: the file is missing, truncated, or of another shape or dtype.
    """
    path = block_set_folder(part_folder, geometry.number, blocks, precision) / block_name(*block)
    shape = (
        _cells(block_ranges(geometry.elements, blocks[0])[block[1]]),
        _cells(block_ranges(geometry.elements, blocks[1])[block[2]]),
    )
    remedy = "remove the file and build the part's dense operators again"
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except UNREADABLE_ARRAY as error:
        raise PartError(f"the block cannot be read: {error}", where=str(path), remedy=remedy) from error
    if not isinstance(values, np.ndarray):
        values.close()
        raise PartError("the block is an archive of arrays (npz)", where=str(path), remedy=remedy)
    if values.shape != shape or values.dtype != np.dtype(check_precision(precision)):
        raise PartError(
            f"the block is {values.dtype}{list(values.shape)}",
            where=str(path),
            why=f"it must be {precision}{list(shape)}",
            remedy=remedy,
        )
    return values


def dense_from_files(
    part_folder: Path,
    geometry: Geometry,
    blocks: tuple[int, int] = (1, 1),
    precision: str = "float64",
    part_digest: str | None = None,
    source: str = COMPUTED,
) -> Dense:
    """Return the dense operator over mapped block files; each file is opened when first needed.

    Args:
        part_folder: folder of the part.
        geometry: the layer geometry.
        blocks: (r, c) of a set that was written.
        precision: of that set.
        part_digest: when given, the set must have been computed from the part of this digest.
        source: `computed` or `imported`: what the set must be; one never stands in for the other.

    Raises:
        PartError: there is no such set, or it belongs to another part, or is of the other source.
    """
    label = read_block_set(part_folder, geometry.number, blocks, precision)
    if label.elements != geometry.elements or part_digest not in (None, label.part):
        raise _foreign(block_set_folder(part_folder, geometry.number, blocks, precision))
    if label.source != source:
        raise _other_source(block_set_folder(part_folder, geometry.number, blocks, precision), label.source)
    opened: dict[tuple[int, int, int], NDArray[np.floating]] = {}

    def block(length: int, i: int, j: int) -> NDArray[np.floating]:
        if length not in label.lengths:
            raise unknown_length(length, geometry)
        if (length, i, j) not in opened:
            opened[length, i, j] = open_block(
                part_folder, geometry, (length, i, j), blocks=blocks, precision=precision
            )
        return opened[length, i, j]

    return Dense(geometry.elements, block, blocks, precision, variant="dense" if source == COMPUTED else "opaque")


class _Writer:
    """Fills one block file row by row under a temporary name; takes up what an earlier run left."""

    def __init__(self, path: Path, shape: tuple[int, int], dtype: DTypeLike) -> None:
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._dtype = np.dtype(dtype)
        self._row_bytes = shape[1] * self._dtype.itemsize
        if not self._partial.exists():
            with self._partial.open("wb") as file:
                header = {"descr": self._dtype.str, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
        with self._partial.open("rb") as file:
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            self._start = file.tell()
        self.rows_done = (self._partial.stat().st_size - self._start) // self._row_bytes

    def put(self, row: int, values: NDArray[np.float64]) -> None:
        """Write rows from `row` on."""
        with self._partial.open("r+b") as file:
            file.seek(self._start + row * self._row_bytes)
            file.write(np.ascontiguousarray(values, dtype=self._dtype).tobytes())

    def finish(self) -> None:
        """Make the complete file appear under its name."""
        with self._partial.open("r+b") as file:
            os.fsync(file.fileno())
        self._partial.replace(self._path)


Key = tuple[int, int, int]
"""(length, i, j) of a block."""


def _rows_on_all_processors(
    geometry: Geometry, process: Process, first: int, end: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield what `matrix_rows` yields, its rows shared among threads: scipy's products run beside each other."""
    workers = max(1, min(os.cpu_count() or 1, end - first))
    ranges = [(first + top, first + bottom) for top, bottom in block_ranges(end - first, workers)]
    parts = [matrix_rows(geometry, process, top, bottom) for top, bottom in ranges]
    with ThreadPoolExecutor(workers) as pool:
        for _ in geometry.distinct_lengths:
            found = list(pool.map(next, parts))
            yield found[0][0], np.concatenate([rows for _, rows in found])


def _claim(folder: Path, label: BlockSet, announce: Announce | None) -> tuple[dict[Key, Path], list[Key]]:
    """Say what the folder is being filled with; return all its files and the blocks that are missing.

    The claim becomes the label when every block is there. Nothing is made where the disk has no room.
    """
    files = {
        (length, i, j): folder / block_name(length, i, j)
        for length in label.lengths
        for i in range(label.blocks[0])
        for j in range(label.blocks[1])
    }
    missing = [key for key, path in files.items() if not path.exists()]
    rows = block_ranges(label.elements, label.blocks[0])
    columns = block_ranges(label.elements, label.blocks[1])
    size = np.dtype(check_precision(label.precision)).itemsize
    _need_room(folder, sum(_cells(rows[i]) * _cells(columns[j]) * size for _, i, j in missing), announce)
    content = msgspec.json.encode(label)
    for path in (folder / LABEL, folder / CLAIM):
        if path.exists():
            there = msgspec.json.decode(path.read_bytes(), type=BlockSet)
            if there.source != label.source:
                raise _other_source(folder, there.source)
            if there != label:
                raise _foreign(folder)
            return files, missing
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CLAIM).write_bytes(content)
    return files, missing


def _settle(folder: Path) -> None:
    if (folder / CLAIM).exists():
        (folder / CLAIM).replace(folder / LABEL)


def _other_source(folder: Path, source: str) -> PartError:
    return PartError(
        f"the matrices there are {source}",
        where=str(folder),
        why="computed and imported matrices are different models and never stand in for each other",
        remedy="use --operator opaque for imported and dense for computed ones, or remove the folder",
    )


def _foreign(folder: Path) -> PartError:
    return PartError(
        "these operators belong to another part",
        where=str(folder),
        why="dense operators are valid only for the part that they were computed from",
        remedy="remove the folder and build the dense operators again",
    )


def _need_room(folder: Path, needed: int, announce: Announce | None) -> None:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed + SPARE_BYTES > free:
        raise ConfigurationError(
            f"the dense operators take {needed / 1e9:.1f} GB",
            where=str(folder),
            why=f"the disk has {free / 1e9:.1f} GB left",
            remedy="use the polynomial operator, float32, or another disk",
        )
    if announce is not None:
        announce(f"dense operators: {needed / 1e9:.2f} GB to write to {folder}, {free / 1e9:.0f} GB are free")


def _cells(span: tuple[int, int]) -> int:
    return span[1] - span[0]
