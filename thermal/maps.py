"""What a temperature map must be before anything is computed from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import MapError
from cosmic.undecodable import UNREADABLE_ARRAY

MAP_MIN_K = 0.0
MAP_MAX_K = 5000.0


def read_map(path: Path, elements: int) -> NDArray[np.float32]:
    """Read a map from a `.npy` file: float32[elements], kelvin.

    Raises:
        MapError: the file is not a readable npy array, or not a possible map of this layer.
    """
    remedy = "save the map with numpy.save, one value an element, kelvin"
    try:
        map_K = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        reason = error.strerror or "it is no array"
        raise MapError(f"the map cannot be read: {reason}", where=str(path), remedy=remedy) from error
    except UNREADABLE_ARRAY as error:
        raise MapError("the file is not a complete npy array", where=str(path), remedy=remedy) from error
    if not isinstance(map_K, np.ndarray):
        map_K.close()
        raise MapError("the file is an archive of arrays (npz)", where=str(path), remedy=remedy)
    return checked_map(map_K, elements, str(path))


def checked_map(map_K: NDArray[np.floating], elements: int, where: str = "map") -> NDArray[np.float32]:
    """Return a map as float32[elements], kelvin.

    Args:
        map_K: one value an element in row-major order, kelvin; any float or integer dtype.
        elements: elements of the layer.
        where: what to name in an error: a file or a message.

    Raises:
        MapError: it has another shape or dtype, or a value that is not finite or outside 0 to 5000 K.
    """
    if map_K.ndim != 1 or map_K.size != elements:
        raise MapError(
            f"the map has shape {map_K.shape}",
            where=where,
            why=f"this layer has {elements} elements",
            remedy=f"give one value an element: an array of shape ({elements},)",
        )
    if map_K.dtype.kind not in "fiu":
        raise MapError(
            f"the map has dtype {map_K.dtype}",
            where=where,
            why="temperatures are real numbers in kelvin",
            remedy="save it as float32",
        )
    finite = np.isfinite(map_K)
    if not finite.all():
        first = int(np.argmin(finite))
        raise MapError(
            f"element {first} is {map_K[first]} ({np.count_nonzero(~finite)} such in all)",
            where=where,
            why="every element must be finite",
            remedy="replace bad pixels before sending the map",
        )
    outside = (map_K < MAP_MIN_K) | (map_K > MAP_MAX_K)
    if outside.any():
        first = int(np.argmax(outside))
        raise MapError(
            f"element {first} is {map_K[first]:g} K ({np.count_nonzero(outside)} such in all)",
            where=where,
            why=f"temperatures lie between {MAP_MIN_K:g} and {MAP_MAX_K:g} K",
            remedy="check the camera's calibration and that the map is in kelvin",
        )
    return map_K.astype(np.float32)
