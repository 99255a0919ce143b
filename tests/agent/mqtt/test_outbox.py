"""What waits for the broker is bounded, conflated and paced."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.mqtt.outbox import Due, Outbox
from agent.mqtt.payloads import EventPayload
from agent.status import Subject


def event(number: int) -> EventPayload:
    return EventPayload(time="2026-01-01T00:00:00.000Z", kind="fault", text=str(number), layer=None)


def drained(outbox: Outbox, now_s: float) -> list[Due]:
    found = []
    while (due := outbox.take(now_s)) is not None:
        found.append(due)
    return found


def test_a_broker_that_connects_gets_everything_that_is_retained_state_first() -> None:
    outbox = Outbox(interval_s=1.0, events_max=10)
    assert [due.subject for due in drained(outbox, 100.0)] == list(Subject)
    outbox.connected()
    assert [due.subject for due in drained(outbox, 100.1)] == list(Subject)
    assert outbox.next_s() is None


def test_a_subject_that_changes_often_is_published_at_the_rate_and_no_more() -> None:
    outbox = Outbox(interval_s=1.0, events_max=10)
    drained(outbox, 0.0)
    published = []
    for tick in range(1, 5001):  # 5 s in steps of 1 ms
        outbox.changed(Subject.STATE)
        published += [tick / 1e3 for _ in drained(outbox, tick / 1e3)]
    assert published == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_events_keep_their_order_and_pace() -> None:
    outbox = Outbox(interval_s=1.0, events_max=10)
    drained(outbox, 0.0)
    for number in range(3):
        outbox.happened(event(number))
    assert [due.event for due in drained(outbox, 10.0)] == [event(0)]
    assert outbox.next_s() == 11.0
    assert drained(outbox, 10.9) == []
    assert [due.event for due in drained(outbox, 11.0)] == [event(1)]


def test_beyond_the_limit_the_oldest_event_is_dropped_and_the_state_tells_the_count() -> None:
    outbox = Outbox(interval_s=0.0, events_max=3)
    drained(outbox, 0.0)
    for number in range(8):
        outbox.happened(event(number))
    assert (outbox.events, outbox.dropped) == (3, 5)
    due = drained(outbox, 1.0)
    assert due[0].subject is Subject.STATE
    assert [one.event for one in due[1:]] == [event(5), event(6), event(7)]


def test_what_the_broker_did_not_confirm_is_first_in_line_again() -> None:
    outbox = Outbox(interval_s=1.0, events_max=2)
    drained(outbox, 0.0)
    outbox.happened(event(0))
    outbox.happened(event(1))
    due = outbox.take(1.0)
    assert due is not None
    outbox.give_back(due)
    outbox.connected()
    assert [one.event for one in drained(outbox, 1.1) if one.event] == [event(0)]


def test_an_event_given_back_to_a_full_queue_is_the_oldest_and_goes() -> None:
    outbox = Outbox(interval_s=0.0, events_max=1)
    drained(outbox, 0.0)
    outbox.happened(event(0))
    due = outbox.take(1.0)
    assert due is not None
    outbox.happened(event(1))
    outbox.give_back(due)
    assert outbox.dropped == 1
    assert [one.event for one in drained(outbox, 2.0) if one.event] == [event(1)]


def test_when_closing_everything_is_due_once() -> None:
    outbox = Outbox(interval_s=60.0, events_max=5)
    drained(outbox, 0.0)
    for number in range(4):
        outbox.happened(event(number))
    outbox.changed(Subject.JOB)
    outbox.finish()
    assert [due.subject or due.event for due in drained(outbox, 0.1)] == [Subject.JOB, *map(event, range(4))]


@given(
    steps=st.lists(
        st.one_of(st.sampled_from([*Subject]), st.sampled_from(["event", "connected", "take"])), max_size=200
    )
)
def test_nothing_is_lost_but_what_is_counted(steps: list[Subject | str]) -> None:
    outbox = Outbox(interval_s=0.0, events_max=4)
    told = published = 0
    for now_s, step in enumerate(steps):
        match step:
            case Subject():
                outbox.changed(step)
            case "event":
                outbox.happened(event(told))
                told += 1
            case "connected":
                outbox.connected()
            case _:
                due = outbox.take(float(now_s))
                published += due is not None and due.event is not None
        assert outbox.events <= 4
        assert told == published + outbox.events + outbox.dropped
