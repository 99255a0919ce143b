"""The array file of a layer geometry: an npz whose bytes depend on its content alone.

numpy's own writer stamps the time of writing; here the same arrays always give the same file, so that a
part built again has the same digest. Stored, not deflated: compressors differ between versions.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from cosmic.errors import PartError
from cosmic.undecodable import UNREADABLE_ARRAY
from thermal.geometry import CutLayer, Geometry
from thermal.patterns import PATTERN_LAYOUT, expand, patterns

_CUT_LAYOUT: dict[str, type[np.generic]] = {
    "row": np.int32,
    "col": np.int32,
    "visits": np.int32,
    "lengths": np.int64,
}
_INPUT_LAYOUT: dict[str, type[np.generic]] = {**PATTERN_LAYOUT, "g_K2": np.float64}


def encode_cut(layer: CutLayer | Geometry) -> bytes:
    """Return the array file of a layer without inputs.

    It holds row and col int32[n], visits int32[n] (all cells one after the other, in visiting order) and
    lengths int64[cells].
    """
    return _encode(_cut_arrays(layer), _CUT_LAYOUT)


def encode_geometry(geometry: Geometry) -> bytes:
    """Return the array file of a geometry with its inputs: `encode_cut`, `patterns` and g_K2 float64[cells]."""
    arrays = _cut_arrays(geometry) | patterns(geometry) | {"g_K2": geometry.g}
    return _encode(arrays, _CUT_LAYOUT | _INPUT_LAYOUT)


def decode_cut(content: bytes, dx_m: float, origin_m: tuple[float, float], where: str) -> CutLayer:
    """Read the elements and cells of an array file, with or without inputs.

    Args:
        content: bytes of the file.
        dx_m: side of an element, m.
        origin_m: x and y of the lower left corner of grid square (0, 0), m.
        where: what to name in an error.

    Raises:
        PartError: arrays are missing or contradict each other.
    """
    arrays = _decode(content, _CUT_LAYOUT, where)
    _check_cut(arrays, where)
    ends = np.cumsum(arrays["lengths"])
    cells = tuple(np.split(arrays["visits"], ends[:-1]))
    return CutLayer(dx_m, origin_m, arrays["row"], arrays["col"], cells)


def decode_geometry(
    content: bytes, number: int, dx_m: float, origin_m: tuple[float, float], where: str
) -> Geometry:
    """Read an array file with inputs.

    Args:
        content: bytes of the file.
        number: place of the geometry in the part.
        dx_m: side of an element, m.
        origin_m: x and y of the lower left corner of grid square (0, 0), m.
        where: what to name in an error.

    Raises:
        PartError: arrays are missing or contradict each other.
    """
    layer = decode_cut(content, dx_m, origin_m, where)
    arrays = _decode(content, _INPUT_LAYOUT, where)
    try:
        inputs = expand(layer, arrays)
    except ValueError as error:
        raise _damaged(f"the inputs of its cells are not usable: {error}", where) from error
    if arrays["g_K2"].size != len(layer.cells):
        raise _damaged("its arrays differ in length", where)
    if not np.isfinite(arrays["g_K2"]).all():
        raise _damaged("the inputs of its cells are not usable", where)
    return with_inputs(layer, number, inputs, arrays["g_K2"])


def with_inputs(layer: CutLayer, number: int, inputs: csr_array[np.float64], g: NDArray[np.float64]) -> Geometry:
    """Return the geometry of a cut layer and the inputs of its cells; its arrays become read-only."""
    lengths = layer.lengths
    arrays: list[NDArray[Any]] = [layer.row, layer.col, lengths, g, inputs.data, *layer.cells]
    for array in arrays:
        array.flags.writeable = False
    return Geometry(
        number, layer.dx_m, layer.origin_m, layer.row, layer.col, layer.cells, lengths, inputs, g
    )  # fmt: skip


def _cut_arrays(layer: CutLayer | Geometry) -> dict[str, NDArray[Any]]:
    return {
        "row": layer.row,
        "col": layer.col,
        "visits": np.concatenate(layer.cells),
        "lengths": layer.lengths,
    }


def _encode(arrays: dict[str, NDArray[Any]], layout: dict[str, type[np.generic]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, dtype in layout.items():
            entry = io.BytesIO()
            little = np.dtype(dtype).newbyteorder("<")
            np.lib.format.write_array(
                entry, np.ascontiguousarray(arrays[name], dtype=little), version=(1, 0), allow_pickle=False
            )
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), entry.getvalue())
    return stream.getvalue()


def _decode(content: bytes, layout: dict[str, type[np.generic]], where: str) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays: dict[str, NDArray[Any]] = {name: archive[name] for name in layout}
    except UNREADABLE_ARRAY as error:
        raise _damaged(f"the array file cannot be read: {error}", where) from error
    for name, dtype in layout.items():
        if not isinstance(arrays[name], np.ndarray):  # an entry whose first bytes are damaged is handed on as bytes
            raise _damaged(f"array '{name}' is none", where)
        if arrays[name].ndim != 1 or arrays[name].dtype != np.dtype(dtype):
            raise _damaged(f"array '{name}' is {arrays[name].dtype}{list(arrays[name].shape)}", where)
        arrays[name].flags.writeable = False
    return arrays


def _check_cut(arrays: dict[str, NDArray[Any]], where: str) -> None:
    elements, count = arrays["row"].size, arrays["lengths"].size
    if not (elements and count and arrays["col"].size == elements):
        raise _damaged("its arrays differ in length", where)
    row, col = arrays["row"].astype(np.int64), arrays["col"].astype(np.int64)
    if row.min() < 0 or col.min() < 0 or np.any(np.diff(row * (int(col.max()) + 1) + col) <= 0):
        raise _damaged("its elements are not in row-major order", where)
    lengths = arrays["lengths"]
    visits = np.sort(arrays["visits"])
    if lengths.min() < 1 or int(lengths.sum()) != elements or not np.array_equal(visits, np.arange(elements)):
        raise _damaged("its cells do not cover the layer exactly once", where)


def _damaged(what: str, where: str) -> PartError:
    return PartError(what, where=where, remedy="copy or build the part again")
