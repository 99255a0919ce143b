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
from thermal.geometry import Geometry

_LAYOUT: dict[str, type[np.generic]] = {
    "row": np.int32,
    "col": np.int32,
    "visits": np.int32,
    "lengths": np.int64,
    "input_starts": np.int64,
    "input_elements": np.int32,
    "input_K": np.float64,
    "g_K2": np.float64,
}


def encode_geometry(geometry: Geometry) -> bytes:
    """Return the array file of a geometry.

    It holds row and col int32[n], visits int32[n] (all cells one after the other, in visiting order),
    lengths int64[cells], the inputs as CSR (input_starts int64[cells + 1], input_elements int32, input_K
    float64) and g_K2 float64[cells].
    """
    arrays: dict[str, NDArray[np.generic]] = {
        "row": geometry.row,
        "col": geometry.col,
        "visits": np.concatenate(geometry.cells),
        "lengths": geometry.lengths,
        "input_starts": geometry.inputs.indptr,
        "input_elements": geometry.inputs.indices,
        "input_K": geometry.inputs.data,
        "g_K2": geometry.g,
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, dtype in _LAYOUT.items():
            entry = io.BytesIO()
            little = np.dtype(dtype).newbyteorder("<")
            np.lib.format.write_array(
                entry, np.ascontiguousarray(arrays[name], dtype=little), version=(1, 0), allow_pickle=False
            )
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), entry.getvalue())
    return stream.getvalue()


def decode_geometry(
    content: bytes, number: int, dx_m: float, origin_m: tuple[float, float], where: str
) -> Geometry:
    """Read an array file.

    Args:
        content: bytes of the file.
        number: place of the geometry in the part.
        dx_m: side of an element, m.
        origin_m: x and y of the lower left corner of grid square (0, 0), m.
        where: what to name in an error.

    Raises:
        PartError: arrays are missing or contradict each other.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _LAYOUT}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(f"the array file cannot be read: {error}", where) from error
    for name, dtype in _LAYOUT.items():
        if arrays[name].ndim != 1 or arrays[name].dtype != np.dtype(dtype):
            raise _damaged(f"array '{name}' is {arrays[name].dtype}{list(arrays[name].shape)}", where)
        arrays[name].flags.writeable = False
    _check(arrays, where)
    count, elements = arrays["lengths"].size, arrays["row"].size
    inputs = csr_array(
        (arrays["input_K"], arrays["input_elements"], arrays["input_starts"]), shape=(count, elements)
    )
    ends = np.cumsum(arrays["lengths"])
    return Geometry(
        number=number,
        dx_m=dx_m,
        origin_m=origin_m,
        row=arrays["row"],
        col=arrays["col"],
        cells=tuple(np.split(arrays["visits"], ends[:-1])),
        lengths=arrays["lengths"],
        inputs=inputs,
        g=arrays["g_K2"],
    )


def _check(arrays: dict[str, NDArray[Any]], where: str) -> None:
    elements, count = arrays["row"].size, arrays["lengths"].size
    starts, places = arrays["input_starts"], arrays["input_elements"]
    if not (elements and count and arrays["col"].size == elements and arrays["g_K2"].size == count):
        raise _damaged("its arrays differ in length", where)
    row, col = arrays["row"].astype(np.int64), arrays["col"].astype(np.int64)
    if row.min() < 0 or col.min() < 0 or np.any(np.diff(row * (int(col.max()) + 1) + col) <= 0):
        raise _damaged("its elements are not in row-major order", where)
    lengths = arrays["lengths"].astype(np.int64)
    visits = np.sort(arrays["visits"].astype(np.int64))
    if lengths.min() < 1 or int(lengths.sum()) != elements or not np.array_equal(visits, np.arange(elements)):
        raise _damaged("its cells do not cover the layer exactly once", where)
    sound = (
        starts.size == count + 1
        and int(starts[0]) == 0
        and int(starts[-1]) == places.size == arrays["input_K"].size
        and bool(np.all(np.diff(starts.astype(np.int64)) >= 0))
        and bool(np.all((places.astype(np.int64) >= 0) & (places.astype(np.int64) < elements)))
        and bool(np.isfinite(arrays["input_K"].astype(np.float64)).all())
        and bool(np.isfinite(arrays["g_K2"].astype(np.float64)).all())
    )
    if not sound:
        raise _damaged("the inputs of its cells are not usable", where)


def _damaged(what: str, where: str) -> PartError:
    return PartError(what, where=where, remedy="copy or build the part again")
