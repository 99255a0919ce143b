"""The homography is found from its points, and refused where the points do not determine it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.capture.homography import RegistrationError, fit, project
from agent.capture.registration import Point, register

CORNERS = np.array([(0.0, 0.0), (40.0, 0.0), (40.0, 40.0), (0.0, 40.0)])

coordinate = st.floats(-60.0, 60.0)
moved_corners = st.lists(st.tuples(coordinate, coordinate), min_size=4, max_size=4)


def view(moves: list[tuple[float, float]]) -> np.ndarray:
    """A camera that sees the corners of 40 mm somewhere around those of a 400 pixel square."""
    return fit(CORNERS, np.array([(100, 500), (500, 500), (500, 100), (100, 100)]) + np.array(moves))


@settings(max_examples=30, deadline=None)
@given(moved_corners, st.integers(4, 12), st.integers(0, 2**32 - 1))
def test_a_random_view_is_recovered_from_its_points(
    moves: list[tuple[float, float]], count: int, seed: int
) -> None:
    true = view(moves)
    random = np.random.default_rng(seed).uniform(0, 40, (count - 4, 2))
    points = np.vstack((CORNERS, random))
    found = fit(points, project(true, points))
    probe = np.random.default_rng(1).uniform(0, 40, (50, 2))
    assert np.abs(project(found, probe) - project(true, probe)).max() < 1e-4


@settings(max_examples=30, deadline=None)
@given(moved_corners, st.integers(0, 2**32 - 1))
def test_more_points_are_fitted_in_the_least_squares_of_pixels(moves: list[tuple[float, float]], seed: int) -> None:
    random = np.random.default_rng(seed)
    points = np.vstack((CORNERS, random.uniform(0, 40, (8, 2))))
    seen = project(view(moves), points) + random.normal(0, 0.5, points.shape)
    best = fit(points, seen)
    least = np.sum((project(best, points) - seen) ** 2)
    for entry in range(8):
        other = best.copy().ravel()
        other[entry] *= 1 + 1e-5
        assert np.sum((project(other.reshape(3, 3), points) - seen) ** 2) >= least - 1e-9


@pytest.mark.parametrize(
    ("plate", "pixel", "says"),
    [
        (CORNERS[:3], CORNERS[:3], "there are 3 points"),
        ([(0, 0), (10, 0), (20, 0), (5, 9)], CORNERS, "on the plate lie on a line"),
        (CORNERS, [(0, 0), (10, 10), (20, 20), (5, 90)], "in the frame lie on a line"),
        ([(0, 0), (0, 0), (20, 0), (5, 9)], CORNERS, "on the plate lie on a line or in one place"),
        ([(x, 2 * x) for x in range(6)], [(x, x * x) for x in range(6)], "on the plate lie on a line"),
        (
            [(x, 2 * x) for x in range(5)] + [(3, 0)],
            np.random.default_rng(1).uniform(0, 9, (6, 2)),
            "lie on a line",
        ),
        ([(1, 1)] * 4, CORNERS, "all points on the plate are one"),
        (CORNERS, CORNERS[[1, 0, 2, 3]], "another order"),
        ([(0, 0), (1, 0), (1, 1), (0, np.nan)], CORNERS, "not a finite number"),
    ],
)
def test_points_that_do_not_determine_the_view_are_refused_and_said_why(
    plate: list[tuple[float, float]], pixel: list[tuple[float, float]], says: str
) -> None:
    with pytest.raises(RegistrationError, match=says):
        fit(plate, pixel)


def test_a_wrong_point_has_the_largest_residual_and_it_is_told_in_pixels_and_mm() -> None:
    plate = np.array([(x, y) for x in (0.0, 20.0, 40.0) for y in (0.0, 20.0, 40.0)])
    seen = project(view([(5, 0), (0, 9), (-8, 3), (0, 0)]), plate)
    seen[4] += (8.0, 0.0)
    points = [
        Point(pixel=(float(u), float(v)), plate_mm=(float(x), float(y)))
        for (u, v), (x, y) in zip(seen, plate, strict=True)
    ]
    found = register(points, (640, 640))
    worst = max(found.points, key=lambda point: point.residual_px)
    assert worst.name == "5"
    assert 3.0 < worst.residual_px < 8.0
    assert worst.residual_mm == pytest.approx(worst.residual_px / 10, rel=0.2)  # about 10 pixels a mm


def test_a_lens_is_found_besides_the_view() -> None:
    plate = np.array([(x, y) for x in np.linspace(0, 40, 5) for y in np.linspace(0, 40, 5)])
    ideal = project(view([(5, 0), (0, 9), (-8, 3), (0, 0)]), plate)
    centre, radius = np.array([319.5, 319.5]), np.hypot(640, 640) / 2
    bent = centre + (ideal - centre) * (1 - 0.12 * np.sum(((ideal - centre) / radius) ** 2, axis=1, keepdims=True))
    points = [
        Point(pixel=(float(u), float(v)), plate_mm=(float(x), float(y)))
        for (u, v), (x, y) in zip(bent, plate, strict=True)
    ]
    assert register(points, (640, 640)).rms_px > 0.5
    found = register(points, (640, 640), lens=True)
    assert found.lens is not None
    assert found.lens.k1 == pytest.approx(-0.12, abs=1e-3)
    assert found.rms_px < 1e-3


def test_four_points_with_half_a_pixel_of_noise_place_the_parts_corners_to_a_fifth_of_an_element() -> None:
    """At 7.5 pixels an element (40 mm over 1,500 pixels): the figure of docs/how-to/register-a-camera.md."""
    marks = np.array([(-2.0, -2.0), (42.0, -2.0), (42.0, 42.0), (-2.0, 42.0)])
    seen = np.array([(190.0, 1860.0), (1840.0, 1870.0), (1810.0, 190.0), (220.0, 210.0)])
    true = fit(marks, seen)
    random, off = np.random.default_rng(3), []
    for _ in range(300):
        found = fit(marks, seen + random.normal(0.0, 0.5, seen.shape))
        moved = project(found, CORNERS) - project(true, CORNERS)
        off.append(np.hypot(*moved.T).max() / 7.5)
    assert np.quantile(off, 0.95) < 0.2
