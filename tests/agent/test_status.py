"""The status follows what the printing tells, and harms nobody."""

from __future__ import annotations

from structlog.testing import capture_logs

from agent.journal import Tally
from agent.keeper import Outcome
from agent.status import State, Status, StatusEvent, Subject, WorkersStatus


def tally(windows: int, fallbacks: int) -> Tally:
    found = Tally(windows=windows, slack_s_min=0.0042)
    found.outcomes[Outcome.ON_TIME] = windows - fallbacks
    found.outcomes[Outcome.FALLBACK_TIMEOUT] = fallbacks
    return found


def printing(status: Status) -> Status:
    status.coordinator_configured()
    status.link_up("inline")
    status.job_started("gear", "d" * 64, 3)
    status.layer_ready()
    return status


def test_a_job_goes_through_loading_warming_printing_and_back_to_idle() -> None:
    status = Status("job-1")
    states = [status.state]
    status.listen(lambda what: states.append(status.state) if what is Subject.STATE else None)
    status.coordinator_configured()
    status.coordinator_loading(1, 4)
    assert status.loading == 0.25
    status.link_up("local")
    status.job_started("gear", "d" * 64, 1)
    status.spreading()
    status.layer_ready()
    status.layer_done(0, tally(36, 0), starved_ms=0.0, map_from="camera")
    status.job_done("all layers printed")
    distinct = [state for state, before in zip(states, [None, *states], strict=False) if state is not before]
    assert distinct == [State.IDLE, State.LOADING, State.IDLE, State.WARMING, State.PRINTING, State.IDLE]


def test_a_lost_link_degrades_a_job_until_it_is_back() -> None:
    status = printing(Status())
    assert status.state is State.PRINTING
    status.link_down("unreachable")
    assert (status.state, status.link.cause) == (State.DEGRADED, "unreachable")
    status.link_up("inline")
    assert status.state is State.PRINTING


def test_one_fallback_degrades_its_layer_and_not_the_next() -> None:
    status = printing(Status())
    status.window(fallback=False, uniformity=0.3)
    assert status.state is State.PRINTING
    status.window(fallback=True, uniformity=None)
    status.window(fallback=False, uniformity=0.25)
    assert status.state is State.DEGRADED
    status.layer_done(0, tally(3, 1), starved_ms=0.0, map_from="camera")
    status.spreading()
    assert status.state is State.WARMING
    assert status.layer is not None
    assert (status.layer.uniformity, status.layer.fallbacks, status.layer.slack_ms_min) == (0.25, 1, 4.2)


def test_a_printer_without_a_coordinator_by_intent_is_not_degraded() -> None:
    status = Status()
    status.job_started("gear", "", 1)
    status.layer_ready()
    status.window(fallback=True, uniformity=None)
    assert status.state is State.PRINTING


def test_a_fault_holds_until_the_machine_goes_on() -> None:
    status = printing(Status())
    status.machine_fault("recoater blocked")
    status.link_down("lost")
    assert (status.state, status.fault) == (State.FAULT, "recoater blocked")
    status.job_done("aborted")
    assert status.state is State.FAULT
    status.job_started("gear", "", 1)
    assert status.state is State.DEGRADED


def test_the_job_sums_its_layers() -> None:
    status = printing(Status("job-7"))
    for layer in range(2):
        status.layer_done(layer, tally(36, layer), starved_ms=0.0, map_from="camera")
    status.job_done("stopped by SIGTERM")
    assert status.job is not None
    assert (status.job.name, status.job.layers_done, status.job.windows, status.job.fallbacks) == (
        "job-7",
        2,
        72,
        1,
    )
    assert status.job.reason == "stopped by SIGTERM"


def test_windows_as_decided_are_not_told_on() -> None:
    status = printing(Status())
    told: list[object] = []
    status.listen(told.append)
    for _ in range(100):
        status.window(fallback=False, uniformity=0.5)
    assert told == []
    for _ in range(100):
        status.window(fallback=True, uniformity=0.5)
    assert told == [Subject.STATE]


def test_the_same_word_twice_is_told_once() -> None:
    status = printing(Status())
    told: list[object] = []
    status.listen(told.append)
    status.link_down("unreachable")
    status.link_down("unreachable")
    status.workers_warm(WorkersStatus(0, 4, 0, 0))
    status.workers_warm(WorkersStatus(0, 4, 0, 0))
    assert told == [Subject.STATE, Subject.LINK, StatusEvent("link_down", "unreachable"), Subject.WORKERS]


def test_a_listener_that_fails_is_logged_and_the_others_are_told() -> None:
    def broken(_what: object) -> None:
        raise ValueError("mine")

    status = Status()
    told: list[object] = []
    status.listen(broken)
    status.listen(told.append)
    with capture_logs() as lines:
        status.stopping("SIGTERM")
    assert told == [StatusEvent("stopping", "SIGTERM")]
    assert lines[0]["cause"] == "ValueError: mine"
