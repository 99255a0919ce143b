"""One job: brings the driver, the camera, the window keeper and the uplink together.

All of it runs on the event loop's thread, in answer to events; what may take long (frames, files, the network) runs
beside it and is never waited for. The keeper decides; this file passes on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

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
from agent.journal import Journal
from agent.keeper import Drop, Handover, Outcome, WindowKeeper
from agent.loop_lag import LoopLag
from agent.recording import MapRecording
from agent.status import Status, WorkersStatus
from agent.thinker import Thinker
from agent.uplink import Uplink
from cosmic.errors import CaptureError, RefusedError
from fallback import Ladder, Layout
from protocol.messages import (
    AgentMessage,
    Array,
    CoordinatorMessage,
    Decisions,
    EndLayer,
    Failed,
    JobReady,
    Progress,
    Spreading,
    StartLayer,
    Warm,
)
from thermal.order import predict_map
from thermal.part import Part

_log = structlog.get_logger()

REJOINS_PER_LAYER_MAX = 3
"""How often a layer is offered again to a coordinator that says it does not know it."""

THINK_BELOW_WINDOWS = 3
"""Decisions waiting below which the printer's own SmartScan begins to follow, where it is configured."""

WAKE_EARLY_S = 0.002
"""How long before a deadline its timer is set: what the loop may be late without missing it, seconds.

The loop's own clock steps by 1 ms."""


@dataclass(slots=True)
class _Layer:
    """What the printing knows of the layer in progress."""

    number: int
    ready_s: float
    map_K: NDArray[np.float32] | None = None
    map_from: str = "camera"
    told: bool = False
    rejoins: int = 0
    refused: str = ""
    pending: list[Handover] = field(default_factory=list)
    printed: list[int] = field(default_factory=list)
    first_cell_s: float | None = None


