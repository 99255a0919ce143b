from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.thermal.outlines import CREEPING, INSULATED, geometry_of, masks
from thermal.inputs import DROPPED_SHARE, PATCH_TOLERANCE, input_of, reach
from thermal.process import Process
from thermal.step import step_matrix

INSULATED_CREEPING = msgspec.structs.replace(CREEPING, top_loss_W_m2K=0, base_loss_W_m2K=0)


@settings(max_examples=40)
@given(masks(), st.sampled_from([INSULATED, INSULATED_CREEPING]))
def test_each_cell_adds_exactly_its_elements_times_q(mask: NDArray[np.bool_], process: Process) -> None:
    geometry = geometry_of(mask, process)
    added = geometry.inputs.sum(axis=1)
    assert np.allclose(added, geometry.lengths * process.rise_K, rtol=1e-12, atol=0)


@pytest.mark.parametrize("process", [Process(), CREEPING, Process(speed_m_s=0.01)])
def test_stored_inputs_are_within_the_stated_bound_of_the_exact_ones(process: Process) -> None:
    mask = np.random.default_rng(5).random((90, 70)) < 0.95
    geometry = geometry_of(mask, process, side=10)
    A = step_matrix(geometry.row, geometry.col, process)
    cells = range(0, len(geometry.cells), 13)
    for cell in cells:
        exact = input_of(geometry.cells[cell], A, process)
        stored = geometry.inputs[[cell]].toarray().ravel()
        added_K = geometry.lengths[cell] * process.rise_K
        bound = 2 * DROPPED_SHARE * exact.sum() + 2 * PATCH_TOLERANCE * added_K
        assert np.linalg.norm(stored - exact) <= bound
        assert stored.sum() == pytest.approx(exact.sum(), rel=1e-10)


def test_inputs_are_sparse_on_a_layer_larger_than_their_reach() -> None:
    geometry = geometry_of(np.ones((150, 150), dtype=np.bool_), Process(), side=14)
    per_cell = geometry.inputs.nnz / len(geometry.cells)
    assert per_cell < 0.06 * geometry.elements
    assert reach(196, Process()) < 45


def test_the_input_is_the_sum_of_the_formula() -> None:
    process = Process()
    geometry = geometry_of(np.ones((6, 6), dtype=np.bool_), process, side=3)
    A = step_matrix(geometry.row, geometry.col, process).toarray()
    visits = geometry.cells[1]
    expected = sum(
        np.linalg.matrix_power(A, visits.size - j) @ (process.rise_K * np.eye(36)[element])
        for j, element in enumerate(visits.tolist(), start=1)
    )
    assert np.abs(geometry.inputs[[1]].toarray().ravel() - expected).max() < 1e-5


def test_g_is_the_centred_square_of_what_is_stored() -> None:
    geometry = geometry_of(np.random.default_rng(1).random((20, 20)) < 0.9, Process(), side=5)
    f = geometry.inputs.toarray()
    centred = f - f.mean(axis=1, keepdims=True)
    assert np.allclose(geometry.g, (centred**2).sum(axis=1), rtol=1e-12)
