"""The two ends of a session: what is legal when, and that both agree on the printed prefix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosmic.errors import LocalProtocolError, RemoteProtocolError
from protocol.codec import encode
from protocol.limits import Limits
from protocol.messages import (
    AgentMessage,
    Array,
    CloseJob,
    Decisions,
    Deviated,
    EndLayer,
    Failed,
    JobReady,
    OpenJob,
    Printed,
    Progress,
    Spreading,
    StartLayer,
    Warm,
)
from protocol.sessions import AgentSession, CoordinatorSession, LayerRefusal
from protocol.tables import AGENT_SIDE, COORDINATOR_SIDE, State

CELLS, ELEMENTS = 6, 4
OPEN = OpenJob(job="j", part="0" * 64, printer="p")
READY = JobReady(job="j", cells=CELLS, elements=ELEMENTS, engine="inline")


def start(layer: int = 0, epoch: int = 0, printed: Sequence[int] = (), elements: int = ELEMENTS) -> StartLayer:
    map_K = Array.of(np.full(elements, 300.0, dtype=np.float32))
    return StartLayer(layer=layer, epoch=epoch, map=map_K, printed=list(printed))


def printed(window: int, cell: int, epoch: int = 0, layer: int = 0) -> Printed:
    return Printed(layer=layer, epoch=epoch, window=window, cell=cell, source="coordinator")


def decisions(layer: int = 0, epoch: int = 0) -> Decisions:
    return Decisions(layer=layer, epoch=epoch, first_window=0, cells=[1], compute_ms=[1.0])


def coordinator_ready() -> CoordinatorSession:
    session = CoordinatorSession()
    session.receive(encode(OPEN))
    session.layer_size = lambda layer: (ELEMENTS, CELLS) if layer < 3 else None
    session.send(READY)
    return session


def coordinator_in_layer(prefix: Sequence[int] = ()) -> CoordinatorSession:
    session = coordinator_ready()
    session.receive(encode(start(printed=prefix)))
    return session


def test_a_whole_job_is_legal_at_both_ends() -> None:
    agent, coordinator = AgentSession(), CoordinatorSession(Limits())
    for message in (
        OPEN,
        Progress(job="j", done=1, total=2, what="blocks"),
        READY,
        Spreading(layer=0, seconds=1.0),
        Warm(layer=0, workers=4, cold=0, reloaded=0),
        start(),
        decisions(),
        printed(0, 1),
        Deviated(layer=0, epoch=1, printed=[1, 2]),
        decisions(epoch=1),
        EndLayer(layer=0, windows=6, fallbacks=1),
        CloseJob(job="j", reason="printed"),
    ):
        if isinstance(message, AgentMessage):
            assert coordinator.receive(agent.send(message)) == message
            coordinator.layer_size = lambda _layer: (ELEMENTS, CELLS)
        else:
            assert agent.receive(coordinator.send(message)) == message
    assert agent.state is State.CLOSED
    assert coordinator.state is State.CLOSED
    assert coordinator.job == OPEN


def test_both_tables_name_every_state_and_only_states() -> None:
    for table in (AGENT_SIDE, COORDINATOR_SIDE):
        assert set(table) == set(State)


def test_what_this_side_must_not_send_is_our_bug() -> None:
    with pytest.raises(LocalProtocolError, match="start_layer in state idle"):
        AgentSession().send(start())
    with pytest.raises(LocalProtocolError, match="job_ready in state idle"):
        CoordinatorSession().send(READY)


def test_what_the_peer_must_not_send_is_named_with_what_is_legal() -> None:
    with pytest.raises(RemoteProtocolError, match="spreading came in state idle") as caught:
        CoordinatorSession().receive(encode(Spreading(layer=0, seconds=1.0)))
    assert "open_job" in caught.value.why
    with pytest.raises(RemoteProtocolError, match="job_ready came in state idle"):
        AgentSession().receive(encode(READY))


def test_after_the_connection_is_lost_nothing_can_be_sent() -> None:
    session = AgentSession()
    session.connection_lost()
    with pytest.raises(LocalProtocolError):
        session.send(OPEN)


def test_decisions_for_another_layer_or_epoch_are_never_sent() -> None:
    session = coordinator_in_layer()
    session.send(decisions())
    for message in (decisions(layer=1), decisions(epoch=1)):
        with pytest.raises(LocalProtocolError, match="is in progress"):
            session.send(message)


def test_decisions_that_cross_the_end_of_the_layer_are_legal_at_the_agent() -> None:
    agent = AgentSession()
    agent.send(OPEN)
    agent.receive(encode(READY))
    agent.send(start())
    agent.send(EndLayer(layer=0, windows=6, fallbacks=0))
    assert agent.receive(encode(decisions())) == decisions()


def test_the_prefix_grows_with_what_is_printed() -> None:
    session = coordinator_in_layer()
    session.receive(encode(printed(0, 3)))
    session.receive(encode(printed(1, 5)))
    assert (session.prefix, session.windows_reported) == ([3, 5], 2)


def test_a_rejoin_brings_the_prefix_and_its_last_cell_is_still_being_scanned() -> None:
    session = coordinator_in_layer(prefix=[3, 5])
    assert (session.prefix, session.windows_reported) == ([3, 5], 1)
    session.receive(encode(printed(1, 5)))
    assert session.windows_reported == 2


def test_a_deviation_replaces_the_decided_cells_by_the_printed_ones() -> None:
    session = coordinator_in_layer()
    session.receive(encode(printed(0, 3)))
    session.receive(encode(Deviated(layer=0, epoch=1, printed=[3, 0])))
    assert (session.prefix, session.epoch, session.windows_reported) == ([3, 0], 1, 1)


@pytest.mark.parametrize(
    "message",
    [
        printed(0, CELLS),
        printed(1, 0),
        printed(0, 0, epoch=1),
        Deviated(layer=0, epoch=0, printed=[1]),
        Deviated(layer=0, epoch=1, printed=[1, 1]),
        Deviated(layer=0, epoch=1, printed=[CELLS]),
    ],
)
def test_cells_that_cannot_be_are_refused_and_the_layer_is_given_up(message: AgentMessage) -> None:
    session = coordinator_in_layer()
    with pytest.raises(LayerRefusal) as caught:
        session.receive(encode(message))
    assert (caught.value.code, caught.value.layer) == ("bad_cells", 0)
    session.send(Failed(code="bad_cells", message=str(caught.value), layer=0))
    assert session.receive(encode(printed(0, 1))) is None, "the agent hears of it once"
    assert session.receive(encode(start(epoch=1, printed=[1]))) == start(epoch=1, printed=[1])


def test_what_was_printed_never_changes() -> None:
    session = coordinator_in_layer(prefix=[3, 5])
    with pytest.raises(LayerRefusal, match="cell 4 in window 0"):
        session.receive(encode(printed(0, 4)))
    session = coordinator_in_layer(prefix=[3, 5])
    with pytest.raises(LayerRefusal, match="not a continuation"):
        session.receive(encode(Deviated(layer=0, epoch=1, printed=[5, 3, 1])))
    session = coordinator_in_layer(prefix=[3, 5])
    with pytest.raises(LayerRefusal, match="twice"):
        session.receive(encode(printed(2, 3)))


@pytest.mark.parametrize(
    ("message", "code", "what"),
    [
        (start(elements=3), "bad_map", "map of 3 elements"),
        (StartLayer(layer=0, epoch=0, map=Array(dtype="<f4", shape=[4], data=b"")), "bad_map", "0 bytes"),
        (start(printed=[1, 1]), "bad_cells", "twice"),
        (start(printed=[CELLS]), "bad_cells", f"cell {CELLS}"),
    ],
)
def test_a_layer_that_cannot_be_started_is_refused_and_the_session_lives_on(
    message: StartLayer, code: str, what: str
) -> None:
    session = coordinator_ready()
    with pytest.raises(LayerRefusal, match=what) as caught:
        session.receive(encode(message))
    assert (caught.value.code, session.state, session.layer) == (code, State.READY, None)
    assert session.receive(encode(printed(0, 1))) is None
    session.receive(encode(EndLayer(layer=0, windows=6, fallbacks=6)))
    session.receive(encode(start(layer=1)))
    assert session.layer == 1


def test_a_layer_that_the_part_does_not_have_closes_the_connection() -> None:
    session = coordinator_ready()
    with pytest.raises(RemoteProtocolError, match="no such layer") as caught:
        session.receive(encode(start(layer=3)))
    assert caught.value.close_code == 1008


def test_a_layer_that_was_never_started_is_unknown_once() -> None:
    session = coordinator_ready()
    with pytest.raises(LayerRefusal) as caught:
        session.receive(encode(printed(0, 1, layer=2)))
    assert (caught.value.code, caught.value.layer) == ("unknown_layer", 2)
    assert session.receive(encode(printed(1, 2, layer=2))) is None


def test_a_failure_of_the_engine_lets_go_of_the_layer_until_it_is_started_anew() -> None:
    session = coordinator_in_layer()
    session.send(Failed(code="engine_failed", message="workers died", layer=0))
    assert (session.state, session.layer) == (State.READY, None)
    assert session.receive(encode(printed(0, 1))) is None
    session.receive(encode(start(epoch=1, printed=[1])))
    assert session.layer == 0


def test_a_failure_of_another_layer_or_of_none_leaves_this_one() -> None:
    session = coordinator_in_layer()
    session.send(Failed(code="limit", message="slow down"))
    session.send(Failed(code="engine_failed", message="too late", layer=2))
    assert (session.state, session.layer) == (State.LAYER, 0)
    assert session.receive(encode(printed(0, 1))) == printed(0, 1)
    assert session.receive(encode(printed(0, 1, layer=2))) is None, "that layer was answered already"


@settings(max_examples=100)
@given(data=st.data())
def test_both_ends_agree_on_the_prefix_whatever_the_printer_does(data: st.DataObject) -> None:
    session = coordinator_ready()
    epoch, order = 0, data.draw(st.permutations(range(CELLS)))
    session.receive(encode(start()))
    for window, cell in enumerate(order):
        event = data.draw(st.sampled_from(["decided", "deviated", "rejoined"]))
        if event != "decided":
            epoch += data.draw(st.integers(1, 3))
            so_far = list(order[: window + 1])
            session.receive(
                encode(
                    Deviated(layer=0, epoch=epoch, printed=so_far)
                    if event == "deviated"
                    else start(epoch=epoch, printed=so_far)
                )
            )
        session.receive(encode(printed(window, cell, epoch=epoch)))
        assert session.prefix == list(order[: window + 1])
        assert session.windows_reported == window + 1