class Printing:
    """Prints one job of `part`; `run` returns when the driver says that it is over."""

    def __init__(
        self,
        settings: AgentConfiguration,
        part: Part,
        driver: Driver,
        camera: Camera,
        ladder: Ladder,
        journal: Journal,
        recording: MapRecording | None,
    ) -> None:
        lookahead = settings.uplink.lookahead
        start_windows = settings.printer.start_windows
        self.keeper = WindowKeeper(
            ladder,
            guard_s=settings.printer.guard_ms / 1e3,
            start_windows=start_windows if lookahead is None else min(start_windows, lookahead + 1),
            start_wait_s=settings.printer.start_wait_ms / 1e3,
        )
        self.uplink: Uplink | None = None
        self.status = Status()
        self._settings = settings
        self._part = part
        self._driver = driver
        self._camera = camera
        self._journal = journal
        self._recording = recording
        self._lag = LoopLag()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._layer: _Layer | None = None
        self._last: tuple[int, NDArray[np.float32], list[int]] | None = None
        self._cause = "no coordinator is configured"
        self._ready = asyncio.Event()
        self._layout: Layout | None = None
        limit_s = settings.fallback.smartscan_limit_ms / 1e3
        self._thinker = Thinker(ladder.thinker, limit_s) if ladder.thinker is not None else None
        self._say_loading_s = 0.0

    async def run(self) -> None:
        """Print the job."""
        link = asyncio.create_task(self.uplink.run()) if self.uplink is not None else None
        if link is not None:
            link.add_done_callback(self._link_ended)
            self.status.coordinator_configured()
        self._lag.start()
        try:
            await self._wait_for_coordinator()
            await self._driver.run(self.driver_event)
            if self.uplink is not None:
                await self.uplink.close("printed")
        finally:
            self._lag.stop()
            self._stop_timer()
            if self._thinker is not None:
                await self._thinker.close()
            for task in [*self._tasks, *([link] if link is not None else [])]:
                task.cancel()
            await asyncio.gather(*self._tasks, *([link] if link is not None else []), return_exceptions=True)
            if self._recording is not None:
                await self._recording.close()

    async def _wait_for_coordinator(self) -> None:
        """Hold a simulated printer's start until the coordinator is ready, within a limit."""
        limit_s = self._settings.printer.simulated.start_limit_s
        if self.uplink is None or limit_s == 0.0:
            return
        try:
            await asyncio.wait_for(self._ready.wait(), timeout=limit_s)
        except TimeoutError:
            _log.warning("starting_without_coordinator", waited_s=limit_s, cause=self._cause)

    # --- the printer ------------------------------------------------------------------------------------------

    def driver_event(self, event: DriverEvent) -> None:
        """Take in what the printer tells."""
        match event:
            case SpreadingStarted():
                self.status.spreading()
                self._tell(Spreading(layer=event.layer, seconds=event.seconds))
                self._read_ahead(event.layer)
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
                self.status.job_started(self._part.name, self._part.digest, event.layers)
            case JobDone():
                self._journal.end_job(event.reason, dropped=_names(self.keeper))
                self.status.job_done(event.reason)
            case Fault():
                _log.error("printer_fault", cause=event.text)
                self.status.machine_fault(event.text)

    def _read_ahead(self, layer: int) -> None:
        """Have the layer's geometry read from disk while its powder is laid, so that nobody waits for it later."""
        task = asyncio.create_task(asyncio.to_thread(self._part.geometry_of, layer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _layer_ready(self, layer: int) -> None:
        now_s = asyncio.get_running_loop().time()
        self._layer = _Layer(layer, ready_s=now_s)
        limit_s = self._settings.printer.first_cell_limit_ms / 1e3
        self.keeper.start_layer(
            layer, self._driver.windows_s(layer), layout=self._layout_of(layer), deadline_s=now_s + limit_s
        )
        self._set_timer()
        self.status.layer_ready()
        task = asyncio.create_task(self._capture(self._layer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _capture(self, layer: _Layer) -> None:
        limit_s = self._settings.capture.limit_ms / 1e3
        try:
            map_K = await asyncio.wait_for(self._camera.capture(layer.number), timeout=limit_s)
        except (CaptureError, TimeoutError) as error:
            cause = str(error) or f"no frame within {limit_s:g} s"
            map_K, layer.map_from = await asyncio.to_thread(self._map_without_camera, layer.number)
            _log.warning("no_frame", layer=layer.number, cause=cause, map_from=layer.map_from)
            self.status.no_frame(layer.number, cause)
        layer.map_K = map_K
        if self._layer is not layer:  # the layer was over before its frame came
            return
        if self._thinker is not None:
            self._thinker.begin(layer.number, map_K)
            self._think()
        if self._recording is not None:
            self._recording.keep(layer.number, map_K)
        self._start_layer()

    def _map_without_camera(self, layer: int) -> tuple[NDArray[np.float32], str]:
        """Return a stand-in for the map: predicted from the layer below where it fits, else ambient."""
        if self._last is not None:
            below, map_K, printed = self._last
            if self._part.geometry_of(below).number == self._part.geometry_of(layer).number:
                return predict_map(self._part, below, map_K, printed), "predicted"
        elements = self._part.geometry_of(layer).elements
        return np.full(elements, self._part.process.ambient_K, dtype=np.float32), "ambient"

    def _cell_started(self, event: CellStarted) -> None:
        deviated = self.keeper.started(event.cell, event.at_s)
        if self._layer is not None:
            self._layer.printed.append(event.cell)
        if deviated is not None:
            self._tell(deviated)
        self._offer()
        self._set_timer()

    def _cell_finished(self, event: CellFinished) -> None:
        self._tell(self.keeper.finished())
        layer = self._layer
        if layer is None:
            return
        handover = layer.pending.pop(0)
        assert (handover.window, handover.cell) == (event.window, event.cell), "one record per window"
        self._journal.window(
            handover,
            loop_lag_s=self._lag.worst_since_last_s(),
            link_up=self._link_ready,
            cause="" if handover.outcome is Outcome.ON_TIME else self._words(handover.outcome, layer),
        )
        self.status.window(fallback=handover.source == "fallback", uniformity=handover.uniformity)

    def _layer_done(self, event: LayerDone) -> None:
        layer = self._layer
        if layer is None:
            return
        self.keeper.end_layer()
        self._stop_timer()
        starved_ms = round(event.starved_s * 1e3, 3)
        tally = self._journal.end_layer(
            event.layer,
            epochs=self.keeper.epoch,
            starved_ms=starved_ms,
            first_cell_ms=None if layer.first_cell_s is None else round(layer.first_cell_s * 1e3, 3),
            map_from=layer.map_from,
            order=layer.printed,
        )
        self.status.layer_done(event.layer, tally, starved_ms=starved_ms, map_from=layer.map_from)
        self._tell(EndLayer(layer=event.layer, windows=tally.windows, fallbacks=tally.fallbacks))
        if layer.map_K is not None:
            self._last = (layer.number, layer.map_K, layer.printed)
        self._layer = None

    # --- deadlines --------------------------------------------------------------------------------------------

    def _offer(self) -> None:
        """Hand over the next cell if its decision is there."""
        handover = self.keeper.offer(asyncio.get_running_loop().time())
        if handover is not None:
            self._hand_over(handover)

    def _deadline(self, due_s: float) -> None:
        """Hand over the next cell, whatever there is."""
        now_s = asyncio.get_running_loop().time()
        self._lag.note(now_s - due_s)
        self._timer = None
        if self.keeper.deadline_s is not None:
            self._hand_over(self.keeper.take(now_s))

    def _hand_over(self, handover: Handover) -> None:
        self._driver.scan(handover.window, handover.cell)
        self._stop_timer()
        self._think()
        if self._layer is not None:
            self._layer.pending.append(handover)
            if handover.window == 0:
                self._layer.first_cell_s = asyncio.get_running_loop().time() - self._layer.ready_s

    def _think(self) -> None:
        """Let the printer's own SmartScan follow while the coordinator is away, or its decisions run out."""
        if self._thinker is not None and (not self._link_ready or self.keeper.buffered < THINK_BELOW_WINDOWS):
            self._thinker.follow()

    def _layout_of(self, layer: int) -> Layout:
        """Return the layer's layout, kept while layers have the same geometry."""
        geometry = self._part.geometry_of(layer)
        if self._layout is None or self._layout.geometry.number != geometry.number:
            self._layout = Layout(geometry, self._part.process)
        return self._layout

    def _set_timer(self) -> None:
        self._stop_timer()
        deadline_s = self.keeper.deadline_s
        if deadline_s is None:
            return
        loop = asyncio.get_running_loop()
        due_s = deadline_s - WAKE_EARLY_S
        if not self.keeper.printed and not self._link_ready:
            due_s = loop.time()  # nobody is there to wait for: the printer need not stand still
        self._timer = loop.call_at(due_s, self._deadline, due_s)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- the coordinator --------------------------------------------------------------------------------------

    def link_ready(self, ready: JobReady) -> None:
        """The coordinator has the job; a layer in progress is joined anew."""
        _log.info("link", link="up", engine=ready.engine, cells=ready.cells, elements=ready.elements)
        self.keeper.link(up=True)
        self.status.link_up(ready.engine)
        self._ready.set()
        self._start_layer()

    def link_lost(self, cause: RefusedError) -> None:
        """The coordinator is out of reach: the buffer, then the fallback order go on."""
        self.keeper.link(up=False)
        self._cause = str(cause)
        self._set_timer()
        self._think()
        self.status.link_down(self._cause)

    def _link_ended(self, link: asyncio.Task[None]) -> None:
        """Go on without a coordinator should the uplink itself break: that is a bug, and said so."""
        self.keeper.link(up=False)
        if not link.cancelled() and (error := link.exception()) is not None:
            self._cause = f"the uplink stopped: {type(error).__name__}: {error}"
            _log.error("uplink_stopped", cause=self._cause, remedy="restart the agent and report this")
            self.status.link_down(self._cause)

    def link_message(self, message: CoordinatorMessage) -> None:
        """Take in what the coordinator says."""
        match message:
            case Decisions():
                self._decisions(message)
            case Failed():
                self._failed(message)
            case Warm():
                _log.info("warm", layer=message.layer, workers=message.workers, cold=message.cold)
                found = WorkersStatus(message.layer, message.workers, message.cold, message.reloaded)
                self.status.workers_warm(found)
            case Progress():
                self._loading(message)
            case JobReady():
                pass

    def _loading(self, message: Progress) -> None:
        """Log how far the coordinator's loading is, once a second at most."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._say_loading_s or message.done == message.total:
            self._say_loading_s = now_s + 1.0
            _log.info("loading", done=message.done, total=message.total, what=message.what)
            self.status.coordinator_loading(message.done, message.total)

    def _decisions(self, message: Decisions) -> None:
        dropped = self.keeper.decisions(message, asyncio.get_running_loop().time())
        self._offer()
        if not self.keeper.printed:
            self._set_timer()  # the first decision brings the first cell's deadline forward
        unexpected = [drop for drop in dropped if drop.drop is not Drop.PAST_WINDOW]
        if unexpected:
            first = unexpected[0]
            _log.info(
                "decisions_dropped",
                count=len(unexpected),
                layer=first.layer,
                epoch=first.epoch,
                window=first.window,
                cell=first.cell,
                cause=first.drop.value,
            )

    def _failed(self, message: Failed) -> None:
        _log.warning("coordinator_failed", code=message.code, cause=message.message, layer=message.layer)
        self._cause = f"{message.code}: {message.message}"
        layer = self._layer
        if layer is None or message.layer != layer.number:
            return
        layer.refused = self._cause
        if message.code != "bad_map" and layer.rejoins < REJOINS_PER_LAYER_MAX:
            layer.rejoins += 1
            self._start_layer()

    def _start_layer(self) -> None:
        """Start the layer in progress at the coordinator, or join it anew, as soon as link and map are there."""
        layer = self._layer
        if layer is None or layer.map_K is None or not self._link_ready or self.uplink is None:
            return
        epoch, printed = self.keeper.epoch, list(self.keeper.printed)
        if layer.told or epoch or printed:
            rejoin = self.keeper.rejoin()
            if rejoin is None:
                return
            epoch, printed = rejoin.epoch, list(rejoin.printed)
            _log.info("rejoining", layer=layer.number, epoch=epoch, printed=len(printed))
        layer.told, layer.refused = True, ""
        self._tell(StartLayer(layer=layer.number, epoch=epoch, map=Array.of(layer.map_K), printed=printed))

    def _tell(self, message: AgentMessage) -> None:
        if self.uplink is not None:
            self.uplink.tell(message)

    @property
    def _link_ready(self) -> bool:
        return self.uplink is not None and self.uplink.ready

    def _words(self, outcome: Outcome, layer: _Layer) -> str:
        if layer.map_K is None:
            return "the layer's map was not there yet"
        if layer.refused:
            return layer.refused
        if outcome is Outcome.FALLBACK_TIMEOUT:
            return "no decision by the deadline"
        if outcome is Outcome.FALLBACK_REJECTED:
            return "the decision that came was not valid"
        return self._cause


def _names(keeper: WindowKeeper) -> dict[str, int]:
    return {drop.value: count for drop, count in sorted(keeper.dropped.items(), key=lambda item: item[0].value)}
