from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cosmic.errors import ConfigurationError
from tests.thermal.outlines import CREEPING, geometry_of, masks, warm
from thermal.operators import Steps
from thermal.process import Process
from thermal.smartscan import SmartScan
from thermal.speculation import PREDICTORS, make_predictor
from thermal.speculation.inputs import carried_inputs, overlaps

PROCESS = Process()


@settings(max_examples=30)
@given(masks(), st.integers(2, 6), st.sampled_from([PROCESS, CREEPING]), st.integers(1, 60))
def test_carried_inputs_are_the_operator_applied_to_the_inputs(
    mask: NDArray[np.bool_], side: int, process: Process, length: int
) -> None:
    geometry = geometry_of(mask, process, side)
    (carried,) = carried_inputs(geometry, process, (length,), dropped=1e-9)
    steps = Steps(geometry, process)
    for cell, heat in enumerate(geometry.inputs.toarray()):
        exact = steps.apply(length, heat)
        assert np.linalg.norm(carried[[cell]].toarray().ravel() - exact) <= 1e-5 * np.linalg.norm(exact)


def test_what_is_dropped_of_a_carried_input_is_given_back_as_heat() -> None:
    geometry = geometry_of(np.ones((60, 60), dtype=np.bool_), PROCESS, side=12)
    fine, coarse = (carried_inputs(geometry, PROCESS, (100,), dropped=share)[0] for share in (1e-9, 1e-2))
    assert coarse.nnz < 0.5 * fine.nnz
    assert np.allclose(coarse.sum(axis=1), fine.sum(axis=1), rtol=1e-6)


@settings(max_examples=30)
@given(masks(), st.integers(2, 6))
def test_overlaps_are_the_centred_products_of_the_inputs(mask: NDArray[np.bool_], side: int) -> None:
    geometry = geometry_of(mask, PROCESS, side)
    heat = geometry.inputs.toarray()
    centred = heat - heat.mean(axis=1, keepdims=True)
    products = centred @ centred.T
    assert np.allclose(overlaps(geometry), products, rtol=0, atol=1e-9 * products.max() + 1e-9)
    assert np.allclose(np.diag(overlaps(geometry)), geometry.g, rtol=1e-9, atol=1e-9 * products.max() + 1e-9)


def decided(
    mask: NDArray[np.bool_], process: Process, seed: int
) -> tuple[SmartScan, NDArray[np.float64], int, NDArray[np.bool_], int]:
    """A window in the middle of a layer: rule, theta, cell being scanned, scanned cells, cell chosen next."""
    geometry = geometry_of(mask, process, side=5)
    scan = SmartScan(geometry, process)
    theta = warm(geometry.elements, seed)
    scanned = np.random.default_rng(seed).random(len(geometry.cells)) < 0.3
    scanned[-2:] = False
    cell = scan.choose(theta, scanned)
    scanned[cell] = True
    after = scan.advance(Steps(geometry, process).apply(int(geometry.lengths[cell]), theta), cell)
    return scan, theta, cell, scanned, scan.choose(after, scanned)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["shared", "carried-inputs", "shortlist"])
def test_where_all_windows_are_equal_guesses_with_diffusion_are_right(name: str, seed: int) -> None:
    scan, theta, cell, scanned, then = decided(np.ones((30, 30), dtype=np.bool_), PROCESS, seed)
    predictor = make_predictor(name, scan.geometry, PROCESS, Steps(scan.geometry, PROCESS))
    assert predictor.predict(theta, cell, scanned, scan.scores(theta))[0] == then


def test_the_guess_of_the_paper_ignores_diffusion() -> None:
    scan, theta, cell, scanned, _ = decided(np.ones((30, 30), dtype=np.bool_), PROCESS, 3)
    predictor = make_predictor("input-only", scan.geometry, PROCESS, Steps(scan.geometry, PROCESS))
    guess = predictor.predict(theta, cell, scanned, scan.scores(theta))[0]
    assert guess == scan.choose(scan.advance(theta, cell), scanned)


@settings(max_examples=20)
@given(masks(), st.integers(0, 1000))
def test_guesses_are_cells_left_each_once(mask: NDArray[np.bool_], seed: int) -> None:
    geometry = geometry_of(mask, PROCESS)
    scan = SmartScan(geometry, PROCESS)
    theta = warm(geometry.elements, seed)
    scanned = np.zeros(len(geometry.cells), dtype=np.bool_)
    predictors = [make_predictor(name, geometry, PROCESS, Steps(geometry, PROCESS)) for name in PREDICTORS]
    for _ in geometry.cells:
        scores = scan.scores(theta)
        cell = scan.choose(theta, scanned)
        scanned[cell] = True
        before = scores.copy()
        for predictor in predictors:
            guesses = predictor.predict(theta, cell, scanned, scores)
            assert len(guesses) == len(set(guesses.tolist())) == min(2, np.count_nonzero(~scanned))
            assert not scanned[guesses].any()
        assert np.array_equal(scores, before)


def test_an_unknown_predictor_is_refused() -> None:
    geometry = geometry_of(np.ones((6, 6), dtype=np.bool_), PROCESS)
    with pytest.raises(ConfigurationError, match="oracle"):
        make_predictor("oracle", geometry, PROCESS, Steps(geometry, PROCESS))
