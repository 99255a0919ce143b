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
    SpreadingStarted,
)
from agent.keeper import Outcome, WindowKeeper
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
    WindowEnded,
    now_s,
)
from agent.printing.coordinator import CoordinatorSide
from agent.printing.deadlines import Deadlines
from agent.printing.layer import Layer
from agent.printing.maps import Maps
from agent.tally import Tally
from agent.thinker import Thinker
from fallback import Ladder, Layout
from protocol.messages import EndLayer, Spreading
from thermal.part import Part

_log = structlog.get_logger()


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
        lookahead = settings.uplink.lookahead
        start_windows = settings.printer.start_windows
        self.keeper = WindowKeeper(
            ladder,
            guard_s=settings.printer.guard_ms / 1e3,
            start_windows=start_windows if lookahead is None else min(start_windows, lookahead + 1),
            start_wait_s=settings.printer.start_wait_ms / 1e3,
        )
        self.observers = observers
        self.tally = Tally()
        limit_s = settings.fallback.smartscan_limit_ms / 1e3
        self._thinker = Thinker(ladder.thinker, limit_s) if ladder.thinker is not None else None
        self.coordinator = CoordinatorSide(self.keeper, observers)
        self._deadlines = Deadlines(self.keeper, driver, observers, self._thinker, lambda: self.coordinator.up)
        self.coordinator.deadlines = self._deadlines
        self._maps = Maps(part, camera, settings.capture.limit_ms / 1e3)
        self._settings = settings
        self._part = part
        self._driver = driver
        self._layers_ended = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._layout: Layout | None = None

    async def run(self) -> None:
        """Print the job."""
        self.coordinator.begin()
        self._deadlines.lag.start()
        try:
            await self._wait_for_coordinator()
            await self._driver.run(self.driver_event)
            if self.coordinator.uplink is not None:
                await self.coordinator.uplink.close("printed")
        finally:
            self._deadlines.lag.stop()
            self._deadlines.stop_timer()
            if self._thinker is not None:
                await self._thinker.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.coordinator.end()

    async def _wait_for_coordinator(self) -> None:
        """Hold a simulated printer's start until the coordinator is ready, within a limit."""
        limit_s = self._settings.printer.simulated.start_limit_s
        if self.coordinator.uplink is None or limit_s == 0.0:
            return
        try:
            await asyncio.wait_for(self.coordinator.ready.wait(), timeout=limit_s)
        except TimeoutError:
            _log.warning("starting_without_coordinator", waited_s=limit_s, cause=self.coordinator.cause)

    def driver_event(self, event: DriverEvent) -> None:
        """Take in what the printer tells."""
        self.observers.tell(DriverTold(event, now_s()))
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
                self.observers.tell(JobBegan(self._part.name, self._part.digest, event.layers))
            case JobDone():
                dropped = {drop.value: count for drop, count in self.keeper.dropped.items()}
                sums = dict(sorted(dropped.items()))
                self.observers.tell(JobEnded(event.reason, self.tally, self._layers_ended, sums))
            case Fault():
                _log.error("printer_fault", cause=event.text)
                self.observers.tell(MachineFault(event.text))

    def _spreading(self, event: SpreadingStarted) -> None:
        self.observers.tell(SpreadingBegan(event.layer, event.seconds))
        self.coordinator.tell(Spreading(layer=event.layer, seconds=event.seconds))
        # The geometry is read from disk while powder is laid, so that nobody waits for it later.
        self._beside(asyncio.to_thread(self._part.geometry_of, event.layer))

    def _layer_ready(self, number: int) -> None:
        at_s = now_s()
        deadline_s = at_s + self._settings.printer.first_cell_limit_ms / 1e3
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
        deviated = self.keeper.started(event.cell, event.at_s)
        if self._deadlines.layer is not None:
            self._deadlines.layer.printed.append(event.cell)
        if deviated is not None:
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
        handover = layer.pending.pop(0)
        assert (handover.window, handover.cell) == (event.window, event.cell), "one record per window"
        layer.tally.add(handover)
        on_time = handover.outcome is Outcome.ON_TIME
        self.observers.tell(
            WindowEnded(
                handover,
                cell=event.cell,
                loop_lag_s=self._deadlines.lag.worst_since_last_s(),
                link_up=self.coordinator.up,
                cause="" if on_time else self.coordinator.words(handover.outcome, layer),
                at_s=event.at_s,
            )
        )

    def _layer_done(self, event: LayerDone) -> None:
        layer = self._deadlines.layer
        if layer is None:
            return
        self.keeper.end_layer()
        self._deadlines.stop_timer()
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
                cells=self._part.size_of(event.layer)[1],
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
