"""Three ways of applying the heat-transfer matrix give the same answer (design: thermal.md, Operator)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cosmic.errors import ConfigurationError
from tests.thermal.outlines import CREEPING, geometry_of, masks, warm
from thermal.operators import Dense, Polynomial, Steps, build_operator, dense_in_memory, fused
from thermal.operators.chebyshev import gershgorin, power_coefficients
from thermal.process import Process
from thermal.step import step_matrix

needs_numba = pytest.mark.skipif(not fused.fused_available(), reason="the fast extra (numba) is not installed")


@settings(max_examples=40)
@given(masks(), st.sampled_from([Process(), CREEPING]), st.integers(0, 1000))
def test_dense_steps_and_polynomial_agree_within_their_tolerances(
    mask: NDArray[np.bool_], process: Process, seed: int
) -> None:
    geometry = geometry_of(mask, process)
    theta = warm(geometry.elements, seed)
    size = np.linalg.norm(theta)
    reference = Steps(geometry, process)
    others = [
        Polynomial(geometry, process),
        Polynomial(geometry, process, 1e-11),
        Polynomial(geometry, process, precision="float32"),
        dense_in_memory(geometry, process),
        dense_in_memory(geometry, process, (min(3, geometry.elements), min(2, geometry.elements))),
        dense_in_memory(geometry, process, precision="float32"),
    ]
    for length in geometry.distinct_lengths:
        expected = reference.apply(length, theta)
        for operator in others:
            assert np.linalg.norm(operator.apply(length, theta) - expected) <= operator.tolerance * size


@pytest.mark.parametrize("length", [1, 2, 160, 249, 60_000])
def test_the_polynomial_holds_its_tolerance_at_every_length(length: int) -> None:
    process = Process()
    geometry = geometry_of(np.random.default_rng(2).random((12, 17)) < 0.85, process)
    values, vectors = np.linalg.eigh(step_matrix(geometry.row, geometry.col, process).toarray())
    exact = (vectors * values**length) @ vectors.T
    for tolerance in (1e-6, 1e-8, 1e-11):
        operator = Polynomial(geometry, process, tolerance)
        matrix = np.stack([operator.apply(length, e) for e in np.eye(geometry.elements)], axis=1)
        assert np.linalg.norm(matrix - exact, 2) <= tolerance


def test_the_degree_grows_with_the_square_root_of_the_length() -> None:
    geometry = geometry_of(np.ones((10, 10), dtype=np.bool_), Process())
    operator = Polynomial(geometry, Process())
    assert operator.degree(196) <= 36
    assert operator.degree(60_000) <= 300
    assert operator.degree(0) == 0


@given(st.integers(0, 5000), st.floats(-1, 0.99), st.sampled_from([1e-4, 1e-8, 1e-12]))
def test_the_expansion_of_a_power_is_within_its_tolerance(power: int, low: float, tolerance: float) -> None:
    coefficients = power_coefficients(power, low, 1.0, tolerance)
    t = np.linspace(-1, 1, 301)
    x = (1 + low) / 2 + (1 - low) / 2 * t
    error = np.abs(np.polynomial.chebyshev.chebval(t, coefficients) - x**power).max()
    assert error <= tolerance + 1e-12  # the reference itself is rounded


def test_the_interval_holds_every_eigenvalue() -> None:
    geometry = geometry_of(np.random.default_rng(8).random((9, 11)) < 0.8, CREEPING)
    A = step_matrix(geometry.row, geometry.col, CREEPING)
    low, high = gershgorin(A)
    values = np.linalg.eigvalsh(A.toarray())
    assert low - 1e-12 <= values.min()
    assert values.max() <= high + 1e-12


def test_a_layer_of_one_element_only_loses() -> None:
    process = Process()
    geometry = geometry_of(np.ones((1, 1), dtype=np.bool_), process)
    for variant in ("steps", "polynomial", "dense"):
        operator = build_operator(variant, geometry, process)
        assert operator.apply(1, np.array([100.0])) == pytest.approx([100 * (1 - process.loss)], abs=1e-6)


def test_theta_is_not_changed_and_the_result_is_new() -> None:
    geometry = geometry_of(np.ones((6, 6), dtype=np.bool_), Process())
    theta = warm(36)
    kept = theta.copy()
    for variant in ("steps", "polynomial", "dense"):
        operator = build_operator(variant, geometry, Process())
        first = operator.apply(16, theta)
        again = first.copy()
        operator.apply(16, first)
        assert np.array_equal(theta, kept)
        assert np.array_equal(first, again)


def test_threads_may_share_an_operator() -> None:
    geometry = geometry_of(np.ones((60, 60), dtype=np.bool_), Process(), side=10)
    operator = Polynomial(geometry, Process())
    maps = [warm(geometry.elements, seed) for seed in range(4)]
    alone = [operator.apply(100, theta) for theta in maps]
    start = threading.Barrier(4)

    def many(theta: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        start.wait()
        return [operator.apply(100, theta) for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        for expected, results in zip(alone, pool.map(many, maps), strict=True):
            assert all(np.array_equal(result, expected) for result in results)


@needs_numba
@settings(max_examples=40, deadline=None)
@given(masks(largest=24), st.sampled_from([Process(), CREEPING]), st.integers(1, 400), st.integers(0, 1000))
def test_the_fused_kernel_gives_what_scipy_gives(
    mask: NDArray[np.bool_], process: Process, length: int, seed: int
) -> None:
    geometry = geometry_of(mask, process)
    theta = warm(geometry.elements, seed)
    size = np.linalg.norm(theta)
    fused = Polynomial(geometry, process, 1e-11, kernel="fused")
    scipy = Polynomial(geometry, process, 1e-11, kernel="scipy")
    assert (fused.kernel, scipy.kernel) == ("fused", "scipy")
    assert np.linalg.norm(fused.apply(length, theta) - scipy.apply(length, theta)) <= 1e-13 * size
    single = Polynomial(geometry, process, precision="float32", kernel="fused")
    for own in geometry.distinct_lengths:
        assert np.linalg.norm(single.apply(own, theta) - scipy.apply(own, theta)) <= single.tolerance * size


@needs_numba
def test_the_fused_kernel_holds_its_tolerance_across_the_spreading() -> None:
    geometry = geometry_of(np.random.default_rng(3).random((40, 70)) < 0.9, Process(), side=10)
    theta = warm(geometry.elements)
    exact = Polynomial(geometry, Process(), 1e-12, kernel="scipy")
    for length in (1, 2, 3, 100, 6_000, 60_000):
        expected = exact.apply(length, theta)
        operator = Polynomial(geometry, Process(), kernel="fused")
        error = np.linalg.norm(operator.apply(length, theta) - expected)
        assert error <= operator.tolerance * np.linalg.norm(theta)


@needs_numba
def test_a_broken_map_does_not_spoil_the_next_one() -> None:
    geometry = geometry_of(np.random.default_rng(3).random((20, 30)) < 0.8, Process(), side=10)
    operator = Polynomial(geometry, Process(), kernel="fused")
    theta = warm(geometry.elements)
    clean = operator.apply(100, theta)
    for broken in (np.nan, np.inf, 1e300):
        spoilt = theta.copy()
        spoilt[7] = broken
        operator.apply(100, spoilt)
        assert np.array_equal(operator.apply(100, theta), clean)


def test_without_numba_the_fused_kernel_is_refused_and_never_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thermal.operators.fused.fused_available", lambda: False)
    monkeypatch.setattr("thermal.operators.polynomial.fused_available", lambda: False)
    fused._compiled.cache_clear()
    geometry = geometry_of(np.ones((100, 100), dtype=np.bool_), Process(), side=20)
    assert Polynomial(geometry, Process()).kernel == "scipy"
    with pytest.raises(ConfigurationError, match="numba"):
        Polynomial(geometry, Process(), kernel="fused")


@pytest.mark.parametrize("process", [Process(), CREEPING])
@pytest.mark.parametrize("shape", [(20, 20), (9, 70)])
def test_no_single_element_errs_by_more_than_its_bound(process: Process, shape: tuple[int, int]) -> None:
    geometry = geometry_of(np.random.default_rng(2).random(shape) < 0.9, process)
    values, vectors = np.linalg.eigh(step_matrix(geometry.row, geometry.col, process).toarray())
    operator = Polynomial(geometry, process)
    for length in (2, 40, 160):
        exact = (vectors * values ** (length * process.substeps)) @ vectors.T
        matrix = np.stack([operator.apply(length, e) for e in np.eye(geometry.elements)], axis=1)
        bound = operator.element_tolerance(length)
        assert np.abs(matrix - exact).sum(axis=1).max() <= bound
        assert bound <= operator.tolerance * np.sqrt(geometry.elements)


def test_the_factory_makes_what_it_is_asked_for() -> None:
    geometry = geometry_of(np.ones((6, 6), dtype=np.bool_), Process())
    polynomial = build_operator("polynomial", geometry, Process(), 1e-6)
    dense = build_operator("dense", geometry, Process(), blocks=(3, 2), precision="float32")
    assert (polynomial.variant, polynomial.tolerance) == ("polynomial", 1e-6)
    assert isinstance(dense, Dense)
    assert (dense.variant, dense.blocks, dense.precision) == ("dense", (3, 2), "float32")
    assert build_operator("steps", geometry, Process()).variant == "steps"


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ({"variant": "magic"}, "magic"),
        ({"variant": "polynomial", "tolerance": 1e-20}, "1e-20"),
        ({"variant": "polynomial", "precision": "float16"}, "float16"),
        ({"variant": "dense", "precision": "float16"}, "float16"),
        ({"variant": "dense", "blocks": (99, 1)}, "99"),
        ({"variant": "dense", "blocks": (0, 1)}, "0 blocks"),
    ],
)
def test_what_cannot_be_made_is_refused(words: dict[str, object], names: str) -> None:
    geometry = geometry_of(np.ones((6, 6), dtype=np.bool_), Process())
    with pytest.raises(ConfigurationError, match=names):
        build_operator(geometry=geometry, process=Process(), **words).apply(16, warm(36))  # type: ignore[arg-type]


def test_dense_matrices_beyond_memory_are_refused_before_they_are_computed() -> None:
    geometry = geometry_of(np.ones((150, 150), dtype=np.bool_), Process(), side=14)
    with pytest.raises(ConfigurationError, match="GiB"):
        dense_in_memory(geometry, Process())


def test_a_dense_operator_knows_only_the_lengths_of_the_part() -> None:
    geometry = geometry_of(np.ones((6, 6), dtype=np.bool_), Process())
    with pytest.raises(ConfigurationError, match="7 elements"):
        dense_in_memory(geometry, Process()).apply(7, warm(36))
