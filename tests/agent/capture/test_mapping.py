"""A frame becomes the map that made it, and a faulty frame is named with its limit and a remedy."""

from __future__ import annotations

import dataclasses
import re

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from shapely.geometry import box

from agent.capture.faults import FaultKind, FrameFault
from agent.capture.frame import Frame
from agent.capture.mapping import Mapper, over_metal
from agent.capture.resampling import Placement, element_centres_mm
from agent.capture_settings import CalibrationSettings, Checks
from tests.agent.capture.views import oblique, plate_at_pixels
from thermal.building import build_from_outline
from thermal.part import Part
from thermal.process import Process

SCALE_K = 0.1


def mapper(part: Part, bad: NDArray[np.bool_] | None = None, **checks: object) -> Mapper:
    calibration = CalibrationSettings(scale_K=SCALE_K)
    return Mapper(part, oblique(), Placement(), calibration, Checks(**checks), bad)  # type: ignore[arg-type]


def field_K(at_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """A known pattern: a ramp and a hot spot 1 mm wide."""
    x, y = at_mm[..., 0], at_mm[..., 1]
    return np.asarray(350 + 12 * x - 8 * y + 150 * np.exp(-((x - 3.1) ** 2 + (y - 1.7) ** 2) / 2))


def frame(noise: int = 0, shift: int = 0, pixels: NDArray[np.uint16] | None = None) -> Frame:
    if pixels is None:
        counts = field_K(plate_at_pixels(oblique())) / SCALE_K
        counts += np.random.default_rng(noise).normal(0, 2, counts.shape)
        pixels = np.roll(counts, shift, axis=1).astype(np.uint16)
    return Frame(pixels, "frame.tif", counts_max=65535.0)


def centres_mm(part: Part) -> NDArray[np.float64]:
    geometry = part.geometry_of(0)
    return element_centres_mm(
        0.2, (geometry.origin_m[0] * 1e3, geometry.origin_m[1] * 1e3), geometry.row, geometry.col
    )


def test_the_map_of_a_known_pattern_is_recovered_within_a_kelvin(square: Part) -> None:
    found = mapper(square).map_K(0, frame())
    assert found.dtype == np.float32
    assert np.abs(found - field_K(centres_mm(square))).max() < 1.0


def test_bad_pixels_are_replaced_before_the_map_is_made(square: Part) -> None:
    random = np.random.default_rng(2)
    bad = random.random((120, 160)) < 0.01
    spoiled = np.where(bad, 65535, frame().pixels).astype(np.uint16)
    found = mapper(square, bad, saturated_share_max=0.05).map_K(0, frame(pixels=spoiled))
    assert np.abs(found - field_K(centres_mm(square))).max() < 2.0


def test_the_frame_is_read_where_it_lies_and_big_endian_counts_are_the_same(square: Part) -> None:
    pixels = frame().pixels
    pixels.flags.writeable = False
    expected = mapper(square).map_K(0, frame(pixels=pixels))
    assert np.array_equal(mapper(square).map_K(0, frame(pixels=pixels.astype(">u2"))), expected)


def test_a_part_moved_and_turned_on_the_plate_is_found_there(square: Part) -> None:
    moved = Placement((0.3, -0.2), 4.0)
    own = Mapper(square, oblique(), moved, CalibrationSettings(scale_K=SCALE_K), Checks())
    found = own.map_K(0, frame())
    assert np.abs(found - field_K(moved.on_plate(centres_mm(square)))).max() < 1.0


@pytest.mark.parametrize(
    ("spoiled", "checks", "kind", "says"),
    [
        (lambda pixels: pixels[:100], {}, FaultKind.SIZE, "160 x 100 pixels"),
        (lambda pixels: np.where(pixels > 4600, 65535, pixels), {}, FaultKind.SATURATED, "at 65535 counts"),
        (lambda pixels: pixels, {"saturated_counts": 4000.0}, FaultKind.SATURATED, "at 4000 counts"),
        (lambda pixels: pixels // 4, {}, FaultKind.RANGE, "no possible temperature"),
        (lambda pixels: pixels, {"max_K": 450.0}, FaultKind.RANGE, "200 to 450 K are possible"),
    ],
)  # fmt: skip
def test_a_faulty_frame_is_named_with_its_limit_and_a_remedy(
    square: Part, spoiled: object, checks: dict[str, object], kind: FaultKind, says: str
) -> None:
    pixels = spoiled(frame().pixels).astype(np.uint16)  # type: ignore[operator]
    with pytest.raises(FrameFault, match=says) as caught:
        mapper(square, **checks).map_K(0, frame(pixels=pixels))
    assert caught.value.kind is kind
    assert caught.value.where == "frame.tif"
    assert caught.value.why
    assert caught.value.remedy


def test_a_frozen_frame_is_named_by_its_counts_or_its_number_and_a_new_one_is_taken(square: Part) -> None:
    own = mapper(square)
    own.map_K(0, frame(noise=1))
    with pytest.raises(FrameFault, match="every pixel is as in the frame before"):
        own.map_K(1, frame(noise=1))
    own.map_K(1, frame(noise=2))
    numbered = [dataclasses.replace(frame(noise=noise), identity=(7, 1)) for noise in (3, 4)]
    own.map_K(1, numbered[0])
    with pytest.raises(FrameFault, match="its number is that of the frame before"):
        own.map_K(1, numbered[1])
    again = mapper(square, frozen=False)
    again.map_K(0, frame(noise=1))
    again.map_K(1, frame(noise=1))


@pytest.mark.parametrize("shift", [-6, -3, 0, 3, 6])
def test_a_camera_that_moved_is_told_by_the_outline_of_the_layer_below(square: Part, shift: int) -> None:
    at = plate_at_pixels(oblique())
    inside = np.all((at > 0.0) & (at < 4.8), axis=-1)
    counts = np.where(inside, 4200, 3600) + np.random.default_rng(5).normal(0, 20, inside.shape)
    moved = frame(pixels=np.roll(counts, shift, axis=1).astype(np.uint16))
    own = mapper(square, outline_shift_max_px=2.0)
    own.map_K(
        0, dataclasses.replace(moved, pixels=moved.pixels + np.uint16(1))
    )  # nothing lies below the first layer
    if abs(shift) <= 2:
        own.map_K(1, moved)
        return
    with pytest.raises(FrameFault, match=r"seen ([+-]\d) columns and ([+-]\d) rows") as caught:
        own.map_K(1, moved)
    assert caught.value.kind is FaultKind.MISREGISTERED
    told = re.search(r"seen ([+-]\d) columns and ([+-]\d) rows", str(caught.value))
    assert told is not None
    assert np.hypot(int(told[1]) - shift, int(told[2])) <= 1.5
    # Without contrast nothing can be said, and nothing is.
    flat = np.full((120, 160), 3600) + np.random.default_rng(6).normal(0, 20, inside.shape)
    own.map_K(1, frame(pixels=flat.astype(np.uint16)))


def test_elements_outside_the_frame_are_named_or_get_their_neighbours_value(square: Part) -> None:
    away = Placement((4.0, 0.0))
    calibration = CalibrationSettings(scale_K=SCALE_K)
    with pytest.raises(
        FrameFault, match=r"of 576 elements of layer 0 lie outside the frame, the first at x \d"
    ) as caught:
        Mapper(square, oblique(), away, calibration, Checks()).map_K(0, frame())
    assert caught.value.kind is FaultKind.MISREGISTERED
    lenient = Mapper(square, oblique(), away, calibration, Checks(coverage_min=0.5))
    found = lenient.map_K(0, frame())
    prepared = lenient.prepare(0)
    assert prepared.outside > 0
    inside = found[prepared.resampling.coverage > 0]
    assert inside.min() <= found.min()
    assert found.max() <= inside.max()


def test_metal_below_is_told_from_powder_by_the_layer_below() -> None:
    process = Process(element_m=2e-4, speed_m_s=0.08)
    wide = build_from_outline(box(0, 0, 4.8, 4.8), "wide", process, layers=1, island_mm=0.8).geometry_of(0)
    narrow = build_from_outline(box(1.2, 0, 4.8, 4.8), "narrow", process, layers=1, island_mm=0.8).geometry_of(0)
    # Two geometries of one part have different numbers.
    narrow = dataclasses.replace(narrow, number=1)
    assert over_metal(wide, None).all()
    assert over_metal(narrow, wide).all()
    solid = over_metal(wide, narrow)
    assert solid.sum() == narrow.elements
    assert not solid[wide.col < 6].any()


def test_emissivity_of_powder_and_metal_is_taken_by_element(square: Part) -> None:
    calibration = CalibrationSettings(
        law="planck",
        planck_R=2e5,
        planck_B_K=1430.0,
        emissivity_powder=0.5,
        emissivity_solid=0.5,
        reflected_K=293.0,
    )
    low = Mapper(square, oblique(), Placement(), calibration, Checks(min_K=0.0)).map_K(0, frame())
    black = msgspec.structs.replace(calibration, emissivity_powder=1.0, emissivity_solid=1.0)
    high = Mapper(square, oblique(), Placement(), black, Checks(min_K=0.0)).map_K(0, frame())
    assert (low > high + 10).all(), "the same radiation of a surface that emits half of it means that it is hotter"
