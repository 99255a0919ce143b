"""A part all of whose layers have one drawn outline: sample shapes, and outlines made by programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cosmic.errors import GeometryError
from thermal.extra import geometry_library
from thermal.slicing import LAYERS_MAX
from thermal.sources.interface import Layer, OutlineLayer


@dataclass(frozen=True, slots=True, eq=False)
class DrawnSource:
    """Layers of one outline.

    Attributes:
        outline: shapely Polygon or MultiPolygon, mm.
        name: of the part.
        layers: how many, 1 to 20,000.

    Raises:
        GeometryError: the outline crosses itself or has no area, or the number of layers is not possible.
    """

    outline: Any
    name: str
    layers: int = 1

    def __post_init__(self) -> None:
        check_outline(self.outline, self.name)
        if not 1 <= self.layers <= LAYERS_MAX:
            raise GeometryError(
                f"{self.layers} layers are not possible",
                where=self.name,
                why=f"1 to {LAYERS_MAX} can be printed",
                remedy="correct --layers",
            )

    @property
    def bounds_mm(self) -> tuple[float, float, float, float]:
        """Lowest x and y, highest x and y, mm."""
        left, bottom, right, top = self.outline.bounds
        return left, bottom, right, top

    @property
    def layer_m(self) -> None:
        """None: the process setting holds."""
        return

    def __iter__(self) -> Iterator[Layer]:
        """Yield the same layer again and again."""
        layer = OutlineLayer(self.outline)
        return (layer for _ in range(self.layers))


def check_outline(outline: Any, where: str) -> None:
    """Check that an outline is a polygon with area that does not cross itself.

    Raises:
        GeometryError: it is not.
    """
    shapely = geometry_library("shapely")
    if outline.is_empty or outline.geom_type not in {"Polygon", "MultiPolygon"}:
        raise GeometryError(
            "the outline has no area", where=where, remedy="give a polygon or several that do not touch"
        )
    if not outline.is_valid:
        raise GeometryError(
            f"the outline crosses or touches itself: {shapely.is_valid_reason(outline)}",
            where=where,
            why="inside and outside cannot be told apart",
            remedy="correct the outline",
        )
    if not outline.area > 0:
        raise GeometryError(
            "the outline has no area", where=where, why="its walls have no thickness", remedy="correct the outline"
        )
