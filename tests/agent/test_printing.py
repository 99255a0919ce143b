"""A whole job on virtual time: the real keeper, printer, camera and session, a coordinator that can be cut off."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from agent.capture import SimulatedCamera
from agent.configuration import AgentConfiguration, Capture, Fallback, Printer, Simulated
from agent.driver.simulated import SimulatedPrinter
from agent.journal import Journal
from agent.observers import Observers
from agent.plant import Plant
from agent.printing import REJOINS_PER_LAYER_MAX, Printing
from agent.thinker import Thinker
from cosmic.errors import CaptureError
from fallback import make_ladder
from protocol.messages import Decisions, Deviated, Failed, StartLayer
from tests.support import virtual_time
from tests.support.virtual_coordinator import VirtualCoordinator
from thermal.order import order_layer
from thermal.part import Part

CELLS = 36
WINDOW_S = 0.040
SETTINGS = AgentConfiguration(
    printer=Printer(first_cell_limit_ms=200.0, simulated=Simulated(layers=2)),
    capture=Capture(noise_K=2.0, seed=5),
)


class RecordingCamera(SimulatedCamera):
    """Keeps what it saw."""

    def __init__(self, plant: Plant) -> None:
        super().__init__(plant, noise_K=2.0, seed=5)
        self.maps: dict[int, NDArray[np.float32]] = {}

    async def capture(self, layer: int) -> NDArray[np.float32]:
        self.maps[layer] = await super().capture(layer)
        return self.maps[layer]


class Job:
    """One printed job: what was logged, seen and told."""

    def __init__(self, part: Part, **coordinator: Any) -> None:
        self.part = part
        self.coordinator_settings = coordinator
        self.lines: list[Any] = []
        self.camera_fails: set[int] = set()

    def print(
        self, during: Callable[[Job], Awaitable[None]] | None = None, *, settings: AgentConfiguration = SETTINGS
    ) -> Job:
        with capture_logs() as lines:
            virtual_time.run(self._print(during, settings))
        self.lines = lines
        return self

    async def _print(self, during: Callable[[Job], Awaitable[None]] | None, settings: AgentConfiguration) -> None:
        plant = Plant(self.part, settings.capture.residual)
        self.driver = SimulatedPrinter(self.part, settings.printer.simulated, plant)
        self.camera = RecordingCamera(plant)
        seen = self.camera.capture

        async def capture(layer: int) -> NDArray[np.float32]:
            if layer in self.camera_fails:
                raise CaptureError("frame frozen")
            return await seen(layer)

        self.camera.capture = capture  # type: ignore[method-assign]
        guard_s = settings.printer.guard_ms / 1e3
        named = settings.fallback.order
        ladder = make_ladder([named] if isinstance(named, str) else named, seed=1)
        observers = Observers(Journal("job", guard_s))
        self.printing = Printing(settings, self.part, self.driver, self.camera, ladder, observers)
        if "absent" not in self.coordinator_settings:
            self.coordinator = VirtualCoordinator(self.part, self.printing.coordinator, **self.coordinator_settings)
            self.printing.coordinator.uplink = self.coordinator  # type: ignore[assignment]
        running = [asyncio.ensure_future(during(self))] if during is not None else []
        await asyncio.gather(self.printing.run(), *running)

    def windows(self, layer: int) -> list[Any]:
        return [line for line in self.lines if line["event"] == "window" and line["layer"] == layer]

    def outcomes(self, layer: int) -> list[str]:
        return [line["outcome"] for line in self.windows(layer)]

    def order(self, layer: int) -> list[int]:
        return [line["cell"] for line in self.windows(layer)]

    def layer_line(self, layer: int) -> Any:
        (line,) = [line for line in self.lines if line["event"] == "layer" and line["layer"] == layer]
        return line

    async def window_reached(self, layer: int, window: int) -> None:
        while self.printing.keeper.layer != layer or len(self.printing.keeper.printed) <= window:
            await asyncio.sleep(0.001)


def assert_every_cell_once_and_in_time(job: Job, layers: int = 2) -> None:
    for layer in range(layers):
        assert sorted(job.order(layer)) == list(range(CELLS))
        assert [line["window"] for line in job.windows(layer)] == list(range(CELLS)), "one record per window"
        assert all(line["slack_ms"] >= 0.0 for line in job.windows(layer))
        assert job.layer_line(layer)["starved_ms"] == 0.0


def test_with_a_coordinator_every_window_is_on_time_and_the_order_is_smartscans(square: Part) -> None:
    job = Job(square).print()
    assert_every_cell_once_and_in_time(job)
    for layer in range(2):
        assert set(job.outcomes(layer)) == {"on_time"}
        assert job.order(layer) == order_layer(square, layer, job.camera.maps[layer]).order
        assert job.layer_line(layer)["order"] == job.order(layer)
    assert job.lines[-1]["event"] == "job"
    assert (job.lines[-1]["windows"], job.lines[-1]["fallbacks"]) == (2 * CELLS, 0)


def test_the_second_layer_starts_from_the_heat_of_the_first(square: Part) -> None:
    job = Job(square).print()
    assert job.camera.maps[1].mean() > job.camera.maps[0].mean() + 5.0


def test_one_window_of_look_ahead_is_enough_when_a_decision_takes_less_than_a_window(square: Part) -> None:
    job = Job(square, lookahead=1, decide_s=0.020, delay_s=0.005).print()
    assert_every_cell_once_and_in_time(job)
    assert set(job.outcomes(0) + job.outcomes(1)) == {"on_time"}
    assert max(line["decided_ms_ahead"] for line in job.windows(0)[2:]) < WINDOW_S * 1e3


def test_a_loss_is_harmless_while_the_buffer_lasts(square: Part) -> None:
    async def cut(job: Job) -> None:
        await job.window_reached(0, 10)
        job.coordinator.cut()

    job = Job(square, decide_s=0.001).print(cut)
    assert set(job.outcomes(0)) == {"on_time"}
    assert set(job.outcomes(1)) == {"fallback_disconnected"}
    assert job.windows(1)[0]["cause"] == "cut"
    assert job.layer_line(1)["first_cell_ms"] == pytest.approx(0.0), "nobody is waited for who is not there"
    assert_every_cell_once_and_in_time(job)


def test_after_a_loss_decisions_come_again_in_the_same_layer(square: Part) -> None:
    async def cut_and_mend(job: Job) -> None:
        await job.window_reached(0, 10)
        job.coordinator.cut()
        await job.window_reached(0, 20)
        job.coordinator.connect()

    job = Job(square, lookahead=4).print(cut_and_mend)
    outcomes = job.outcomes(0)
    # The end of window 9 was still on its way: known were 9 windows, so 9 + 1 + 4 were decided.
    assert outcomes[:14] == ["on_time"] * 14, "windows covered by the buffer are no fallbacks"
    assert set(outcomes[14:21]) == {"fallback_disconnected"}
    assert set(outcomes[22:]) == {"on_time"}
    resumed = outcomes.index("on_time", 14)
    expected = order_layer(square, 0, job.camera.maps[0], printed=job.order(0)[:resumed])
    assert job.order(0) == expected.order
    rejoined = next(message for message in job.coordinator.heard if isinstance(message, StartLayer))
    assert rejoined.printed == job.order(0)[: len(rejoined.printed)]
    assert_every_cell_once_and_in_time(job)


def test_a_printer_that_thinks_for_itself_goes_on_as_smartscan_does(square: Part) -> None:
    async def cut(job: Job) -> None:
        await job.window_reached(0, 10)
        job.coordinator.cut()

    settings = msgspec.structs.replace(SETTINGS, fallback=Fallback(order="smartscan", smartscan_limit_ms=1e6))
    job = Job(square, lookahead=4).print(cut, settings=settings)
    assert_every_cell_once_and_in_time(job)
    fallbacks = [line for line in job.windows(0) if line["source"] == "fallback"]
    assert len(fallbacks) > 15
    assert {line["fallback_order"] for line in fallbacks} == {"smartscan"}
    assert job.order(0) == order_layer(square, 0, job.camera.maps[0]).order, "the loss leaves no trace in the order"


def test_a_printer_too_slow_to_think_for_itself_takes_the_order_below(
    square: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenths_s = itertools.count()
    slow = partial(Thinker, clock=lambda: 0.1 * next(tenths_s))
    monkeypatch.setattr("agent.printing.job.Thinker", slow)
    settings = msgspec.structs.replace(SETTINGS, fallback=Fallback(order=["smartscan", "farthest"]))
    job = Job(square, absent=True).print(settings=settings)
    assert_every_cell_once_and_in_time(job)
    orders = [line["fallback_order"] for line in job.windows(0)]
    assert orders.count("farthest") >= CELLS - 2, "a thought or two were ready before the first was timed"
    (first, _) = [line for line in job.lines if line["event"] == "fallback_too_slow"]
    assert (first["window_ms"], first["limit_ms"]) == (pytest.approx(50.0), 30.0)


def test_a_short_loss_within_the_buffer_leaves_no_trace_in_the_order(square: Part) -> None:
    async def cut_and_mend(job: Job) -> None:
        await job.window_reached(0, 10)
        job.coordinator.cut()
        await asyncio.sleep(0.050)
        job.coordinator.connect()

    job = Job(square, lookahead=6).print(cut_and_mend)
    assert set(job.outcomes(0)) == {"on_time"}
    assert job.order(0) == order_layer(square, 0, job.camera.maps[0]).order
    assert not any(isinstance(message, Deviated) for message in job.coordinator.heard)


def test_a_coordinator_that_is_too_slow_costs_fallbacks_and_never_a_cell(square: Part) -> None:
    job = Job(square, decide_s=0.060).print()
    assert_every_cell_once_and_in_time(job)
    counts = {outcome: job.outcomes(0).count(outcome) for outcome in ("on_time", "fallback_timeout")}
    assert counts["fallback_timeout"] > 0
    assert sum(counts.values()) == CELLS
    first = next(line for line in job.windows(0) if line["outcome"] == "fallback_timeout")
    assert first["cause"] == "no decision by the deadline"


def test_decisions_that_are_not_valid_are_dropped_and_named(square: Part) -> None:
    def repeat_first(decisions: Decisions) -> Decisions:
        return msgspec.structs.replace(decisions, cells=[0]) if decisions.first_window == 5 else decisions

    async def spoil(job: Job) -> None:
        job.coordinator.mend = repeat_first

    job = Job(square, lookahead=2).print(spoil)
    assert_every_cell_once_and_in_time(job)
    named = job.windows(0)[5]
    if named["outcome"] == "on_time":  # cell 0 happened not to be scanned before
        assert named["cell"] == 0
    else:
        assert (named["outcome"], named["cause"]) == ("fallback_rejected", "the decision that came was not valid")
    assert any(line["event"] == "decisions_dropped" for line in job.lines)


def test_a_layer_that_the_coordinator_gives_up_is_offered_again_within_a_limit(square: Part) -> None:
    async def fail(job: Job) -> None:
        for window in (3, 6, 9, 12, 15):
            await job.window_reached(0, window)
            job.coordinator.fail(Failed(code="engine_failed", message="workers died", layer=0))

    job = Job(square, lookahead=1).print(fail)
    assert_every_cell_once_and_in_time(job)
    starts = [
        message for message in job.coordinator.heard if isinstance(message, StartLayer) and message.layer == 0
    ]
    assert len(starts) == 1 + REJOINS_PER_LAYER_MAX
    assert job.windows(0)[-1]["cause"] == "engine_failed: workers died"
    assert set(job.outcomes(1)) == {"on_time"}, "the next layer is tried again"


def test_a_map_that_the_coordinator_refuses_is_not_sent_again(square: Part) -> None:
    async def refuse(job: Job) -> None:
        await job.window_reached(0, 3)
        job.coordinator.fail(Failed(code="bad_map", message="element 3 is nan K", layer=0))

    job = Job(square, lookahead=1).print(refuse)
    starts = [
        message for message in job.coordinator.heard if isinstance(message, StartLayer) and message.layer == 0
    ]
    assert len(starts) == 1
    assert job.windows(0)[-1]["cause"] == "bad_map: element 3 is nan K"
    assert_every_cell_once_and_in_time(job)


def test_without_a_coordinator_the_part_is_printed_at_once_by_the_fallback_order(square: Part) -> None:
    job = Job(square, absent=True).print()
    assert_every_cell_once_and_in_time(job)
    assert set(job.outcomes(0)) == {"fallback_disconnected"}
    assert job.windows(0)[0]["cause"] == "no coordinator is configured"
    assert job.layer_line(0)["first_cell_ms"] == pytest.approx(0.0)


def test_a_coordinator_that_never_gets_ready_is_waited_for_within_the_limit(square: Part) -> None:
    job = Job(square, delay_s=1e6).print()
    assert_every_cell_once_and_in_time(job)
    (line,) = [line for line in job.lines if line["event"] == "starting_without_coordinator"]
    assert line["waited_s"] == SETTINGS.printer.simulated.start_limit_s


def test_without_a_frame_the_layer_starts_from_the_predicted_map_and_says_so(square: Part) -> None:
    job = Job(square)
    job.camera_fails = {1}
    job.print()
    assert job.layer_line(0)["map_from"] == "camera"
    assert job.layer_line(1)["map_from"] == "predicted"
    assert set(job.outcomes(1)) == {"on_time"}
    (line,) = [line for line in job.lines if line["event"] == "no_frame"]
    assert line["cause"] == "frame frozen"


def test_without_a_frame_of_the_first_layer_it_starts_from_ambient(square: Part) -> None:
    job = Job(square)
    job.camera_fails = {0}
    job.print()
    assert job.layer_line(0)["map_from"] == "ambient"
    assert_every_cell_once_and_in_time(job)


def test_the_same_seed_gives_the_same_log_byte_for_byte(square: Part) -> None:
    async def cut_and_mend(job: Job) -> None:
        await job.window_reached(0, 7)
        job.coordinator.cut()
        await job.window_reached(0, 20)
        job.coordinator.connect()

    first, second = (Job(square, lookahead=3).print(cut_and_mend) for _ in range(2))
    assert msgspec.json.encode(first.lines) == msgspec.json.encode(second.lines)


def test_stopping_ends_the_job_after_the_layer(square: Part) -> None:
    async def stop(job: Job) -> None:
        await job.window_reached(0, 5)
        job.driver.abort("stopped by SIGTERM")

    job = Job(square).print(stop)
    assert sorted(job.order(0)) == list(range(CELLS))
    assert job.windows(1) == []
    assert job.lines[-1]["reason"] == "stopped by SIGTERM"
