"""One sparse matrix: weights sum to 1, constants and slopes are kept, bad pixels are not looked at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.capture.homography import fit
from agent.capture.registration import Registration
from agent.capture.resampling import Placement, make_resampling, replacement

ELEMENTS = np.array([(0.1 + 0.2 * column, 0.1 + 0.2 * row) for row in range(20) for column in range(24)])


def seen_at(scale: float, tilt: float) -> Registration:
    """A frame of 200 x 160 pixels, `scale` pixels a mm in its middle."""
    plate = np.array([(0.0, 0.0), (4.8, 0.0), (4.8, 4.0), (0.0, 4.0)])
    away = (plate - (2.4, 2.0)) * scale * (1 + tilt * (plate[:, 1:] - 2.0))
    matrix = fit(plate, (100.0, 80.0) + away * (1, -1))
    return Registration(frame_px=(200, 160), plate_to_pixel=tuple(map(tuple, matrix.tolist())))  # type: ignore[arg-type]


views = st.builds(seen_at, st.floats(2.0, 30.0), st.floats(-0.05, 0.05))
turns = st.builds(Placement, st.just((0.0, 0.0)), st.floats(-3, 3))


@settings(max_examples=25, deadline=None)
@given(views, turns, st.floats(0, 65535), st.floats(-50, 50), st.floats(-50, 50))
def test_weights_sum_to_one_and_constants_and_slopes_are_kept(
    view: Registration, turn: Placement, constant: float, right: float, down: float
) -> None:
    found = make_resampling(ELEMENTS, 0.2, turn, view)
    assert found.coverage.min() == 1.0
    assert found.weights.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    left, top, end, bottom = found.window
    v, u = np.mgrid[top:bottom, left:end].astype(np.float32)
    assert found.weights @ np.full(u.size, constant, dtype=np.float32) == pytest.approx(constant, rel=1e-5)
    centre = view.project(turn.on_plate(ELEMENTS))
    expected = right * centre[:, 0] + down * centre[:, 1]
    slope = found.weights @ (right * u + down * v).ravel().astype(np.float32)
    # Perspective moves an element's mean from its centre by a few hundredths of a pixel.
    assert np.abs(slope - expected).max() <= 0.1 * (abs(right) + abs(down)) + 0.01


def test_an_element_is_the_mean_of_the_pixels_that_it_covers() -> None:
    view = seen_at(40.0, 0.0)  # 8 pixels an element
    found = make_resampling(ELEMENTS[:1] + np.array((2.2, 1.8)), 0.2, Placement(), view)
    left, top, right, bottom = found.window
    weights = found.weights.toarray().reshape(bottom - top, right - left)
    inside = weights[1:-1, 1:-1]
    assert inside.min() > 0.95 / 64
    assert inside.max() < 1.05 / 64


def test_elements_outside_the_frame_are_told_with_their_coverage() -> None:
    found = make_resampling(ELEMENTS + np.array((4.0, 0.0)), 0.2, Placement(), seen_at(20.0, 0.0))
    assert 0 < found.outside.size < len(ELEMENTS)
    assert set(found.outside) == set(np.flatnonzero(np.diff(found.weights.indptr) == 0))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.3))
def test_bad_pixels_get_the_mean_of_good_neighbours(seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    bad = random.random((12, 15)) < share
    frame = random.uniform(100, 200, bad.shape)
    mended = (replacement(bad) @ np.where(bad, 1e6, frame).ravel()).reshape(bad.shape)
    assert mended[~bad] == pytest.approx(frame[~bad])
    assert mended.max() <= 200.001


def test_bad_pixels_do_not_reach_the_map() -> None:
    view = seen_at(20.0, 0.02)
    bad = np.zeros((160, 200), dtype=np.bool_)
    bad[70:73, 90:94] = True
    bad[100, 60] = True
    found = make_resampling(ELEMENTS, 0.2, Placement(), view, bad)
    frame = np.where(bad, 65535, 400).astype(np.float32)
    left, top, right, bottom = found.window
    assert found.weights @ frame[top:bottom, left:right].ravel() == pytest.approx(400.0, rel=1e-5)
