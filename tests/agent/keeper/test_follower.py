"""The follower: whatever is lost, late or doubled, what comes out is what the machine really did."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.driver import (
    CellFinished,
    CellStarted,
    Connected,
    DriverEvent,
    Fault,
    JobDone,
    JobStarted,
    LayerDone,
    LayerReady,
    Position,
    SpreadingStarted,
)
from agent.keeper import Follower
from cosmic.errors import DriverError

WINDOWS_S = [1.0, 2.0, 3.0]


def follower_of(*, ready: bool = True) -> Follower:
    follower = Follower(lambda _layer: WINDOWS_S)
    if ready:
        for event in (JobStarted(3), SpreadingStarted(0, 1.0), LayerReady(0)):
            assert follower.follow(event, 0.0, ()) == [event]
    return follower


def started(window: int, cell: int, at_s: float = 1.0, layer: int = 0) -> CellStarted:
    return CellStarted(layer, window, cell, at_s)


def finished(window: int, cell: int, at_s: float = 2.0, layer: int = 0) -> CellFinished:
    return CellFinished(layer, window, cell, at_s)


def test_what_is_told_once_and_in_order_passes_as_it_is() -> None:
    follower = follower_of()
    for event in (started(0, 2), finished(0, 2), started(1, 0), finished(1, 0), LayerDone(0, 0.5), JobDone("done")):
        assert follower.follow(event, 5.0, (2, 0)) == [event]
    assert (follower.inferred, follower.repeated) == (0, 0)


def test_what_is_told_twice_counts_once() -> None:
    follower = follower_of()
    told = (JobStarted(3), SpreadingStarted(0, 1.0), LayerReady(0))
    assert [follower.follow(event, 0.0, ()) for event in told] == [[], [], []]
    follower.follow(started(0, 2), 1.0, (2,))
    assert follower.scanning
    assert follower.follow(started(0, 2), 1.0, (2,)) == []
    follower.follow(finished(0, 2), 1.0, (2,))
    assert not follower.scanning
    assert follower.follow(finished(0, 2), 1.0, (2,)) == []
    assert follower.repeated == 5
    follower.follow(LayerDone(0, 0.0), 1.0, (2,))
    late = (LayerDone(0, 0.0), started(0, 2), finished(0, 2), SpreadingStarted(0, 1.0), LayerReady(0))
    assert [follower.follow(event, 1.0, ()) for event in late] == [[]] * 5
    assert not follower.over
    assert follower.follow(JobDone("done"), 1.0, ()) == [JobDone("done")]
    assert follower.over
    after = (JobDone("again"), LayerReady(1), started(0, 1, layer=2), Position(1, True, (), False, 1.0))
    assert [follower.follow(event, 1.0, ()) for event in after] == [[]] * 4


def test_faults_and_connections_pass_whenever_they_come() -> None:
    follower = follower_of(ready=False)
    for event in (Fault("door open"), Connected("machine")):
        assert follower.follow(event, 0.0, ()) == [event]
        assert follower.follow(event, 0.0, ()) == [event]


def test_a_start_that_was_lost_is_inferred_from_the_end() -> None:
    follower = follower_of()
    assert follower.follow(finished(0, 2, at_s=9.0), 9.0, (2,)) == [
        started(0, 2, at_s=6.0),
        finished(0, 2, at_s=9.0),
    ]
    assert follower.inferred == 1


def test_a_window_that_was_lost_is_inferred_from_the_next_as_it_was_handed_over() -> None:
    follower = follower_of()
    follower.follow(started(0, 2), 1.0, (2,))
    found = follower.follow(started(2, 0, at_s=7.0), 7.0, (2, 1, 0))
    assert found == [finished(0, 2, 7.0), started(1, 1, 7.0), finished(1, 1, 7.0), started(2, 0, 7.0)]


def test_the_end_of_a_layer_tells_what_was_lost_of_it() -> None:
    follower = follower_of()
    follower.follow(started(0, 2), 1.0, (2, 1, 0))
    found = follower.follow(LayerDone(0, 0.25), 8.0, (2, 1, 0))
    assert [type(event) for event in found] == [CellFinished, *[CellStarted, CellFinished] * 2, LayerDone]
    assert found[-1] == LayerDone(0, 0.25)


@pytest.mark.parametrize("event", [SpreadingStarted(1, 1.0), LayerReady(1), Position(1, False, (), False, 3.0)])
def test_a_layer_whose_end_was_lost_ends_when_the_next_is_told(event: DriverEvent) -> None:
    follower = follower_of()
    follower.follow(started(0, 2), 1.0, (2,))
    found = follower.follow(event, 3.0, (2,))
    assert found[:2] == [finished(0, 2, 3.0), LayerDone(0, 0.0)]
    assert found[2:] == ([] if isinstance(event, Position) else [event])


def test_a_job_that_ends_in_a_layer_closes_it_and_makes_up_no_cells() -> None:
    follower = follower_of()
    follower.follow(started(0, 2), 1.0, (2, 1, 0))
    found = follower.follow(JobDone("aborted"), 1.5, (2, 1, 0))
    assert found == [finished(0, 2, 1.5), LayerDone(0, 0.0), JobDone("aborted")]


def test_a_complete_job_tells_what_was_lost_of_its_last_layer() -> None:
    follower = follower_of()
    found = follower.follow(JobDone("done", complete=True), 1.5, (2, 1, 0))
    assert [type(event) for event in found] == [*[CellStarted, CellFinished] * 3, LayerDone, JobDone]


def test_a_position_tells_all_that_was_lost() -> None:
    follower = follower_of()
    follower.follow(started(0, 2), 1.0, (2,))
    where = Position(0, True, (2, 1), True, 4.0)
    assert follower.follow(where, 4.0, (2,)) == [finished(0, 2, 4.0), started(1, 1, 4.0)]
    assert follower.follow(where, 4.0, (2, 1)) == []
    assert follower.follow(Position(0, True, (2, 1), False, 5.0), 5.0, (2, 1)) == [finished(1, 1, 5.0)]
    assert follower.follow(Position(0, True, (2,), False, 5.0), 5.0, (2, 1)) == [], "it was asked before"
    assert follower.follow(Position(0, False, (), False, 5.0), 5.0, (2, 1)) == []
    assert follower.repeated == 0


def test_a_position_in_a_layer_that_nobody_told_begins_it() -> None:
    follower = follower_of(ready=False)
    found = follower.follow(Position(1, True, (2,), False, 4.0), 4.0, ())
    assert found == [LayerReady(1), started(0, 2, 4.0, layer=1), finished(0, 2, 4.0, layer=1)]
    assert follower.follow(Position(0, True, (0,), False, 4.0), 4.0, ()) == []
    follower.follow(LayerDone(1, 0.0), 5.0, (2,))
    assert follower.follow(Position(1, True, (2,), False, 5.0), 5.0, ()) == []


@pytest.mark.parametrize(
    ("event", "match"),
    [
        (started(3, 0), "no cell was handed over for window 2"),
        (started(1, 3), "the layer has cells 0 to 2"),
        (started(1, 2), "scanned before"),
        (started(0, 1), "it was cell 2 before"),
        (finished(0, 1), "it was cell 2 before"),
        (started(2, 1), "scanned before"),
        (Position(0, True, (1,), False, 1.0), "it was cell 2 before"),
        (Position(0, True, (2, 2), False, 1.0), "scanned before"),
        (Position(0, True, (2, 7), False, 1.0), "cells 0 to 2"),
        (started(0, 1, layer=1), "that layer has not begun"),
        (finished(0, 1, layer=1), "that layer has not begun"),
    ],
)
def test_what_cannot_have_happened_is_named_and_changes_nothing(event: DriverEvent, match: str) -> None:
    follower = follower_of()
    follower.follow(started(0, 2), 1.0, (2, 1))
    with pytest.raises(DriverError, match=match):
        follower.follow(event, 2.0, (2, 1))
    assert follower.follow(started(1, 1), 2.0, (2, 1)) == [finished(0, 2, 1.0), started(1, 1)]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), cells=st.integers(1, 6), layers=st.integers(1, 3))
def test_any_loss_and_repetition_comes_out_as_what_happened(data: st.DataObject, cells: int, layers: int) -> None:
    follower = Follower(lambda _layer: [1.0] * cells)
    truth: list[tuple[str, int, int]] = []
    heard: list[tuple[str, int, int]] = []

    def tell(event: DriverEvent, handed: tuple[int, ...], *, may_be_lost: bool = True) -> None:
        for _ in range(data.draw(st.sampled_from([0, 1, 1, 2] if may_be_lost else [1, 2]))):
            for happened in follower.follow(event, 1.0, handed):
                match happened:
                    case CellStarted() | CellFinished():
                        heard.append((type(happened).__name__, happened.layer, happened.cell))
                    case LayerReady() | LayerDone():
                        heard.append((type(happened).__name__, happened.layer, -1))
                    case _:
                        pass

    tell(JobStarted(layers), (), may_be_lost=False)
    for layer in range(layers):
        order = tuple(data.draw(st.permutations(range(cells))))
        tell(SpreadingStarted(layer, 1.0), ())
        tell(LayerReady(layer), ())
        tell(Position(layer, True, (), False, 1.0), (), may_be_lost=False)  # nobody hands a cell over before
        for window, cell in enumerate(order):
            handed = order[: window + 1]
            tell(CellStarted(layer, window, cell, 1.0), handed)
            if data.draw(st.booleans()):
                tell(Position(layer, True, handed, True, 1.0), handed)
            tell(CellFinished(layer, window, cell, 1.0), handed)
        tell(LayerDone(layer, 0.0), order)
        truth += [("LayerReady", layer, -1)]
        truth += [(kind, layer, cell) for cell in order for kind in ("CellStarted", "CellFinished")]
        truth += [("LayerDone", layer, -1)]
        tell(SpreadingStarted(layer + 1, 1.0), order, may_be_lost=False)
    tell(JobDone("done"), (), may_be_lost=False)
    assert heard == truth
