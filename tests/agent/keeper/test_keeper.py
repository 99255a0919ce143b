"""The window keeper: the invariants of protocol.md, as examples and under random schedules."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from agent.keeper import Drop, Handover, Outcome, State, WindowKeeper
from agent.keeper.table import TABLE, Event
from cosmic.errors import DriverError, LayerComplete, LocalProtocolError
from fallback import Layout, make_ladder
from protocol.messages import Decisions, Deviated
from thermal.building import build_from_outline
from thermal.process import Process

WINDOW_S = 0.040
GUARD_S = 0.005
PART = build_from_outline(box(0, 0, 0.8, 0.8), "one cell", Process(), island_mm=0.8)
LAYOUT = Layout(PART.geometry_of(0), PART.process)  # the orders used here look at the cells left alone


def decided(
    first: int, cells: list[int], *, layer: int = 0, epoch: int = 0, r: list[float] | None = None
) -> Decisions:
    return Decisions(
        layer=layer, epoch=epoch, first_window=first, cells=cells, compute_ms=[1.0] * len(cells), uniformity=r
    )


def keeper_of(cells: int = 4, *, up: bool = True) -> WindowKeeper:
    keeper = WindowKeeper(make_ladder(["sequential"]), guard_s=GUARD_S)
    keeper.link(up=up)
    keeper.start_layer(0, [WINDOW_S] * cells, layout=LAYOUT, deadline_s=1.0)
    return keeper


def drops(keeper: WindowKeeper, message: Decisions, now_s: float = 0.0) -> list[Drop]:
    return [dropped.drop for dropped in keeper.decisions(message, now_s)]


def scan(keeper: WindowKeeper, handover: Handover | None, now_s: float) -> Deviated | None:
    assert handover is not None
    return keeper.started(handover.cell, now_s)


def test_a_buffered_decision_is_offered_as_soon_as_its_window_is_next() -> None:
    keeper = keeper_of()
    assert keeper.offer(0.0) is None
    assert drops(keeper, decided(0, [2, 1], r=[0.25, 0.5]), 0.1) == []
    assert keeper.buffered == 2
    first = keeper.offer(0.2)
    assert first is not None
    assert (first.window, first.cell, first.outcome, first.source) == (0, 2, Outcome.ON_TIME, "coordinator")
    assert first.order == ""
    assert first.slack_s == pytest.approx(0.8)
    assert first.ahead_s == pytest.approx(0.9)
    assert first.uniformity == 0.25
    assert keeper.offer(0.2) is None, "one cell a window"
    assert keeper.deadline_s is None, "nothing is wanted before the cell has started"
    assert keeper.started(2, 0.3) is None
    assert keeper.deadline_s == pytest.approx(0.3 + WINDOW_S - GUARD_S)
    second = keeper.offer(0.3)
    assert second is not None
    assert (second.window, second.cell) == (1, 1)


def test_a_decision_without_uniformity_says_none() -> None:
    keeper = keeper_of()
    keeper.decisions(decided(0, [2]), 0.0)
    assert keeper.take(0.0).uniformity is None


def test_the_first_cell_waits_for_a_few_decisions_and_not_for_long() -> None:
    keeper = WindowKeeper(make_ladder(["sequential"]), guard_s=GUARD_S, start_windows=3, start_wait_s=0.1)
    keeper.start_layer(0, [WINDOW_S] * 4, layout=LAYOUT, deadline_s=1.0)
    keeper.decisions(decided(0, [3, 2]), 0.2)
    assert keeper.offer(0.2) is None
    assert keeper.deadline_s == pytest.approx(0.3)
    keeper.decisions(decided(2, [1]), 0.25)
    assert keeper.deadline_s == pytest.approx(0.3), "later decisions do not put it off"
    first = keeper.offer(0.25)
    assert first is not None
    assert (first.cell, first.outcome) == (3, Outcome.ON_TIME)
    keeper.started(3, 0.25)
    assert keeper.offer(0.25) is not None, "later cells wait for nothing"


def test_a_layer_of_fewer_cells_waits_for_no_more_decisions_than_it_has() -> None:
    keeper = WindowKeeper(make_ladder(["sequential"]), guard_s=GUARD_S, start_windows=3, start_wait_s=0.1)
    keeper.start_layer(0, [WINDOW_S] * 2, layout=LAYOUT, deadline_s=1.0)
    keeper.decisions(decided(0, [1, 0]), 0.2)
    assert keeper.offer(0.2) is not None


@pytest.mark.parametrize(
    ("up", "outcome"), [(True, Outcome.FALLBACK_TIMEOUT), (False, Outcome.FALLBACK_DISCONNECTED)]
)
def test_without_a_decision_the_fallback_order_answers_at_the_deadline(up: bool, outcome: Outcome) -> None:
    keeper = keeper_of(up=up)
    handover = keeper.take(1.0)
    assert (handover.cell, handover.source, handover.outcome) == (0, "fallback", outcome)
    assert handover.order == "sequential"
    assert handover.ahead_s is None


def test_an_invalid_decision_for_the_window_makes_its_fallback_a_rejected_one() -> None:
    keeper = keeper_of()
    assert drops(keeper, decided(0, [4])) == [Drop.NO_SUCH_CELL]
    assert keeper.take(1.0).outcome is Outcome.FALLBACK_REJECTED
    scan_cell = keeper.printed
    assert scan_cell == ()


def test_late_decision_never_changes_a_cell_handed_over() -> None:
    keeper = keeper_of()
    handover = keeper.take(1.0)
    assert drops(keeper, decided(0, [3])) == [Drop.STALE_EPOCH]
    keeper.started(handover.cell, 1.0)
    assert keeper.printed == (0,)


def test_after_a_fallback_a_new_epoch_opens_and_the_coordinator_hears_of_it_when_the_cell_starts() -> None:
    keeper = keeper_of()
    keeper.decisions(decided(1, [3, 2]), 0.0)  # window 0 is missing
    handover = keeper.take(1.0)
    assert handover.epoch == 0
    assert keeper.buffered == 0, "what was decided after the missing window no longer follows"
    deviated = keeper.started(handover.cell, 1.0)
    assert deviated is not None
    assert (deviated.layer, deviated.epoch, deviated.printed) == (0, 1, [0])
    assert drops(keeper, decided(1, [1], epoch=0)) == [Drop.STALE_EPOCH]
    assert drops(keeper, decided(1, [1], epoch=1)) == []
    assert keeper.take(1.0).outcome is Outcome.ON_TIME


def test_what_was_printed_is_told_in_the_epoch_that_the_coordinator_knows() -> None:
    keeper = keeper_of()
    keeper.decisions(decided(0, [3]), 0.0)
    scan(keeper, keeper.offer(0.0), 0.0)
    handover = keeper.take(0.035)  # window 1 is a fallback: epoch 1 is open, and not told yet
    told = keeper.finished()
    assert (told.window, told.cell, told.epoch, told.source) == (0, 3, 0, "coordinator")
    deviated = keeper.started(handover.cell, 0.04)
    assert deviated is not None
    assert deviated.printed == [3, 0]
    told = keeper.finished()
    assert (told.window, told.cell, told.epoch, told.source) == (1, 0, 1, "fallback")


@pytest.mark.parametrize(
    ("message", "drop"),
    [
        (decided(0, [1], layer=1), Drop.STALE_LAYER),
        (decided(0, [1], epoch=1), Drop.STALE_EPOCH),
        (decided(4, [1]), Drop.NO_SUCH_WINDOW),
        (decided(1, [9]), Drop.NO_SUCH_CELL),
        (decided(0, [2]), Drop.PAST_WINDOW),
        (decided(1, [2]), Drop.CELL_SCANNED),
        (decided(2, [3]), Drop.CELL_DECIDED),
        (decided(1, [0]), Drop.CELL_DECIDED),
    ],
)
def test_a_decision_that_does_not_count_is_dropped_and_counted(message: Decisions, drop: Drop) -> None:
    keeper = keeper_of()
    keeper.decisions(decided(0, [2, 3]), 0.0)
    scan(keeper, keeper.offer(0.0), 0.0)
    assert drops(keeper, message) == [drop]
    assert keeper.dropped == {drop: 1}
    assert keeper.take(0.0).cell == 3, "what was accepted before still holds"


def test_decisions_without_a_layer_are_stale() -> None:
    keeper = WindowKeeper(make_ladder(["sequential"]), guard_s=0.0)
    assert drops(keeper, decided(0, [0])) == [Drop.STALE_LAYER]
    assert keeper.rejoin() is None


def test_rejoining_keeps_the_buffer_and_tells_the_cells_that_started() -> None:
    keeper = keeper_of()
    keeper.decisions(decided(0, [3, 2, 1, 0]), 0.0)
    scan(keeper, keeper.offer(0.0), 0.0)
    keeper.link(up=False)
    rejoin = keeper.rejoin()
    assert rejoin is not None
    assert (rejoin.layer, rejoin.epoch, rejoin.printed) == (0, 1, (3,))
    assert keeper.buffered == 3
    assert keeper.take(0.0).outcome is Outcome.ON_TIME, "windows covered by the buffer are no fallbacks"


def test_after_rejoining_newer_decisions_replace_those_carried_over() -> None:
    keeper = keeper_of(6)
    keeper.decisions(decided(0, [5, 4, 3, 2]), 0.0)
    scan(keeper, keeper.offer(0.0), 0.0)
    keeper.rejoin()
    assert drops(keeper, decided(1, [3, 2], epoch=1)) == []
    assert keeper.buffered == 2, "window 3 gave its cell up to window 2"
    assert drops(keeper, decided(3, [4], epoch=1)) == []
    cells = []
    for _ in range(3):
        handover = keeper.take(0.0)
        cells.append(handover.cell)
        assert keeper.started(handover.cell, 0.0) is None
    assert cells == [3, 2, 4]


def test_a_coordinator_that_decides_otherwise_after_a_rejoin_hears_what_was_printed() -> None:
    keeper = keeper_of(5)
    keeper.decisions(decided(0, [4, 3, 2]), 0.0)
    scan(keeper, keeper.offer(0.0), 0.0)
    keeper.rejoin()
    handover = keeper.take(0.0)  # window 1, carried over: cell 3
    assert drops(keeper, decided(1, [1, 0], epoch=1)) == [Drop.PAST_WINDOW, Drop.STALE_EPOCH]
    deviated = keeper.started(handover.cell, 0.0)
    assert deviated is not None
    assert (deviated.epoch, deviated.printed) == (2, [4, 3])


def test_a_coordinator_that_decides_the_same_after_a_rejoin_is_not_troubled() -> None:
    keeper = keeper_of(5)
    keeper.decisions(decided(0, [4, 3, 2]), 0.0)
    scan(keeper, keeper.offer(0.0), 0.0)
    keeper.rejoin()
    handover = keeper.take(0.0)
    assert drops(keeper, decided(1, [3], epoch=1)) == [Drop.PAST_WINDOW]
    assert keeper.started(handover.cell, 0.0) is None


def test_joining_between_a_fallback_hand_over_and_its_start_opens_one_more_epoch() -> None:
    keeper = keeper_of()
    handover = keeper.take(1.0)  # epoch 1, to be told when the cell starts
    rejoin = keeper.rejoin()
    assert rejoin is not None
    assert (rejoin.epoch, rejoin.printed) == (2, ())
    assert drops(keeper, decided(1, [2], epoch=2)) == []
    deviated = keeper.started(handover.cell, 1.0)
    assert deviated is not None
    assert (deviated.epoch, deviated.printed) == (3, [0])
    assert keeper.buffered == 0, "it was decided without knowing the fallback's cell"


def test_when_every_cell_is_handed_over_nothing_more_is_wanted() -> None:
    keeper = keeper_of(1)
    scan(keeper, keeper.take(0.0), 0.0)
    assert keeper.state is State.LAST
    assert keeper.complete
    assert keeper.deadline_s is None
    with pytest.raises(LayerComplete):
        keeper.take(0.1)
    keeper.end_layer()
    assert keeper.state is State.IDLE


def test_taking_twice_in_a_window_is_a_bug_of_ours() -> None:
    keeper = keeper_of()
    keeper.take(0.0)
    with pytest.raises(LocalProtocolError, match="'taken' in state 'chosen'"):
        keeper.take(0.0)


def test_a_cell_that_the_machine_chose_is_taken_and_told_and_the_one_handed_over_comes_later() -> None:
    keeper = keeper_of()
    keeper.decisions(decided(0, [2, 3, 1, 0]), 0.0)
    assert keeper.offer(0.0) is not None
    deviated = keeper.started(3, 0.5)
    assert deviated is not None
    assert (deviated.epoch, deviated.printed) == (1, [3])
    record = keeper.record(0)
    assert (record.cell, record.source, record.order) == (3, "fallback", "machine")
    assert (record.outcome, record.slack_s) == (Outcome.FALLBACK_MACHINE, 1.0)
    assert (keeper.handed, keeper.unstarted, keeper.buffered) == ((3,), (), 0)
    told = keeper.finished()
    assert (told.cell, told.source, told.epoch) == (3, "fallback", 1)
    assert drops(keeper, decided(1, [2, 1, 0], epoch=1)) == [], "the cell handed over first is still to be scanned"


def test_a_machine_that_does_not_wait_for_its_cell_is_followed() -> None:
    keeper = keeper_of(2)
    deviated = keeper.started(1, 0.25)
    assert deviated is not None
    assert (deviated.printed, keeper.record(0).slack_s) == ([1], 0.75)
    assert keeper.state is State.OPEN
    assert (keeper.left, keeper.ends_s) == (1, pytest.approx(0.25 + WINDOW_S))
    assert keeper.started(0, 0.3) is not None
    assert keeper.state is State.LAST


def test_a_cell_that_is_scanned_twice_or_that_nobody_has_is_named() -> None:
    keeper = keeper_of()
    scan(keeper, keeper.take(0.0), 0.0)
    with pytest.raises(DriverError, match="it was scanned before"):
        keeper.started(0, 0.0)
    for cell in (-1, 4):
        with pytest.raises(DriverError, match="no such cell"):
            keeper.started(cell, 0.0)
    keeper.end_layer()
    with pytest.raises(DriverError, match="no such cell"):
        keeper.started(1, 0.0)
    assert keeper.printed == (0,)


def test_a_layers_whole_order_is_offered_when_every_decision_is_there() -> None:
    keeper = keeper_of()
    keeper.decisions(decided(0, [3, 1, 0]), 0.1)
    assert keeper.offer_rest(0.1) == []
    keeper.decisions(decided(3, [2]), 0.2)
    chosen = keeper.offer_rest(0.2)
    assert [handover.cell for handover in chosen] == [3, 1, 0, 2]
    assert {handover.outcome for handover in chosen} == {Outcome.ON_TIME}
    assert {handover.slack_s for handover in chosen} == {0.8}
    assert (keeper.state, keeper.deadline_s, keeper.offer_rest(0.3)) == (State.HANDED, None, [])
    assert keeper.left == 0
    for place, cell in enumerate((3, 1, 0, 2)):
        assert keeper.started(cell, 1.0) is None
        assert keeper.finished().window == place
    assert keeper.state is State.LAST
    with pytest.raises(LayerComplete):
        keeper.take_rest(2.0)


def test_what_is_missing_of_a_whole_order_at_its_limit_is_the_fallbacks() -> None:
    keeper = keeper_of()
    keeper.decisions(decided(0, [3]), 0.1)
    keeper.decisions(decided(2, [0]), 0.1)  # window 1 is missing: what follows it no longer does
    chosen = keeper.take_rest(1.0)
    assert [handover.cell for handover in chosen] == [3, 0, 1, 2]
    assert [handover.source for handover in chosen] == ["coordinator", *["fallback"] * 3]
    assert {handover.epoch for handover in chosen} == {0}
    assert drops(keeper, decided(1, [2], epoch=0)) == [Drop.STALE_EPOCH]
    deviated = keeper.started(3, 1.0)
    assert deviated is not None
    assert (deviated.epoch, deviated.printed) == (1, [3, 0, 1, 2]), "nobody need decide on"
    assert drops(keeper, decided(1, [2], epoch=1)) == [Drop.PAST_WINDOW]
    assert keeper.started(0, 1.1) is None, "a decision for a sequence changes and troubles nothing"


def test_the_rest_of_a_layer_can_be_handed_over_in_its_middle() -> None:
    keeper = keeper_of()
    keeper.decisions(decided(0, [2, 0, 3, 1]), 0.0)
    scan(keeper, keeper.take(0.0), 0.0)
    keeper.take(0.0)
    chosen = keeper.take_rest(0.0)
    assert [(handover.window, handover.cell) for handover in chosen] == [(2, 3), (3, 1)]
    rejoin = keeper.rejoin()
    assert rejoin is not None
    assert rejoin.printed == (2, 0, 3, 1)


def test_a_machine_that_scans_a_sequence_in_another_order_is_followed() -> None:
    keeper = keeper_of()
    keeper.decisions(decided(0, [3, 1, 0, 2]), 0.0)
    keeper.offer_rest(0.0)
    deviated = keeper.started(0, 0.0)
    assert deviated is not None
    assert deviated.printed == [0, 3, 1, 2]
    assert [keeper.record(window).window for window in range(4)] == [0, 1, 2, 3]
    assert [keeper.record(window).cell for window in range(4)] == [0, 3, 1, 2]
    assert keeper.record(1).outcome is Outcome.ON_TIME
    for cell in (3, 1, 2):
        assert keeper.started(cell, 0.0) is None
    assert keeper.state is State.LAST


def test_a_printer_that_finishes_a_cell_it_did_not_begin_is_named() -> None:
    with pytest.raises(DriverError, match="none was being scanned"):
        keeper_of().finished()


def test_every_state_can_be_left_and_every_event_is_used() -> None:
    assert set(TABLE) == set(State)
    assert {event for row in TABLE.values() for event in row} == set(Event)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), cells=st.integers(1, 12), seed=st.integers(0, 9999))
def test_whatever_the_coordinator_and_the_link_do_every_cell_is_scanned_once_and_in_time(
    data: st.DataObject, cells: int, seed: int
) -> None:
    keeper = WindowKeeper(make_ladder(["random"], seed), guard_s=GUARD_S)
    keeper.start_layer(3, [WINDOW_S] * cells, layout=LAYOUT, deadline_s=1.0)
    handed: list[Handover] = []
    started: list[int] = []
    told: list[int] = []
    epochs: list[int] = [0]
    promised: list[int] = []
    now_s = 0.0
    while len(told) < cells:
        step = data.draw(st.sampled_from(["window", "decisions", "link", "rejoin"]))
        if step == "link":
            keeper.link(up=data.draw(st.booleans()))
        elif step == "decisions":
            message = decided(
                data.draw(st.integers(0, cells + 1)),
                data.draw(st.lists(st.integers(0, cells), min_size=1, max_size=cells)),
                layer=data.draw(st.sampled_from([3, 3, 3, 2])),
                epoch=data.draw(st.integers(max(0, keeper.epoch - 1), keeper.epoch + 1)),
            )
            before = tuple(handed)
            keeper.decisions(message, now_s)
            assert tuple(handed) == before
            promised = [] if keeper.promise_broken else promised
        elif step == "rejoin":
            rejoin = keeper.rejoin()
            assert rejoin is not None
            assert rejoin.epoch > epochs[-1]
            assert list(rejoin.printed) == started
            epochs.append(rejoin.epoch)
            promised = []
        else:
            handover = keeper.offer(now_s)
            if handover is None and keeper.deadline_s is not None:
                now_s = max(now_s, keeper.deadline_s)
                handover = keeper.take(now_s)
            if handover is not None:
                assert handover.slack_s >= 0.0
                assert handover.window == len(handed)
                handed.append(handover)
                if promised:
                    assert (handover.cell, handover.source) == (promised.pop(0), "fallback"), "a promise is kept"
            if len(started) > len(told):
                printed = keeper.finished()
                assert (printed.window, printed.cell) == (len(told), started[-1])
                assert printed.epoch == epochs[-1]
                told.append(printed.cell)
                now_s += GUARD_S
            if len(handed) > len(started):
                started.append(handed[-1].cell)
                deviated = keeper.started(handed[-1].cell, now_s)
                if deviated is not None:
                    assert deviated.epoch > epochs[-1]
                    assert deviated.printed[: len(started)] == started
                    promised = deviated.printed[len(started) :]
                    assert len(set(deviated.printed)) == len(deviated.printed)
                    epochs.append(deviated.epoch)
                else:
                    assert handed[-1].source == "coordinator" or keeper.epoch == epochs[-1]
    keeper.end_layer()
    assert sorted(told) == list(range(cells))
    assert [handover.cell for handover in handed] == told


def far_away(keeper: WindowKeeper, cells: int, round_trip: int) -> list[str]:
    """Print a layer beside a coordinator whose answers take `round_trip` windows; return every window's source.

    It decides the whole rest of the layer whenever it hears of a new order, the highest number first; at the start
    only five windows are decided.
    """
    answers: dict[int, list[Decisions]] = {}
    sources: list[str] = []

    def hear(window: int, epoch: int, printed: list[int]) -> None:
        left = sorted(set(range(cells)) - set(printed), reverse=True)
        if left:
            answers.setdefault(window + round_trip, []).append(decided(len(printed), left, epoch=epoch))

    keeper.decisions(decided(0, list(range(cells - 1, cells - 6, -1))), 0.0)
    for window in range(cells):
        now_s = window * WINDOW_S
        handover = keeper.take(now_s)
        sources.append(handover.source)
        deviated = keeper.started(handover.cell, now_s)
        if deviated is not None:
            hear(window, deviated.epoch, deviated.printed)
        keeper.finished()
        for message in answers.pop(window, []):
            keeper.decisions(message, now_s)
    return sources


@pytest.mark.parametrize("round_trip", [1, 2, 5, 12])
def test_answers_that_take_longer_than_a_window_count_again_after_a_few_windows(round_trip: int) -> None:
    cells = 200
    keeper = WindowKeeper(make_ladder(["sequential"]), guard_s=GUARD_S)
    keeper.link(up=True)
    keeper.start_layer(0, [WINDOW_S] * cells, layout=LAYOUT, deadline_s=1.0)
    sources = far_away(keeper, cells, round_trip)
    last = max(window for window, source in enumerate(sources) if source == "fallback")
    assert last < 5 + 8 * round_trip + 8, "without promises every window of the layer falls back"
    assert sorted(keeper.handed) == list(range(cells))


def chained(keeper: WindowKeeper, now_s: float = 0.0) -> Deviated:
    """Fall back twice, the first one's answer coming too late; return what the coordinator hears then."""
    scan(keeper, keeper.take(now_s), now_s)
    second = keeper.take(now_s)
    keeper.decisions(decided(2, [3], epoch=keeper.epoch - 1), now_s)
    deviated = scan(keeper, second, now_s)
    assert deviated is not None
    assert len(deviated.printed) == 2, "only the next fallback knows"
    third = keeper.take(now_s)
    found = scan(keeper, third, now_s)
    assert found is not None
    return found


