"""The coordinator's side of the printing: what it says goes to the keeper, what it must hear goes to the uplink."""

from __future__ import annotations

import asyncio

import structlog

from agent.keeper import Drop, Outcome, WindowKeeper
from agent.observers import (
    CoordinatorConfigured,
    CoordinatorFailed,
    CoordinatorLoading,
    DecisionReceived,
    LinkChanged,
    Observers,
    OrderLeft,
    WorkersWarm,
)
from agent.printing.deadlines import Deadlines
from agent.printing.layer import Layer
from agent.uplink import Uplink
from cosmic.errors import RefusedError
from protocol.messages import (
    AgentMessage,
    Array,
    CoordinatorMessage,
    Decisions,
    Failed,
    JobReady,
    Progress,
    StartLayer,
    Warm,
)

_log = structlog.get_logger()

REJOINS_PER_LAYER_MAX = 3
"""How often a layer is offered again to a coordinator that says it does not know it."""


class CoordinatorSide:
    """Listens to the uplink.

    Attributes:
        uplink: the connection, None for a printer that prints on its own.
        cause: why no decision can come, in words.
        ready: set when the coordinator first had the job.
        deadlines: who hands cells over.
    """

    deadlines: Deadlines

    def __init__(self, keeper: WindowKeeper, observers: Observers) -> None:
        self.uplink: Uplink | None = None
        self.cause = "no coordinator is configured"
        self.ready = asyncio.Event()
        self._keeper = keeper
        self._observers = observers
        self._say_loading_s = 0.0
        self._running: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """True while the coordinator has the job and the connection stands."""
        return self.uplink is not None and self.uplink.ready

    def begin(self) -> None:
        """Connect, and stay connected, beside the printing."""
        if self.uplink is not None:
            self.cause = "the coordinator has not answered yet"
            self._running = asyncio.create_task(self.uplink.run())
            self._running.add_done_callback(self._ended)
            self._observers.tell(CoordinatorConfigured())

    async def end(self) -> None:
        """Connect no more."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def tell(self, message: AgentMessage) -> None:
        """Send `message`, if there is somebody to hear it. Returns at once."""
        if self.uplink is not None:
            self.uplink.tell(message)

    def start_layer(self) -> None:
        """Start the layer in progress at the coordinator, or join it anew, as soon as link and map are there."""
        layer = self.deadlines.layer
        if layer is None or layer.map_K is None or not self.up:
            return
        epoch, printed = self._keeper.epoch, self._keeper.printed
        if layer.told or epoch or printed:
            rejoin = self._keeper.rejoin()
            if rejoin is None:
                return
            epoch, printed = rejoin.epoch, rejoin.printed
            _log.info("rejoining", layer=layer.number, epoch=epoch, printed=len(printed))
            self._observers.tell(OrderLeft(layer.number, epoch, printed, rejoined=True))
        layer.told, layer.refused = True, ""
        self.tell(StartLayer(layer=layer.number, epoch=epoch, map=Array.of(layer.map_K), printed=list(printed)))

    def words(self, outcome: Outcome, layer: Layer, window: int) -> str:
        """Return why `window` of `layer` fell back."""
        if outcome is Outcome.FALLBACK_MACHINE and window in layer.unasked:
            return "the machine scanned it before this agent had handed a cell over: before its start, or unasked"
        if outcome is Outcome.FALLBACK_MACHINE:
            return "the machine scanned another cell than it was handed"
        if layer.map_K is None:
            return "the layer's map was not there yet"
        if layer.refused:
            return layer.refused
        if outcome is Outcome.FALLBACK_TIMEOUT:
            return "no decision by the deadline"
        if outcome is Outcome.FALLBACK_REJECTED:
            return "the decision that came was not valid"
        return self.cause

    # --- told by the uplink -----------------------------------------------------------------------------------

    def link_ready(self, ready: JobReady) -> None:
        """The coordinator has the job; a layer in progress is joined anew."""
        _log.info("link", link="up", engine=ready.engine, cells=ready.cells, elements=ready.elements)
        self._keeper.link(up=True)
        self._observers.tell(LinkChanged(up=True, engine=ready.engine, cause=""))
        self.ready.set()
        self.start_layer()

    def link_lost(self, cause: RefusedError) -> None:
        """The coordinator is out of reach: the buffer, then the fallback order go on."""
        self._keeper.link(up=False)
        self.cause = str(cause)
        self.deadlines.set_timer()
        self.deadlines.think()
        self._observers.tell(LinkChanged(up=False, engine="", cause=self.cause))

    def link_message(self, message: CoordinatorMessage) -> None:
        """Take in what the coordinator says."""
        match message:
            case Decisions():
                self._decisions(message)
            case Failed():
                self._failed(message)
            case Warm():
                _log.info("warm", layer=message.layer, workers=message.workers, cold=message.cold)
                self._observers.tell(WorkersWarm(message.layer, message.workers, message.cold, message.reloaded))
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
            self._observers.tell(CoordinatorLoading(message.done, message.total))

    def _decisions(self, message: Decisions) -> None:
        came_s = asyncio.get_running_loop().time()
        dropped = self._keeper.decisions(message, came_s)
        self.deadlines.offer()
        if not self._keeper.printed:
            self.deadlines.set_timer()  # the first decision brings the first cell's deadline forward
        drops = {drop.window: drop.drop for drop in dropped}
        for offset, cell in enumerate(message.cells):
            window = message.first_window + offset
            self._observers.tell(
                DecisionReceived(
                    layer=message.layer,
                    epoch=message.epoch,
                    window=window,
                    cell=cell,
                    uniformity=message.uniformity[offset] if message.uniformity is not None else None,
                    compute_ms=message.compute_ms[offset] if message.compute_ms else None,
                    drop=drops.get(window),
                    at_s=came_s,
                )
            )
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
        self.cause = f"{message.code}: {message.message}"
        self._observers.tell(CoordinatorFailed(message.code, message.message, message.layer))
        layer = self.deadlines.layer
        if layer is None or message.layer != layer.number:
            return
        layer.refused = self.cause
        if message.code != "bad_map" and layer.rejoins < REJOINS_PER_LAYER_MAX:
            layer.rejoins += 1
            self.start_layer()

    def _ended(self, running: asyncio.Task[None]) -> None:
        """Go on without a coordinator should the uplink itself break: that is a bug, and said so."""
        self._keeper.link(up=False)
        if not running.cancelled() and (error := running.exception()) is not None:
            self.cause = f"the uplink stopped: {type(error).__name__}: {error}"
            _log.error("uplink_stopped", cause=self.cause, remedy="restart the agent and report this")
            self._observers.tell(LinkChanged(up=False, engine="", cause=self.cause))
