from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cosmic.errors import ConfigurationError, LayerComplete, MapError
from tests.thermal.outlines import CREEPING, geometry_of, geometry_with, masks, squares, warm
from thermal.cells import islands
from thermal.geometry import Geometry
from thermal.inputs import input_of
from thermal.operators import Steps
from thermal.process import Process
from thermal.smartscan import SmartScan
from thermal.step import step_matrix

PROCESS = Process()


def brute_force(geometry: Geometry, theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """R(theta + f_c) of every cell by its definition, with exact inputs."""
    A = step_matrix(geometry.row, geometry.col, PROCESS)
    after = [theta + input_of(cell, A, PROCESS) for cell in geometry.cells]
    return np.array([np.sqrt(np.mean((x - x.mean()) ** 2)) / PROCESS.melt_K for x in after])


@settings(max_examples=60)
@given(masks(), st.integers(2, 6), st.integers(0, 1000), st.data())
def test_the_fast_rule_chooses_what_brute_force_chooses(
    mask: NDArray[np.bool_], side: int, seed: int, data: st.DataObject
) -> None:
    geometry = geometry_of(mask, PROCESS, side)
    scan = SmartScan(geometry, PROCESS)
    theta = warm(geometry.elements, seed)
    count = len(geometry.cells)
    left = data.draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True))
    scanned = np.ones(count, dtype=np.bool_)
    scanned[left] = False
    exact = np.where(scanned, np.inf, brute_force(geometry, theta))
    chosen = scan.choose(theta, scanned)
    # In K2 as the scores: ties are decided by number, so the choice may be above the best by the tie's width.
    squares_K2 = geometry.elements * (PROCESS.melt_K * exact) ** 2
    width_K2 = scan.tie_tolerance * geometry.g.max()
    assert squares_K2[chosen] <= squares_K2.min() + 1.01 * width_K2
    tied = np.flatnonzero(squares_K2 <= squares_K2.min() + 0.99 * width_K2)
    assert chosen <= tied[0]


def brute_force_propagated(geometry: Geometry, theta: NDArray[np.float64], process: Process) -> NDArray[np.float64]:
    """R(M_c theta + f_c) of every cell by its definition, step by step and with exact inputs."""
    A = step_matrix(geometry.row, geometry.col, process)
    carry = Steps(geometry, process)
    after = [carry.apply(cell.size, theta) + input_of(cell, A, process) for cell in geometry.cells]
    return np.array([np.sqrt(np.mean((x - x.mean()) ** 2)) / process.melt_K for x in after])


@settings(max_examples=40)
@given(masks(), st.integers(2, 6), st.integers(0, 1000), st.sampled_from([PROCESS, CREEPING]), st.data())
def test_the_propagated_rule_chooses_what_brute_force_chooses(
    mask: NDArray[np.bool_], side: int, seed: int, process: Process, data: st.DataObject
) -> None:
    geometry = geometry_of(mask, process, side)
    scan = SmartScan(geometry, process, rule="propagated")
    theta = warm(geometry.elements, seed)
    count = len(geometry.cells)
    left = data.draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True))
    scanned = np.ones(count, dtype=np.bool_)
    scanned[left] = False
    every_K2 = geometry.elements * (process.melt_K * brute_force_propagated(geometry, theta, process)) ** 2
    exact_K2 = np.where(scanned, np.inf, every_K2)
    width_K2 = scan.tie_tolerance * geometry.g.max() + 1e-9 * float(theta @ theta)
    before_K2 = geometry.elements * (process.melt_K * scan.uniformity(theta)) ** 2
    assert np.abs(scan.scores(theta) - (every_K2 - before_K2)).max() <= width_K2
    assert exact_K2[scan.choose(theta, scanned)] <= exact_K2.min() + 1.01 * width_K2


@settings(max_examples=30)
@given(masks(), st.integers(0, 1000))
def test_scores_are_the_change_of_the_squared_sum(mask: NDArray[np.bool_], seed: int) -> None:
    geometry = geometry_of(mask, PROCESS)
    theta = warm(geometry.elements, seed)
    scan = SmartScan(geometry, PROCESS)
    before = geometry.elements * (PROCESS.melt_K * scan.uniformity(theta)) ** 2
    after = geometry.elements * (PROCESS.melt_K * brute_force(geometry, theta)) ** 2
    assert np.allclose(scan.scores(theta), after - before, rtol=0, atol=1e-6 * (after.max() + before + 1))


