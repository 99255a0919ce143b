"""Values carried from one outline to another stay where they are on the plate."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from shapely.affinity import translate
from shapely.geometry import box

from thermal.building import build_from_outline
from thermal.carrying import carry_over
from thermal.geometry import Geometry
from thermal.process import Process

PROCESS = Process()
DX_MM = PROCESS.element_m * 1e3


def geometry(x: int, y: int, width: int, height: int, number: int) -> Geometry:
    """Return a rectangle of so many elements with its corner at grid square (x, y)."""
    from dataclasses import replace

    outline = translate(box(0, 0, width * DX_MM, height * DX_MM), x * DX_MM, y * DX_MM)
    (made,) = build_from_outline(outline, "piece", PROCESS, island_mm=1.0).geometries
    return replace(made, number=number)


SIDE = st.integers(3, 9)
PLACE = st.integers(-6, 6)


@given(SIDE, SIDE, SIDE, SIDE, PLACE, PLACE)
def test_what_lies_above_something_has_its_value_and_the_rest_the_fill(
    width: int, height: int, other_width: int, other_height: int, x: int, y: int
) -> None:
    below, above = geometry(0, 0, width, height, 0), geometry(x, y, other_width, other_height, 1)

    def places(of: Geometry) -> list[tuple[int, int]]:
        left, low = (round(side / of.dx_m) for side in of.origin_m)
        return [(left + int(c), low + int(r)) for r, c in zip(of.row, of.col, strict=True)]

    values = np.arange(1.0, below.elements + 1.0)
    known = dict(zip(places(below), values, strict=True))
    expected = [known.get(place, -5.0) for place in places(above)]
    assert carry_over(below, above, values, -5.0).tolist() == expected


def test_one_outline_keeps_its_values() -> None:
    same = geometry(0, 0, 5, 4, 0)
    values = np.linspace(300.0, 900.0, same.elements)
    assert np.array_equal(carry_over(same, same, values, 0.0), values)
