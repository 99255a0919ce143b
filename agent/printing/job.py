"""One job: brings the driver, the camera, the window keeper and the uplink together.

All of it runs on the event loop's thread, in answer to events; what may take long (frames, files, the network) runs
beside it and is never waited for. The keeper decides; this file passes on. Bystanders listen through `Observers`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from agent.capture import Camera
from agent.configuration import AgentConfiguration
from agent.driver import (
    CellFinished,
    CellStarted,
    Driver,
    DriverEvent,
    Fault,
    JobDone,
    JobStarted,
    LayerDone,
    LayerReady,
    Position,
    SpreadingStarted,
)
from agent.keeper import Follower, Outcome, State, WindowKeeper
from agent.observers import (
    DriverTold,
    JobBegan,
    JobEnded,
    LayerBegan,
    LayerEnded,
    MachineFault,
    MapTaken,
    Observers,
    OrderLeft,
    SpreadingBegan,
    Stopping,
    WindowEnded,
    now_s,
)
from agent.printing.coordinator import CoordinatorSide
from agent.printing.deadlines import Deadlines
from agent.printing.layer import Layer
from agent.printing.maps import Maps
from agent.printing.silence import Silence
from agent.tally import Tally
from agent.thinker import Thinker
from cosmic.errors import DriverError
from fallback import Ladder, Layout
from protocol.messages import EndLayer, Spreading
from thermal.part import Part

_log = structlog.get_logger()

NEXT_LAYER_S = 1.0
"""How soon after a layer the machine begins to spread powder, seconds; then it is asked."""


class Printing:
    """Prints one job of `part`; `run` returns when the driver says that it is over.

    Attributes:
        keeper: decides what is scanned in every window.
        coordinator: the coordinator's side; give it its uplink before `run`.
        observers: the bystanders.
        tally: what the job came to so far.
    """

    def __init__(
        self,
        settings: AgentConfiguration,
        part: Part,
        driver: Driver,
        camera: Camera,
        ladder: Ladder,
        observers: Observers,
    ) -> None:
        whole = settings.printer.whole
        self.keeper = WindowKeeper(ladder, guard_s=settings.printer.guard_ms / 1e3)
        self.observers = observers
        self.tally = Tally()
        limit_s = settings.fallback.smartscan_limit_ms / 1e3
        self._thinker = Thinker(ladder.thinker, limit_s) if ladder.thinker is not None else None
        self.coordinator = CoordinatorSide(self.keeper, observers)
        self._deadlines = Deadlines(
            self.keeper, driver, observers, self._thinker, lambda: self.coordinator.up, whole=whole
        )
        self._deadlines.handed_over = self._expect
        self.coordinator.deadlines = self._deadlines
        capture = settings.capture
        ahead = capture.source != "simulated"  # a simulated printer's computer has its plant to compute meanwhile
        self._maps = Maps(part, camera, capture.limit_ms / 1e3, capture.on_fault, ahead=ahead)
        self._settings = settings
        self._part = part
        self._driver = driver
        self._follower = Follower(driver.windows_s)
        self._silence = Silence(driver.report, settings.printer.overdue_ms / 1e3)
        self._stopped = asyncio.Event()
        self._reason = ""
        self._next_s: float | None = None
        self._layers_ended = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._layout: Layout | None = None
        self._first_limit_s = 0.0
        self.reconfigure(settings)

    def reconfigure(self, settings: AgentConfiguration) -> None:
        """Bring what `settings` say of deadlines and limits into force; between two layers only."""
        printer, lookahead = settings.printer, settings.uplink.lookahead
        start_windows = 1 if printer.whole else printer.start_windows
        self.keeper.start_windows = start_windows if lookahead is None else min(start_windows, lookahead + 1)
        self.keeper.start_wait_s = printer.start_wait_ms / 1e3
        self._first_limit_s = (printer.sequence_limit_ms if printer.whole else printer.first_cell_limit_ms) / 1e3
        self._silence.reconfigure(printer.overdue_ms / 1e3)
        self._maps.reconfigure(settings.capture.limit_ms / 1e3, settings.capture.on_fault)
        self._on_stop = printer.on_stop

    async def run(self) -> None:
        """Print the job."""
        self.coordinator.begin()
        self._deadlines.lag.start()
        try:
            await self._wait_for_coordinator()
            await self._run_driver()
            if self.coordinator.uplink is not None:
                await self.coordinator.uplink.close(self._reason)
        finally:
            self._deadlines.lag.stop()
            self._deadlines.stop_timer()
            self._silence.stop()
            if self._thinker is not None:
                await self._thinker.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.coordinator.end()

    def stop(self, cause: str) -> None:
        """End the job as `printer.on_stop` says: after this layer, or with the rest of its order handed over."""
        self.observers.tell(Stopping(cause))
        self._driver.abort(f"stopped by {cause}")
        if self._on_stop == "finish" or self._deadlines.layer is None:
            _log.warning("stopping", cause=cause, remedy="the job ends after this layer")
            return
        layer, cells = self._deadlines.layer.number, self._deadlines.hand_over_rest()
        _log.warning("stopping", cause=cause, layer=layer, handed_over=cells)
        self._reason = f"stopped by {cause}: the last {cells} cells of layer {layer} are with the machine"
        self._stopped.set()

    async def _run_driver(self) -> None:
        """Let the machine print until it, or who stops it, says that the job is over."""
        running = asyncio.create_task(self._driver.run(self.driver_event))
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait((running, stopped), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        finally:
            for task in (running, stopped):
                task.cancel()
            await asyncio.gather(running, stopped, return_exceptions=True)
        if not self._follower.over:
            self.driver_event(JobDone(self._reason or "the driver ended"))

    async def _wait_for_coordinator(self) -> None:
        """Hold a simulated printer's start until the coordinator is ready, within a limit."""
        printer = self._settings.printer
        limit_s = printer.simulated.start_limit_s
        if self.coordinator.uplink is None or limit_s == 0.0 or printer.driver != "simulated":
            return
        try:
            await asyncio.wait_for(self.coordinator.ready.wait(), timeout=limit_s)
        except TimeoutError:
            _log.warning("starting_without_coordinator", waited_s=limit_s, cause=self.coordinator.cause)

    def driver_event(self, event: DriverEvent) -> None:
        """Take in what the printer tells, and what must have happened before it."""
        at_s = now_s()
        self._silence.heard()
        self.observers.tell(DriverTold(event, at_s))
        try:
            for happened in self._follower.follow(event, at_s, self.keeper.handed):
                self._happened(happened)
        except DriverError as error:
            _log.error("driver_error", cause=str(error))
            self.observers.tell(MachineFault(str(error)))
            self._driver.refuse(error)
        if isinstance(event, Position):
            self._deadlines.hand_over_again()
        self._expect()

    def _happened(self, event: DriverEvent) -> None:
        match event:
            case SpreadingStarted():
                self._spreading(event)
            case LayerReady():
                self._layer_ready(event.layer)
            case CellStarted():
                self._cell_started(event)
            case CellFinished():
                self._cell_finished(event)
            case LayerDone():
                self._layer_done(event)
            case JobStarted():
                _log.info("printing", layers=event.layers, part=self._part.name, digest=self._part.digest)
                self._next_s = now_s()
                self.observers.tell(JobBegan(self._part.name, self._part.digest, event.layers))
            case JobDone():
                self._job_done(event.reason)
            case Fault():
                _log.error("printer_fault", cause=event.text)
                self.observers.tell(MachineFault(event.text))
            case _:
                pass

    def _job_done(self, reason: str) -> None:
        self._reason, self._next_s = reason, None
        dropped = {drop.value: count for drop, count in self.keeper.dropped.items()}
        self.observers.tell(JobEnded(reason, self.tally, self._layers_ended, dict(sorted(dropped.items()))))

    def _expect(self) -> None:
        """Say when the machine has to tell something; it is asked when it does not."""
        keeper = self.keeper
        if self._deadlines.layer is None:
            self._silence.expect(self._next_s)
        elif self._follower.scanning or keeper.complete:
            self._silence.expect(keeper.ends_s)
        elif keeper.unstarted:
            before_s = keeper.ends_s if keeper.printed else 0.0
            self._silence.expect(max(before_s, self._deadlines.handed_s))
        else:
            self._silence.expect(None)

    def _spreading(self, event: SpreadingStarted) -> None:
        self._next_s = now_s() + event.seconds
        self.observers.tell(SpreadingBegan(event.layer, event.seconds))
        self.coordinator.tell(Spreading(layer=event.layer, seconds=event.seconds))
        # The geometry is read from disk while powder is laid, so that nobody waits for it later.
        self._beside(asyncio.to_thread(self._part.geometry_of, event.layer))
        self._maps.spreading(event.layer)

    def _layer_ready(self, number: int) -> None:
        at_s = now_s()
        deadline_s = at_s + self._first_limit_s
        layer = self._deadlines.layer = Layer(number, ready_s=at_s)
        windows_s = self._driver.windows_s(number)
        self.keeper.start_layer(number, windows_s, layout=self._layout_of(number), deadline_s=deadline_s)
        self._deadlines.set_timer()
        self.observers.tell(LayerBegan(number, len(windows_s), at_s, deadline_s))
        self._beside(self._capture(layer))

    async def _capture(self, layer: Layer) -> None:
        first = await self._maps.take(layer.number)
        layer.map_K, layer.map_from = first.map_K, first.map_from
        self.observers.tell(MapTaken(layer.number, first.map_K, first.map_from, first.cause, now_s()))
        if self._deadlines.layer is not layer:  # the layer was over before its frame came
            return
        if self._thinker is not None:
            self._thinker.begin(layer.number, first.map_K)
            self._deadlines.think()
        self.coordinator.start_layer()

    def _cell_started(self, event: CellStarted) -> None:
        handed = self.keeper.handed[event.window : event.window + 1]
        deviated = self.keeper.started(event.cell, event.at_s)
        if self._deadlines.layer is not None:
            self._deadlines.layer.printed.append(event.cell)
            if not handed:
                self._deadlines.layer.unasked.add(event.window)
        if handed != (event.cell,):
            told = handed[0] if handed else None
            _log.warning("wrong_cell", layer=event.layer, window=event.window, cell=event.cell, handed=told)
        left_sequence = handed != (event.cell,) and self.keeper.state is State.HANDED
        if deviated is not None and (left_sequence or self.keeper.promise_broken):
            self.coordinator.start_layer()  # it was told of cells beforehand: that is not so any more
        elif deviated is not None:
            self.coordinator.tell(deviated)
            printed = tuple(deviated.printed)
            self.observers.tell(OrderLeft(deviated.layer, deviated.epoch, printed, rejoined=False))
        self._deadlines.offer()
        self._deadlines.set_timer()

    def _cell_finished(self, event: CellFinished) -> None:
        self.coordinator.tell(self.keeper.finished())
        layer = self._deadlines.layer
        if layer is None:
            return
        handover = self.keeper.record(event.window)
        assert handover.cell == event.cell, "one record per window"
        layer.tally.add(handover)
        on_time = handover.outcome is Outcome.ON_TIME
        self.observers.tell(
            WindowEnded(
                handover,
                cell=event.cell,
                loop_lag_s=self._deadlines.lag.worst_since_last_s(),
                link_up=self.coordinator.up,
                cause="" if on_time else self.coordinator.words(handover.outcome, layer, event.window),
                at_s=event.at_s,
            )
        )

    def _layer_done(self, event: LayerDone) -> None:
        layer = self._deadlines.layer
        if layer is None:
            return
        cells = self._part.size_of(event.layer)[1]
        if len(layer.printed) < cells:
            _log.warning("layer_broken_off", layer=event.layer, scanned=len(layer.printed), cells=cells)
        if self._follower.inferred or self._follower.repeated:
            repeated, inferred = self._follower.repeated, self._follower.inferred
            _log.info("events_mended", layer=event.layer, inferred=inferred, repeated=repeated)
        self.keeper.end_layer()
        self._deadlines.stop_timer()
        self._next_s = now_s() + NEXT_LAYER_S
        self.tally.add_layer(layer.tally)
        self._layers_ended += 1
        self.observers.tell(
            LayerEnded(
                layer=event.layer,
                tally=layer.tally,
                epochs=self.keeper.epoch,
                starved_ms=round(event.starved_s * 1e3, 3),
                first_cell_ms=None if layer.first_cell_s is None else round(layer.first_cell_s * 1e3, 3),
                map_from=layer.map_from,
                order=tuple(layer.printed),
                cells=cells,
            )
        )
        tally = layer.tally
        self.coordinator.tell(EndLayer(layer=event.layer, windows=tally.windows, fallbacks=tally.fallbacks))
        if layer.map_K is not None:
            self._maps.printed(layer.number, layer.map_K, layer.printed)
        self._deadlines.layer = None

    def _layout_of(self, layer: int) -> Layout:
        """Return the layer's layout, kept while layers have the same geometry."""
        geometry = self._part.geometry_of(layer)
        if self._layout is None or self._layout.geometry.number != geometry.number:
            self._layout = Layout(geometry, self._part.process)
        return self._layout

    def _beside(self, work: Coroutine[Any, Any, object]) -> None:
        """Run `work` beside the printing; it is cancelled when the job is over."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