@settings(max_examples=30)
@given(masks(), st.integers(2, 6), st.integers(0, 1000), st.booleans())
def test_a_reflected_layer_gives_reflected_scores(
    mask: NDArray[np.bool_], side: int, seed: int, flip_rows: bool
) -> None:
    axis = 0 if flip_rows else 1
    row, col = squares(mask)
    cells = islands(row, col, side)
    here = geometry_with(row, col, cells, PROCESS)
    # Number the elements of the mirror image anew and visit them where the originals were visited.
    number = np.full(mask.shape, -1, dtype=np.int32)
    number[row, col] = np.arange(row.size)
    twin_of = np.flip(number, axis)[np.flip(mask, axis)]
    place = np.empty(row.size, dtype=np.int32)
    place[twin_of] = np.arange(row.size)
    mirror = geometry_with(*squares(np.flip(mask, axis)), tuple(place[cell] for cell in cells), PROCESS)
    theta = warm(row.size, seed)
    scores = SmartScan(here, PROCESS).scores(theta)
    mirrored = SmartScan(mirror, PROCESS).scores(theta[twin_of])
    assert np.allclose(mirrored, scores, rtol=0, atol=1e-7 * np.abs(scores).max() + 1e-9)


def test_exact_ties_go_to_the_lowest_number_whatever_the_rounding() -> None:
    geometry = geometry_of(np.ones((20, 20), dtype=np.bool_), PROCESS, side=5)
    scan = SmartScan(geometry, PROCESS)
    scanned = np.zeros(16, dtype=np.bool_)
    clean = scan.choose(np.zeros(400), scanned)
    for seed in range(50):
        rounding = np.random.default_rng(seed).normal(0, 1e-9, 400)
        assert scan.choose(rounding, scanned) == clean


def test_a_scanned_cell_is_never_chosen() -> None:
    geometry = geometry_of(np.ones((12, 12), dtype=np.bool_), PROCESS)
    scan = SmartScan(geometry, PROCESS)
    scanned = np.zeros(len(geometry.cells), dtype=np.bool_)
    theta = warm(144)
    for _ in geometry.cells:
        cell = scan.choose(theta, scanned)
        assert not scanned[cell]
        scanned[cell] = True
    with pytest.raises(LayerComplete):
        scan.choose(theta, scanned)


def test_the_coldest_place_is_scanned_first() -> None:
    geometry = geometry_of(np.ones((12, 12), dtype=np.bool_), PROCESS)
    theta = np.where((geometry.row >= 4) & (geometry.row < 8) & (geometry.col < 4), 0.0, 50.0)
    assert SmartScan(geometry, PROCESS).choose(theta, np.zeros(9, dtype=np.bool_)) == 3


def test_uniformity_is_the_standard_deviation_over_the_melting_point() -> None:
    geometry = geometry_of(np.ones((1, 2), dtype=np.bool_), PROCESS)
    scan = SmartScan(geometry, PROCESS)
    assert scan.uniformity(np.array([0.0, 1674.0])) == pytest.approx(0.5)
    assert scan.uniformity(np.array([300.0, 300.0])) == 0
    assert scan.normaliser_K == 1674


def test_advance_adds_the_input_and_leaves_its_argument() -> None:
    geometry = geometry_of(np.ones((8, 8), dtype=np.bool_), PROCESS)
    y = warm(64)
    y.flags.writeable = False
    theta = SmartScan(geometry, PROCESS).advance(y, 2)
    assert np.allclose(theta - y, geometry.inputs[[2]].toarray().ravel(), atol=1e-12)


def test_a_map_becomes_kelvin_above_ambient() -> None:
    geometry = geometry_of(np.ones((2, 2), dtype=np.bool_), PROCESS)
    theta = SmartScan(geometry, PROCESS).theta_from_map(np.array([293, 300, 293, 393], dtype=np.float32))
    assert theta.dtype == np.float64
    assert theta.tolist() == [0, 7, 0, 100]


@pytest.mark.parametrize(
    ("map_K", "says"),
    [
        (np.full(5, 293, dtype=np.float32), r"shape \(5,\)"),
        (np.full((2, 2), 293, dtype=np.float32), r"shape \(2, 2\)"),
        (np.array([293, np.nan, 293, 293], dtype=np.float32), "element 1 is nan"),
        (np.array([293, 293, np.inf, 293], dtype=np.float32), "element 2 is inf"),
        (np.array([-1, 293, 293, 293], dtype=np.float32), "element 0 is -1 K"),
        (np.array([293, 293, 293, 5001], dtype=np.float32), "element 3 is 5001 K"),
        (np.array([293, 293, 293, 1e300]), "element 3"),
        (np.array(["a", "b", "c", "d"]), "dtype"),
    ],
)
def test_an_impossible_map_is_refused_with_the_element(map_K: NDArray[np.floating], says: str) -> None:
    geometry = geometry_of(np.ones((2, 2), dtype=np.bool_), PROCESS)
    with pytest.raises(MapError, match=says) as refused:
        SmartScan(geometry, PROCESS).theta_from_map(map_K)
    assert refused.value.remedy


def test_an_unknown_rule_is_refused() -> None:
    geometry = geometry_of(np.ones((2, 2), dtype=np.bool_), PROCESS)
    with pytest.raises(ConfigurationError, match="there is no rule 'best'"):
        SmartScan(geometry, PROCESS, rule="best")
