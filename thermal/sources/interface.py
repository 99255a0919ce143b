"""What every source of outlines has in common, and the two kinds of layers that they give."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from thermal.elements import Grid, rasterise
from thermal.extra import geometry_library


class Layer(Protocol):
    """One layer as its source has it."""

    @property
    def key(self) -> bytes:
        """Equal for layers of equal elements and hatches, whatever the grid; layers met again are known by it."""
        ...

    @property
    def hatches(self) -> tuple[NDArray[np.float64], ...]:
        """Hatch groups of a build file, float64[k, 4] each: x and y of start and end, mm; empty elsewhere."""
        ...

    def elements(self, grid: Grid) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return row and column of every element, int32[n] each, in row-major order.

        Raises:
            GeometryError: the layer cannot be rasterised.
        """
        ...


class Source(Protocol):
    """The layers of a part, from the plate up. May be iterated more than once.

    Attributes:
        name: of the part, unless the user says otherwise.
        bounds_mm: lowest x and y, highest x and y of all layers.
        layers: how many.
        layer_m: thickness that the source itself tells; None: the process setting holds.
    """

    @property
    def name(self) -> str: ...  # noqa: D102  see the class
    @property
    def bounds_mm(self) -> tuple[float, float, float, float]: ...  # noqa: D102
    @property
    def layers(self) -> int: ...  # noqa: D102
    @property
    def layer_m(self) -> float | None: ...  # noqa: D102

    def __iter__(self) -> Iterator[Layer]:
        """Yield the layers.

        Raises:
            GeometryError: one cannot be read, or has no area.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class OutlineLayer:
    """A layer whose outline is a polygon.

    Attributes:
        outline: shapely Polygon or MultiPolygon with holes, valid, mm.
        hatches: hatch groups of a build file; empty elsewhere.
    """

    outline: Any
    hatches: tuple[NDArray[np.float64], ...] = ()

    @property
    def key(self) -> bytes:
        """SHA-256 of the normalised outline and of the hatches."""
        shapely = geometry_library("shapely")
        known = hashlib.sha256(shapely.to_wkb(shapely.normalize(self.outline)))
        for group in self.hatches:
            known.update(b"group" + group.tobytes())
        return known.digest()

    def elements(self, grid: Grid) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the elements whose centres lie inside the outline."""
        return rasterise(self.outline, grid)


@dataclass(frozen=True, slots=True, eq=False)
class MaskLayer:
    """A layer whose squares are given.

    Attributes:
        mask: bool[rows, columns], rows ascending with y.
    """

    mask: NDArray[np.bool_]

    @property
    def hatches(self) -> tuple[NDArray[np.float64], ...]:
        """None: a mask has no hatches."""
        return ()

    @property
    def key(self) -> bytes:
        """SHA-256 of the squares."""
        return hashlib.sha256(np.packbits(self.mask).tobytes()).digest()

    def elements(self, grid: Grid) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the squares that are set; the grid is the mask's own."""
        assert self.mask.shape == (grid.rows, grid.columns)
        row, col = np.nonzero(self.mask)
        return row.astype(np.int32), col.astype(np.int32)
