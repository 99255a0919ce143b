"""A layout to order: an L of 24 islands, some of them merged."""

from __future__ import annotations

import pytest
from shapely.geometry import box

from fallback import Layout
from thermal.building import build_from_outline
from thermal.part import Part
from thermal.process import Process


@pytest.fixture(scope="session")
def bracket() -> Part:
    """An L, 30 x 30 elements with a corner of 14 x 14 missing."""
    outline = box(0, 0, 6.0, 6.0).difference(box(3.2, 3.2, 6.1, 6.1))
    return build_from_outline(outline, "bracket", Process(), layers=2, island_mm=1.2)


@pytest.fixture(scope="session")
def layout(bracket: Part) -> Layout:
    """The bracket's layout."""
    return Layout(bracket.geometry_of(0), bracket.process)
