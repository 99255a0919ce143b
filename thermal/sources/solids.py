"""Layers of a solid: STL and 3MF files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cosmic.errors import GeometryError
from thermal.slicing import layer_count, outlines
from thermal.solid import PLATE_MM, read_solid
from thermal.sources.interface import Layer, OutlineLayer


class SolidSource:
    """The lowest `layers` layers of a solid, cut at half their height; see `Source`.

    Args:
        path: STL or 3MF file.
        layer_mm: thickness of a layer.
        layers: only so many from the plate up; None: all.
        units: of an STL file: mm, cm, m or inch; None: mm, and what looks like others is refused.
        plate_mm: what the printer can build.

    Raises:
        GeometryError: the solid cannot be prepared, or has fewer layers.
        UsageError: the units are unknown, or the `cloud` extra is not installed.
    """

    def __init__(
        self,
        path: Path,
        layer_mm: float,
        *,
        layers: int | None = None,
        units: str | None = None,
        plate_mm: tuple[float, float, float] = PLATE_MM,
    ) -> None:
        self._solid = read_solid(path, units, plate_mm)
        self._layer_mm = layer_mm
        self.name = self._solid.name
        self.bounds_mm = self._solid.bounds_mm
        self.layers = chosen_layers(layer_count(self._solid, layer_mm), layers, str(path), "solid")
        self.layer_m: float | None = None

    def __iter__(self) -> Iterator[Layer]:
        """Yield the layers, cut as they are asked for."""
        return (OutlineLayer(outline) for outline in outlines(self._solid, self._layer_mm, self.layers))


def chosen_layers(there: int, wanted: int | None, where: str, what: str) -> int:
    """Return how many layers to take of those that are there.

    Raises:
        GeometryError: more are wanted, or less than one.
    """
    count = there if wanted is None else wanted
    if not 1 <= count <= there:
        raise GeometryError(
            f"{count} layers are not possible",
            where=where,
            why=f"the {what} has {there}",
            remedy=f"give --layers from 1 to {there}",
        )
    return count
