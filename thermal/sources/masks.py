"""Layers from masks: PNG pictures or npy arrays, one square an element.

Reading PNG needs Pillow, of the `cloud` extra.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import GeometryError
from cosmic.undecodable import UNREADABLE_ARRAY
from thermal.elements import SQUARES_MAX
from thermal.extra import geometry_library
from thermal.slicing import LAYERS_MAX
from thermal.sources.interface import Layer, MaskLayer
from thermal.sources.solids import chosen_layers

_REMEDY = "save it as a black and white PNG, or with numpy.save as bool[rows, columns]"


class MaskSource:
    """The layers of one mask, of a stack, or of a folder of masks in the order of the numbers in their names.

    A picture is seen from above: its lowest line of pixels is row 0, white is scanned, from half on. In an
    array row 0 comes first. `bool[layers, rows, columns]` is a stack.

    Args:
        path: PNG or npy file, or a folder of them.
        element_mm: side of a pixel.
        layers: only so many; None: all. Of a single mask: how many, 1 unless told.

    Raises:
        GeometryError: a mask cannot be read, is empty, or has another size than the first.
    """

    def __init__(self, path: Path, element_mm: float, *, layers: int | None = None) -> None:
        self._path = path
        self._files = _files(path)
        first = read_mask(self._files[0])
        self._stack = first if first.ndim == 3 else None
        self.name = path.stem
        self._shape = first.shape[-2:]
        self.bounds_mm = (0.0, 0.0, self._shape[1] * element_mm, self._shape[0] * element_mm)
        self.layer_m: float | None = None
        if self._stack is None and len(self._files) == 1 and not path.is_dir():
            self.layers = 1 if layers is None else chosen_layers(LAYERS_MAX, layers, str(path), "printer")
        else:
            there = len(self._files) if self._stack is None else len(self._stack)
            self.layers = chosen_layers(there, layers, str(path), "stack")

    def __iter__(self) -> Iterator[Layer]:
        """Yield the layers; files of a folder are read as they are asked for."""
        for layer in range(self.layers):
            file = self._files[min(layer, len(self._files) - 1)]
            if self._stack is not None:
                mask = self._stack[layer]
            elif layer == 0 or len(self._files) > 1:
                mask = read_mask(file)
            if mask.shape != self._shape:
                raise GeometryError(
                    f"the mask has shape {mask.shape}",
                    where=str(file),
                    why=f"the first one has {self._shape}",
                    remedy="masks of one part have the same number of rows and columns",
                )
            if not mask.any():
                raise GeometryError(
                    f"the mask of layer {layer} is empty",
                    where=str(file),
                    why="every layer needs something to scan",
                    remedy="remove the layer, or check which colour is scanned: white",
                )
            yield MaskLayer(mask)


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Return a mask: bool[rows, columns], rows ascending with y; of an npy file also bool[layers, rows, columns].

    Raises:
        GeometryError: it cannot be read, or is no mask.
        UsageError: it is a PNG and Pillow is not installed.
    """
    mask = _picture(path) if path.suffix.lower() == ".png" else _array(path)
    if mask.size == 0 or not mask.any():
        raise GeometryError(
            "the mask is empty", where=str(path), why="a part needs something to scan", remedy="white is scanned"
        )
    if int(np.prod(mask.shape[-2:])) > SQUARES_MAX:
        raise _too_large(path, mask.shape[-2:])
    return mask


def _picture(path: Path) -> NDArray[np.bool_]:
    pillow = geometry_library("PIL.Image")
    try:
        with path.open("rb") as file, pillow.open(file, formats=("PNG",)) as picture:
            shape = (int(picture.height), int(picture.width))
            fits = shape[0] * shape[1] <= SQUARES_MAX
            grey = np.asarray(picture.convert("L")) if fits else np.empty((0, 0), np.uint8)
    except Exception as error:
        raise GeometryError(f"the picture cannot be read: {error}", where=str(path), remedy=_REMEDY) from error
    if not fits:
        raise _too_large(path, shape)
    return np.ascontiguousarray(grey[::-1] >= 128)


def _array(path: Path) -> NDArray[np.bool_]:
    try:
        mask = np.load(path, allow_pickle=False, mmap_mode="r")
    except UNREADABLE_ARRAY as error:
        reason = getattr(error, "strerror", None) or "it is not a complete npy array"
        raise GeometryError(f"the mask cannot be read: {reason}", where=str(path), remedy=_REMEDY) from error
    if not isinstance(mask, np.ndarray) or mask.ndim not in {2, 3}:
        shape = getattr(mask, "shape", "unknown")
        raise GeometryError(
            f"the mask has shape {shape}",
            where=str(path),
            why="a mask is [rows, columns], a stack [layers, rows, columns]",
            remedy=_REMEDY,
        )
    if mask.dtype.kind not in "bui" or (mask.dtype.kind != "b" and np.any((mask != 0) & (mask != 1))):
        raise GeometryError(
            f"the mask has dtype {mask.dtype} and other values than 0 and 1", where=str(path), remedy=_REMEDY
        )
    # A stack stays on disk until a layer of it is asked for.
    return mask if mask.dtype.kind == "b" else mask.astype(np.bool_)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = [file for file in path.iterdir() if file.suffix.lower() in {".png", ".npy"}]
    if not files:
        raise GeometryError("the folder has no masks", where=str(path), remedy="put PNG or npy files there")
    return sorted(files, key=lambda file: [int(w) if w.isdecimal() else w for w in re.split(r"(\d+)", file.name)])


def _too_large(path: Path, shape: tuple[int, ...]) -> GeometryError:
    return GeometryError(
        f"the mask has {shape[1]} x {shape[0]} pixels",
        where=str(path),
        why=f"at most {SQUARES_MAX} squares are possible",
        remedy="use larger elements",
    )
