"""Whose product is next: by order and in virtual time."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.engines.turns import Tally, Turns
from cloud.sharing.turns import CATCH_UP, DEBT_S, STARTS_A_LAYER, Line, Pace

WINDOW_S = 0.04


@given(st.lists(st.floats(0.0, 10.0), max_size=50))
def test_line_gives_the_earliest_due_first_and_of_equals_the_one_that_came_first(dues_s: list[float]) -> None:
    line: Line[int] = Line()
    for number, due_s in enumerate(dues_s):
        line.join(due_s, number)
    order = [line.next() for _ in dues_s]
    assert order == sorted(range(len(dues_s)), key=lambda number: (dues_s[number], number))
    assert len(line) == 0


@given(st.lists(st.integers(1, 8), min_size=1, max_size=12), st.integers(0, 11))
def test_nobody_waits_for_ever_behind_jobs_that_are_always_in_a_hurry(
    hurried_windows: list[int], position: int
) -> None:
    """One claims 200 windows of time; the others claim to be late, always. It is served all the same, in time."""
    line: Line[int] = Line()
    paces = [Pace() for _ in hurried_windows]
    product_s = WINDOW_S / (4 * len(hurried_windows))
    now_s, due_s = 0.0, 200 * WINDOW_S
    patient = min(position, len(hurried_windows))
    for number, pace in enumerate(paces):
        if number == patient:
            line.join(due_s, -1)
        line.join(pace.due_s(now_s, -5 * WINDOW_S, WINDOW_S), number)
    if patient == len(hurried_windows):
        line.join(due_s, -1)
    while (served := line.next()) != -1:
        now_s += product_s
        line.join(paces[served].due_s(now_s, -5 * WINDOW_S, WINDOW_S), served)
        assert now_s < due_s
    assert now_s <= due_s - DEBT_S + WINDOW_S + len(paces) * product_s


@given(st.integers(-50, 300), st.floats(0.0, 100.0))
def test_a_job_that_keeps_up_claims_just_what_it_needs(ahead: int, now_s: float) -> None:
    assert Pace().due_s(now_s, ahead * WINDOW_S, WINDOW_S) == pytest.approx(now_s + ahead * WINDOW_S)


def test_a_job_that_is_behind_catches_up_at_a_bounded_rate() -> None:
    pace = Pace()
    claims = [pace.due_s(10.0, -100 * WINDOW_S, WINDOW_S) for _ in range(1000)]
    assert claims[0] == 10.0 - 100 * WINDOW_S
    steps = [after - before for before, after in itertools.pairwise(claims)]
    assert max(steps) <= WINDOW_S / CATCH_UP + 1e-9
    assert claims[-1] <= 10.0 + DEBT_S


@given(st.lists(st.floats(0.01, 0.2), min_size=2, max_size=60), st.floats(0.0, 0.5))
def test_a_job_that_keeps_up_claims_what_it_needs_however_its_windows_differ(
    windows_s: list[float], ahead_s: float
) -> None:
    """Long windows and short ones in turn: what counts is when each is due, not how many there are."""
    pace, due_s = Pace(), 5.0
    for window_s in windows_s:
        due_s += window_s
        now_s = due_s - window_s - ahead_s
        assert pace.due_s(now_s, due_s - now_s, window_s) == pytest.approx(due_s)


@given(st.floats(0.5, 60.0))
def test_a_printer_that_begins_each_layer_once_is_never_late_for_it(layer_s: float) -> None:
    pace = Pace()
    for number in range(20):
        assert pace.begun(number * layer_s, layer_s) == number * layer_s


def test_claims_of_a_printer_that_begins_layers_without_printing_them_recede() -> None:
    """Every layer's first decisions are due at once: one that only ever begins layers would always be first."""
    pace, layer_s, now_s = Pace(), 10.0, 100.0
    begun = [pace.begun(now_s + number * 0.1, layer_s) - now_s - number * 0.1 for number in range(20)]
    assert begun[0] == 0.0
    assert begun[-1] == pytest.approx(DEBT_S)
    assert pace.due_s(now_s + 2.0, WINDOW_S, WINDOW_S) > now_s + 2.0 + DEBT_S / 2
    patient = Pace()
    assert all(
        patient.begun(now_s + number * layer_s / STARTS_A_LAYER, layer_s)
        == now_s + number * layer_s / STARTS_A_LAYER
        for number in range(20)
    )


@given(st.integers(2, 6), st.integers(30, 60))
def test_a_printer_far_ahead_does_not_make_another_miss_its_window(printers: int, windows: int) -> None:
    """One processor loaded to 80 %; printers begin one after the other and compute as far ahead as they can."""
    product_s = 0.8 * WINDOW_S / printers
    starts_s = [number * windows * WINDOW_S / printers for number in range(printers)]
    computed = [0] * printers
    now_s = 0.0
    while min(computed) < windows:
        line: Line[int] = Line()
        for number in range(printers):
            if starts_s[number] <= now_s and computed[number] < windows:
                ahead = computed[number] + 1 - int((now_s - starts_s[number]) / WINDOW_S)
                line.join(now_s + ahead * WINDOW_S, number)
        if not line:
            now_s = min(start_s for start_s in starts_s if start_s > now_s)
            continue
        served = line.next()
        now_s += product_s
        computed[served] += 1
        assert now_s <= starts_s[served] + (computed[served] + 1) * WINDOW_S + 1e-9


async def test_turns_are_given_by_due_time_and_never_more_than_there_are() -> None:
    tally, order, running = Tally(), [], set()
    turns = Turns(2, tally)

    async def one(name: str, due_s: float) -> None:
        await turns.take(due_s)
        running.add(name)
        assert len(running) <= 2
        order.append(name)
        await asyncio.sleep(0)
        running.discard(name)
        turns.give_back()

    names = {"e": 5.0, "b": 2.0, "d": 4.0, "a": 1.0, "c": 3.0}
    await asyncio.gather(*(one(name, due_s) for name, due_s in names.items()))
    assert order == sorted(names)
    assert (tally.given, tally.late) == (5, 0)


async def test_one_that_returns_for_another_turn_is_weighed_against_those_who_wait() -> None:
    turns, order = Turns(1), []

    async def layer(name: str, dues_s: list[float]) -> None:
        for due_s in dues_s:
            await turns.take(due_s)
            order.append(name)
            turns.give_back()

    await asyncio.gather(layer("ahead", [10.0, 11.0, 12.0]), layer("urgent", [1.0, 2.0, 3.0]))
    assert order == ["urgent"] * 3 + ["ahead"] * 3


async def test_a_layer_that_is_given_up_leaves_its_turn_to_others() -> None:
    turns = Turns(1)
    await turns.take(0.0)
    given_up, waiting = (asyncio.create_task(turns.take(due_s)) for due_s in (1.0, 2.0))
    await asyncio.sleep(0)
    given_up.cancel()
    turns.give_back()
    await waiting
    turns.give_back()
    late = asyncio.create_task(turns.take(0.0))
    while turns.waiting:
        await asyncio.sleep(0)
    late.cancel()  # its turn was given in this very moment
    await asyncio.gather(late, return_exceptions=True)
    await turns.take(0.0)
    assert turns.waiting == 0


async def test_turns_given_after_they_were_due_are_counted() -> None:
    tally, now_s = Tally(), asyncio.get_running_loop().time()
    turns = Turns(1, tally)
    await turns.take(now_s - 1.0)  # asked for late: nobody's fault here
    turns.give_back()
    assert (tally.given, tally.late) == (1, 0)
