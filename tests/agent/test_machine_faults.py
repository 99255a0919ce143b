"""The agent survives what machines do: lost and doubled events, restarts, other cells, faults, an aborted job."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agent.configuration import AgentConfiguration, Capture, Printer, Simulated, SimulatedFaults
from agent.driver.faults import MachineFaults
from agent.journal import Tally
from agent.observers import MachineFault, WindowEnded
from cosmic.errors import ConfigurationError
from protocol.messages import Deviated
from tests.agent.test_observers import Bystander
from tests.agent.test_printing import CELLS, Job
from thermal.part import Part

LAYERS = 2


def print_with(
    part: Part, *, dispatch: str = "cell", coordinator: Any = None, **faults: Any
) -> tuple[Job, Bystander]:
    settings = AgentConfiguration(
        printer=Printer(
            first_cell_limit_ms=200.0,
            dispatch=dispatch,  # type: ignore[arg-type]
            simulated=Simulated(layers=LAYERS, faults=SimulatedFaults(**faults)),
        ),
        capture=Capture(noise_K=2.0, seed=5),
    )
    bystander = Bystander()

    async def listen(job: Job) -> None:
        job.printing.observers.add(bystander)

    return Job(part, **(coordinator or {})).print(listen, settings=settings), bystander


def assert_whole(job: Job, layers: int = LAYERS) -> None:
    """Every cell was really scanned once, and the records say what the machine did."""
    for layer in range(layers):
        assert sorted(job.driver.scanned[layer]) == list(range(CELLS))
        assert job.order(layer) == job.driver.scanned[layer]
        assert [line["window"] for line in job.windows(layer)] == list(range(CELLS)), "one record per window"
    assert not [line for line in job.lines if line["event"] == "driver_error"]
    assert job.lines[-1]["event"] == "job"


@pytest.mark.parametrize("dispatch", ["cell", "layer"])
@pytest.mark.parametrize("kind", ["late", "lost", "doubled", "wrong_cell", "restart", "fault"])
def test_a_job_is_printed_whole_whatever_the_machine_does(square: Part, kind: str, dispatch: str) -> None:
    job, _ = print_with(square, dispatch=dispatch, **{kind: 0.15}, restart_s=0.3, seed=3)
    assert_whole(job)


@pytest.mark.parametrize("dispatch", ["cell", "layer"])
def test_everything_at_once_is_survived_too(square: Part, dispatch: str) -> None:
    shares = dict.fromkeys(("late", "lost", "doubled", "wrong_cell", "restart", "fault"), 0.1)
    job, _ = print_with(square, dispatch=dispatch, **shares, restart_s=0.3, seed=4)
    assert_whole(job)


def test_every_event_lost_is_made_good_by_asking(square: Part) -> None:
    job, _ = print_with(square, lost=1.0)
    assert_whole(job)


def test_a_wrong_cell_is_told_to_the_coordinator_and_named_in_its_window(square: Part) -> None:
    job, bystander = print_with(square, at=["wrong_cell 0:5"])
    assert_whole(job)
    (line,) = [line for line in job.lines if line["event"] == "wrong_cell"]
    assert (line["layer"], line["window"], line["cell"]) == (0, 5, job.order(0)[5])
    assert line["handed"] != line["cell"]
    record = job.windows(0)[5]
    assert (record["outcome"], record["source"], record["fallback_order"]) == (
        "fallback_machine",
        "fallback",
        "machine",
    )
    assert record["cause"] == "the machine scanned another cell than it was handed"
    (deviated,) = [message for message in job.coordinator.heard if isinstance(message, Deviated)]
    assert deviated.printed == job.order(0)[:6]
    assert set(job.outcomes(0)[8:]) == {"on_time"}, "the coordinator decides on from there"
    ended = [happening for happening in bystander.told if isinstance(happening, WindowEnded)]
    assert [happening.cell for happening in ended[:CELLS]] == job.order(0)


def test_a_machine_that_starts_anew_in_a_layer_is_handed_its_cell_again(square: Part) -> None:
    job, _ = print_with(square, at=["restart 0:12"], restart_s=0.5)
    assert_whole(job)
    assert set(job.outcomes(0)) == {"on_time"}, "its decision still holds"
    assert job.layer_line(0)["starved_ms"] == pytest.approx(500.0, abs=25.0)


def test_a_start_and_an_end_lost_cost_no_more_than_asking(square: Part) -> None:
    job, _ = print_with(square, at=["lost 0:7"])
    assert_whole(job)
    assert job.layer_line(0)["starved_ms"] == 0.0, "the machine is asked before its cell ends"
    (line,) = [line for line in job.lines if line["event"] == "events_mended"]
    assert (line["layer"], line["repeated"]) == (0, 0)
    assert line["inferred"] == 2


def test_a_fault_report_is_told_and_the_layer_goes_on(square: Part) -> None:
    job, bystander = print_with(square, at=["fault 0:3"])
    assert_whole(job)
    assert [happening for happening in bystander.told if isinstance(happening, MachineFault)] == [
        MachineFault("simulated fault in layer 0, window 3")
    ]


def test_an_aborted_job_is_closed_properly(square: Part) -> None:
    job, _ = print_with(square, at=["abort 1:10"])
    assert job.order(1) == job.driver.scanned[1]
    assert len(job.order(1)) == 10
    (line,) = [line for line in job.lines if line["event"] == "layer_broken_off"]
    assert (line["layer"], line["scanned"], line["cells"]) == (1, 10, CELLS)
    assert job.layer_line(1)["windows"] == 10
    assert job.lines[-1]["event"] == "job"
    assert (job.lines[-1]["reason"], job.lines[-1]["windows"]) == ("aborted by the machine", CELLS + 10)


def test_with_dispatch_layer_the_whole_order_is_smartscans(square: Part) -> None:
    job, _ = print_with(square, dispatch="layer")
    assert_whole(job)
    assert set(job.outcomes(0) + job.outcomes(1)) == {"on_time"}
    assert not [message for message in job.coordinator.heard if isinstance(message, Deviated)]


def test_what_is_missing_of_a_sequence_at_its_limit_is_filled_and_told_once(square: Part) -> None:
    job, _ = print_with(square, dispatch="layer", coordinator={"decide_s": 0.1})  # 36 decisions take 3.6 s of 3.0
    assert_whole(job)
    outcomes = job.outcomes(0)
    first = outcomes.index("fallback_timeout")
    assert 20 < first < CELLS
    assert set(outcomes[:first]) == {"on_time"}
    assert set(outcomes[first:]) == {"fallback_timeout"}
    told = [message for message in job.coordinator.heard if isinstance(message, Deviated) and message.layer == 0]
    assert [message.printed for message in told] == [job.order(0)]
    assert job.layer_line(0)["first_cell_ms"] == pytest.approx(2998.0, abs=1.0), "at its limit, less 2 ms"


def test_stopping_hands_the_rest_of_the_layer_over_where_that_is_configured(square: Part) -> None:
    settings = AgentConfiguration(printer=Printer(on_stop="hand_over", simulated=Simulated(layers=2)))
    taken: list[int] = []

    async def stop(job: Job) -> None:
        await job.window_reached(0, 5)
        told = job.driver.sequence

        def sequence(window: int, cells: list[int]) -> None:
            taken.extend(cells)
            told(window, cells)

        job.driver.sequence = sequence  # type: ignore[method-assign,assignment]
        job.printing.stop("SIGTERM")

    job = Job(square).print(stop, settings=settings)
    assert len(job.driver.scanned[0]) == 6, "the agent did not wait"
    with_machine = CELLS - 6
    assert taken == job.order(0)[:0] + taken
    assert len(set(taken) | set(job.order(0))) >= CELLS - 1, "one cell may be handed over already"
    assert job.lines[-1]["event"] == "job"
    assert job.lines[-1]["reason"] == (
        f"stopped by SIGTERM: the last {with_machine} cells of layer 0 are with the machine"
    )


def test_the_same_seed_gives_the_same_faults_and_the_same_log(square: Part) -> None:
    shares = dict.fromkeys(("late", "lost", "doubled", "wrong_cell", "restart"), 0.1)
    first, second = (print_with(square, **shares, seed=9)[0] for _ in range(2))
    assert msgspec.json.encode(first.lines) == msgspec.json.encode(second.lines)


@pytest.mark.parametrize("text", ["reboot 0:1", "restart", "restart 0", "restart a:b", "restart -1:2"])
def test_a_fault_that_nobody_knows_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no fault"):
        MachineFaults(SimulatedFaults(at=[text]))


def test_a_tally_counts_what_the_machine_chose() -> None:
    assert "fallback_machine" in Tally().as_dict()
