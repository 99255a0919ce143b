"""Pauses between connection attempts: they grow, stay within their limits, and start again after a success."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from agent.uplink.backoff import Backoff


@given(st.integers(0, 2**32), st.integers(1, 200))
def test_every_pause_lies_between_half_and_the_whole_of_the_exponential(seed: int, failures: int) -> None:
    backoff = Backoff(0.1, 5.0, random.Random(seed))
    for failure in range(failures):
        full_s = min(5.0, 0.1 * 2**failure)
        assert full_s / 2 <= backoff.pause_s(fatal=False) <= full_s


def test_a_refusal_that_only_a_person_can_lift_is_asked_about_at_the_slowest_pace() -> None:
    assert Backoff(0.1, 5.0, random.Random(0)).pause_s(fatal=True) >= 2.5


def test_after_a_success_it_starts_with_the_shortest_pause_again() -> None:
    backoff = Backoff(0.1, 5.0, random.Random(0))
    for _ in range(10):
        backoff.pause_s(fatal=False)
    backoff.connected()
    assert backoff.pause_s(fatal=False) <= 0.1
