from __future__ import annotations

import pytest

from cosmic.errors import UsageError
from thermal.building import build_from_outline
from thermal.shapes import SHAPES, outline_of


@pytest.mark.parametrize("area_cm2", [4, 9, 16, 25])
@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_has_the_area_that_was_asked_for(name: str, area_cm2: float) -> None:
    outline = outline_of(name, area_cm2)
    assert outline.is_valid
    assert outline.area == pytest.approx(area_cm2 * 100, rel=0.005)
    assert outline.bounds[:2] == pytest.approx((0, 0), abs=1e-9)


@pytest.mark.parametrize("name", SHAPES)
def test_16_cm2_gives_40_000_elements_and_the_windows_of_the_paper(name: str) -> None:
    part = build_from_outline(outline_of(name, 16), name)
    geometry = part.geometry_of(0)
    assert geometry.elements == pytest.approx(40_000, rel=0.005)
    windows_ms = geometry.windows_s(part.process) * 1e3
    assert 38 <= windows_ms.mean() <= 62
    assert windows_ms.sum() == pytest.approx(10_000, rel=0.005)  # 16 cm2 at 0.8 m/s and 0.2 mm
    assert geometry.elements * 8 / 1024 == pytest.approx(312.5, rel=0.005)  # KiB a map
    assert geometry.elements**2 * 8 / 2**30 == pytest.approx(11.92, rel=0.01)  # GiB an operator


def test_names_may_be_written_with_spaces() -> None:
    assert outline_of("Segmented gear", 4).equals(outline_of("segmented-gear", 4))


def test_an_unknown_shape_or_area_is_refused() -> None:
    with pytest.raises(UsageError, match="segmented-gear"):
        outline_of("teapot", 4)
    with pytest.raises(UsageError, match=r"between 0\.01 and 600"):
        outline_of("segmented-gear", 0)


def test_there_are_the_ten_shapes_of_the_paper() -> None:
    assert set(SHAPES) == {
        "segmented-gear", "triangular-rotor", "slotted-grid", "holed-gear", "cylinder-gasket",
        "connecting-rod", "mounting-bracket", "ribbed-bar", "holed-l-bracket", "simple-l-bracket",
    }  # fmt: skip
    assert outline_of("holed L-bracket", 4).equals(outline_of("holed-l-bracket", 4))


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_one_piece(name: str) -> None:
    assert outline_of(name, 16).geom_type == "Polygon"
