"""When a soak calls a process flat."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.soak_figures import Sample, flat
from cloud.agent_bench.usage import Usage


def samples(
    own_mb: Callable[[float], float], descriptors: Callable[[float], int] = lambda _at_s: 10
) -> list[Sample]:
    """Return a process's samples over 100 s, and those of another one that was killed."""
    found = []
    for at_s in range(100):
        use = Usage(own_mb(at_s) + 30.0, own_mb(at_s), 0.0, descriptors(at_s))
        found += [Sample(at_s, "agent", 1, use), Sample(at_s, "victim", at_s // 10, Usage(9.0 * at_s, 1.0, 0.0, 1))]
    return found


def test_what_stays_the_same_is_flat_and_who_was_killed_is_not_judged() -> None:
    (one,) = flat(samples(lambda _at_s: 60.0), victims={"victim"})
    assert (one.name, one.flat, one.own_mb) == ("agent", True, (60.0, 60.0))


def test_growth_in_the_warm_up_is_no_growth() -> None:
    (one,) = flat(samples(lambda at_s: 20.0 + min(at_s, 25.0)), victims={"victim"})
    assert one.flat


def test_memory_that_goes_on_growing_is_not_flat_and_said_in_words() -> None:
    (one,) = flat(samples(lambda at_s: 60.0 + 0.1 * at_s), victims={"victim"})
    assert not one.flat
    assert "own memory 64.1 to 68.8 MB (+7.3%)" in one.text


def test_descriptors_that_pile_up_are_not_flat() -> None:
    (one,) = flat(samples(lambda _at_s: 60.0, lambda at_s: 10 + int(at_s) // 20), victims={"victim"})
    assert not one.flat
