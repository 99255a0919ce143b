"""What the step matrix must do to heat (design: thermal.md, Proof)."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.thermal.outlines import CREEPING, INSULATED, masks, squares, warm
from thermal.grid import laplacian
from thermal.process import Process
from thermal.step import step_matrix

INSULATED_CREEPING = msgspec.structs.replace(CREEPING, top_loss_W_m2K=0, base_loss_W_m2K=0)


@pytest.mark.parametrize("process", [INSULATED, INSULATED_CREEPING])
@pytest.mark.parametrize(("k", "j"), [(0, 0), (1, 0), (3, 2), (11, 6), (12, 7)])
def test_cosine_modes_of_an_insulated_rectangle_decay_by_their_eigenvalue(process: Process, k: int, j: int) -> None:
    rows, columns, steps = 8, 13, 150
    row, col = squares(np.ones((rows, columns), dtype=np.bool_))
    mode = np.cos(np.pi * k * (col + 0.5) / columns) * np.cos(np.pi * j * (row + 0.5) / rows)
    eigenvalue = 4 * np.sin(np.pi * k / (2 * columns)) ** 2 + 4 * np.sin(np.pi * j / (2 * rows)) ** 2
    A = step_matrix(row, col, process)
    theta = mode.copy()
    for _ in range(steps * process.substeps):
        theta = A @ theta
    decayed = (1 - process.fourier / process.substeps * eigenvalue) ** (steps * process.substeps)
    assert np.abs(theta - decayed * mode).max() < 1e-10


@given(masks(), st.sampled_from([INSULATED, INSULATED_CREEPING]))
def test_without_losses_energy_stays(mask: NDArray[np.bool_], process: Process) -> None:
    A = step_matrix(*squares(mask), process)
    start = warm(A.shape[0])
    theta = start
    for _ in range(100):
        theta = A @ theta
    assert theta.sum() == pytest.approx(start.sum(), rel=1e-12)


@pytest.mark.parametrize("process", [Process(), CREEPING])
def test_a_uniform_map_decays_by_the_losses_alone(process: Process) -> None:
    row, col = squares(np.random.default_rng(3).random((20, 20)) < 0.7)
    A = step_matrix(row, col, process)
    theta = np.full(row.size, 100.0)
    for _ in range(200 * process.substeps):
        theta = A @ theta
    expected = 100 * (1 - process.loss / process.substeps) ** (200 * process.substeps)
    assert np.abs(theta - expected).max() < 1e-10


@given(masks(), st.sampled_from([INSULATED, INSULATED_CREEPING]), st.integers(0, 1000))
def test_no_element_leaves_the_range_of_itself_and_its_neighbours(
    mask: NDArray[np.bool_], process: Process, seed: int
) -> None:
    row, col = squares(mask)
    L = laplacian(row, col)
    theta = warm(row.size, seed)
    after = step_matrix(row, col, process) @ theta
    for element in range(row.size):
        around = L.indices[L.indptr[element] : L.indptr[element + 1]]
        assert theta[around].min() - 1e-9 <= after[element] <= theta[around].max() + 1e-9


@given(masks())
def test_the_laplacian_is_symmetric_and_its_rows_sum_to_zero(mask: NDArray[np.bool_]) -> None:
    L = laplacian(*squares(mask))
    assert abs(L - L.T).max() == 0
    assert np.abs(L.sum(axis=1)).max() == 0


def test_the_step_matrix_has_no_negative_entry_at_any_speed() -> None:
    row, col = squares(np.ones((5, 5), dtype=np.bool_))
    for speed in (0.02, 0.05, 0.1, 0.8, 10.0):
        assert step_matrix(row, col, Process(speed_m_s=speed)).min() >= 0


def _spread(dx_m: float, time_s: float) -> tuple[float, float]:
    """Let a Gaussian spread; return its variance's relative error and the largest error of its profile."""
    # Steps that shrink with dx^2, so that F stays and both errors are of second order in dx.
    process = msgspec.structs.replace(INSULATED, element_m=dx_m, speed_m_s=0.8 * (0.2e-3 / dx_m))
    half = round(5e-3 / dx_m)
    row, col = squares(np.ones((2 * half + 1, 2 * half + 1), dtype=np.bool_))
    x, y = (col - half) * dx_m, (row - half) * dx_m
    start_m2 = (0.5e-3) ** 2
    end_m2 = start_m2 + 2 * process.diffusivity * time_s
    theta = np.exp(-(x**2 + y**2) / (2 * start_m2))
    A = step_matrix(row, col, process)
    for _ in range(round(time_s / process.step_s)):
        theta = A @ theta
    exact = start_m2 / end_m2 * np.exp(-(x**2 + y**2) / (2 * end_m2))
    variance = float((theta * x**2).sum() / theta.sum())
    return abs(variance / end_m2 - 1), float(np.abs(theta - exact).max())


def test_a_gaussian_spreads_with_variance_2_alpha_t_and_second_order_in_dx() -> None:
    errors = [_spread(dx_m, 0.02) for dx_m in (0.2e-3, 0.1e-3, 0.05e-3)]
    assert all(variance < 1e-9 for variance, _ in errors)
    for (_, coarse), (_, fine) in pairwise(errors):
        assert 3.7 < coarse / fine < 4.3