def long_keeper(cells: int = 8, order: str = "sequential") -> WindowKeeper:
    keeper = WindowKeeper(make_ladder([order]), guard_s=GUARD_S)
    keeper.link(up=True)
    keeper.start_layer(0, [WINDOW_S] * cells, layout=LAYOUT, deadline_s=1.0)
    return keeper


def test_a_promised_cell_is_handed_over_at_once_as_a_fallback_and_opens_no_epoch() -> None:
    keeper = long_keeper()
    deviated = chained(keeper)
    assert deviated.printed == [0, 1, 2, 3]
    epoch = keeper.epoch
    handover = keeper.offer(0.0)
    assert handover is not None
    assert (handover.cell, handover.source, handover.outcome) == (3, "fallback", Outcome.FALLBACK_TIMEOUT)
    assert (handover.order, handover.ahead_s, keeper.epoch) == ("sequential", None, epoch)
    assert drops(keeper, decided(4, [7], epoch=epoch)) == []
    assert keeper.started(3, 0.0) is None
    handover = keeper.offer(0.0)
    assert handover is not None
    assert (handover.cell, handover.source) == (7, "coordinator")


def test_nothing_is_promised_that_nobody_hears_of_or_that_is_as_good_as_a_decision() -> None:
    keeper = long_keeper()
    scan(keeper, keeper.take(0.0), 0.0)
    second = keeper.take(0.0)
    keeper.decisions(decided(2, [3], epoch=keeper.epoch - 1), 0.0)
    scan(keeper, second, 0.0)
    keeper.link(up=False)
    deviated = scan(keeper, keeper.take(0.0), 0.0)
    assert deviated is not None
    assert deviated.printed == [0, 1, 2]
    assert len(chained(long_keeper(order="smartscan")).printed) == 3


def test_a_machine_that_leaves_promised_cells_breaks_the_promise_until_the_coordinator_is_joined_anew() -> None:
    keeper = long_keeper()
    chained(keeper)
    assert not keeper.promise_broken
    deviated = keeper.started(6, 0.0)
    assert deviated is not None
    assert keeper.promise_broken
    rejoin = keeper.rejoin()
    assert rejoin is not None
    assert (rejoin.printed, keeper.promise_broken) == ((0, 1, 2, 6), False)


def test_a_coordinator_that_joins_anew_is_promised_nothing() -> None:
    keeper = long_keeper()
    chained(keeper)
    rejoin = keeper.rejoin()
    assert rejoin is not None
    assert rejoin.printed == (0, 1, 2)
    assert drops(keeper, decided(3, [7], epoch=keeper.epoch)) == []


def test_the_rest_of_a_layer_handed_over_keeps_what_was_promised() -> None:
    keeper = long_keeper()
    chained(keeper)
    assert [handover.cell for handover in keeper.take_rest(0.0)] == [3, 4, 5, 6, 7]
