"""Alarms: what is said, and that a remedy is always with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.http.alarms import Facts, alarms
from agent.keeper import Outcome

FALLBACKS = [outcome for outcome in Outcome if outcome is not Outcome.ON_TIME]


def test_nothing_wrong_is_no_alarm() -> None:
    assert alarms(Facts()) == []


@given(
    fault=st.text(max_size=5),
    link_down=st.none() | st.text(max_size=5),
    fallbacks=st.dictionaries(st.sampled_from(FALLBACKS), st.integers(1, 9)),
    late=st.integers(0, 3),
    no_frame=st.text(max_size=5),
    recording_stopped=st.text(max_size=5),
    loop_lag_ms=st.floats(0.0, 100.0),
)
def test_everything_wrong_is_said_once_with_a_remedy_and_the_worst_first(**facts: object) -> None:
    found = alarms(Facts(**facts))  # type: ignore[arg-type]
    kinds = [alarm.kind for alarm in found]
    assert len(set(kinds)) == len(kinds)
    assert all(alarm.text and alarm.remedy for alarm in found)
    levels = [alarm.level for alarm in found]
    assert levels == sorted(levels), "alarm comes before warning"
    assert ("machine_fault" in kinds) == bool(facts["fault"])
    assert ("link_down" in kinds) == (facts["link_down"] is not None)
    assert ("fallbacks" in kinds) == bool(facts["fallbacks"])
    assert ("late" in kinds) == bool(facts["late"])


@pytest.mark.parametrize("outcome", FALLBACKS)
def test_a_fallbacks_remedy_is_that_of_its_commonest_cause(outcome: Outcome) -> None:
    others = dict.fromkeys((other for other in FALLBACKS if other is not outcome), 1)
    (alarm,) = alarms(Facts(fallbacks={outcome: 5, **others}, fallback_cause="so it was"))
    assert (
        alarm.text == f"{5 + len(others)} windows of this layer not scanned as the coordinator decided: so it was"
    )
    (alone,) = alarms(Facts(fallbacks={outcome: 1}))
    assert alone.remedy == alarm.remedy
