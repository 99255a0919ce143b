"""Intervals hold what they say, and sampling stops when enough is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.profiling.sampling import Samples, least_samples, quantile, share_of


@given(st.lists(st.floats(0.001, 1e3), min_size=1, max_size=200), st.sampled_from([0.1, 0.5, 0.9]))
def test_an_interval_holds_its_value_and_lies_within_the_samples(taken: list[float], share: float) -> None:
    found = quantile(taken, share)
    assert min(taken) <= found.low <= found.value <= found.high <= max(taken)
    assert found.samples == len(taken)


@pytest.mark.parametrize(("share", "true"), [(0.5, 1.0), (0.9, float(np.exp(1.2815515655446004)))])
def test_intervals_of_skewed_samples_hold_the_truth_as_often_as_they_say(share: float, true: float) -> None:
    random = np.random.default_rng(5)
    held = [
        found.low <= true <= found.high
        for found in (quantile(np.exp(random.standard_normal(60)).tolist(), share) for _ in range(1000))
    ]
    assert np.mean(held) > 0.93


@given(st.integers(0, 50), st.integers(1, 200))
def test_a_share_lies_in_its_interval_and_no_hit_is_not_never(hits: int, more: int) -> None:
    found = share_of(hits, hits + more)
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0
    assert found.high > 0.0


def test_more_is_sampled_where_it_spreads() -> None:
    random = np.random.default_rng(1)
    counts = []
    for spread in (0.01, 0.3):
        samples = Samples(least=10, most=500, width=0.02)
        while not samples.enough:
            samples.add(float(np.exp(spread * random.standard_normal())))
        counts.append(len(samples.taken))
    assert counts[0] == 10
    assert 10 * counts[0] < counts[1] <= 500


def test_a_tail_needs_more_samples_than_the_middle() -> None:
    assert least_samples(0.5) == 6
    assert least_samples(0.9) == 36
    assert least_samples(0.99) > 300
