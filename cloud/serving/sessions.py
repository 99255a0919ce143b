"""One printer's connection: its messages in, the job's part and layers, messages out.

What may come when, and what it means for the layer, is protocol.sessions; what to decide is the controller.
Nothing that a peer sends gets further than its own connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, cast

import structlog
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from cloud.configuration import CoordinatorSettings
from cloud.deciding.controller import LayerController
from cloud.engines import WarmReport
from cloud.invocation.keepwarm import KeepWarm
from cloud.parts import UnknownPart
from cloud.parts.pool import PartPool, PoolFull
from cloud.serving.glances import Glance, Picture, glance_of
from cloud.serving.layers import LayerLoop
from cloud.serving.ledger import Ledger
from cloud.serving.outbox import Outbox
from cloud.serving.places import Place
from cloud.serving.warming import Warming
from cloud.sharing.admission import Overloaded
from cosmic.errors import ConfigurationError, CosmicError, EngineError, PartError, RemoteProtocolError
from protocol.codec import CLOSE_POLICY_VIOLATION
from protocol.limits import MESSAGE_LENGTH_MAX
from protocol.messages import (
    AgentMessage,
    CloseJob,
    Deviated,
    EndLayer,
    Failed,
    FailureCode,
    JobReady,
    OpenJob,
    Printed,
    Progress,
    Spreading,
    StartLayer,
    Warm,
)
from protocol.sessions import CoordinatorSession, LayerRefusal
from protocol.tables import State

if TYPE_CHECKING:
    from cloud.parts.prepared import PreparedPart

CLOSE_NORMAL = 1000
CLOSE_GOING_AWAY = 1001
CLOSE_INTERNAL_ERROR = 1011
CLOSE_TRY_AGAIN_LATER = 1013


MESSAGE_SLACK_BYTES = 256 * 1024
"""What a message may have beside a map and a list of cells of twice the part's largest layer."""


class PrinterSession:
    """The job of `printer` (as its token says) on `connection`."""

    def __init__(
        self,
        connection: ServerConnection,
        printer: str,
        pool: PartPool,
        settings: CoordinatorSettings,
        ledger: Ledger | None = None,
        place: Place | None = None,
    ) -> None:
        """Prepare; `run` serves. `place`: among the coordinator's jobs; None: there are no others."""
        self.printer = printer
        self._place = Place.alone(settings.limits) if place is None else place
        self._ledger = Ledger() if ledger is None else ledger
        self._connection = connection
        self._pool = pool
        self._settings = settings
        self._session = CoordinatorSession(settings.limits)
        self._outbox = Outbox(connection, self._session)
        self._prepared: PreparedPart | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._warming: Warming | None = None
        self._layer: LayerLoop | None = None
        self._layer_task: asyncio.Task[None] | None = None
        self._layer_outcome = "given up"
        self._map = b""
        self._started = 0
        self._begun_s = float("-inf")
        self._log = structlog.get_logger().bind(printer=printer)

    async def run(self) -> None:
        """Serve the connection until it is closed by either side."""
        self._spawn(self._outbox.run)
        self._ledger.connected(self.printer, self)
        try:
            await self._guarded(self._receive)
        finally:
            self._session.connection_lost()
            self._end_layer("connection lost")
            self._ledger.disconnected(self.printer, self)
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            job = self._session.job
            if self._prepared is not None and job is not None:
                self._pool.release(job.part)
            self._place.left(asyncio.get_running_loop().time())
            self._log.info(
                "disconnected",
                close_code=self._connection.protocol.close_code,
                close_reason=self._connection.protocol.close_reason,
            )

    async def shut_down(self) -> None:
        """Tell the printer that this coordinator ends, and close."""
        self._end_layer("shutting down")
        self._post(Failed(code="shutting_down", message="the coordinator is shutting down"))
        await self._outbox.finish(CLOSE_GOING_AWAY, "shutting down")

    def cut(self, why: str) -> None:
        """Close the connection; the printer may not come back with the token it has."""
        self._log.warning("cut", cause=why)
        self._end_layer("cut")
        self._spawn(lambda: self._connection.close(CLOSE_POLICY_VIOLATION, why))

    async def refuse(self, code: FailureCode, why: str, close_code: int) -> None:
        """Say why this connection cannot be served, and close it."""
        self._log.warning("refused", code=code, cause=why)
        self._ledger.refused(self.printer, code, why)
        self._end_layer("refused")
        self._post(Failed(code=code, message=why[:MESSAGE_LENGTH_MAX]))
        await self._outbox.finish(close_code, f"{code}: {why}")

    async def _receive(self) -> None:
        limit_s = self._settings.limits.open_job_s
        try:
            async with asyncio.timeout(limit_s):
                frame = await self._connection.recv()
        except TimeoutError:
            await self.refuse("limit", f"no open_job within {limit_s:g} s", CLOSE_POLICY_VIOLATION)
            return
        while True:
            try:
                message = self._session.receive(frame)
                if message is not None and not self._received(message):
                    await self._outbox.finish(CLOSE_NORMAL, "job closed")
                    return
            except LayerRefusal as refusal:
                self._given_up(refusal)
            except RemoteProtocolError as error:
                await self.refuse(cast("FailureCode", error.code), str(error), error.close_code)
                return
            await self._outbox.room()
            await self._held_back()
            frame = await self._connection.recv()

    async def _held_back(self) -> None:
        """Read more slowly from a printer that sends more than it may; nothing of it is lost.

        One that begins more layers than it prints is read again once those who have less time have had their turns:
        a map costs the loop's thread as much as several windows.
        """
        wait_s = self._place.rates.wait_s(asyncio.get_running_loop().time(), layers=self._started)
        self._started = 0
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        if self._begun_s > asyncio.get_running_loop().time():
            turns = self._pool.executor.turns.threads
            await turns.take(self._begun_s)
            turns.give_back()

    def _received(self, message: AgentMessage) -> bool:
        """Follow one message; return False when the job is over."""
        if self._warming is not None:
            self._warming.heard()
        match message:
            case OpenJob():
                self._log = self._log.bind(job=message.job)
                self._spawn(lambda: self._open(message))
            case Spreading():
                self._spreading(message)
            case StartLayer():
                self._start_layer(message)
            case Printed() | Deviated():
                if isinstance(message, Printed):
                    self._ledger.printed(self.printer, message.source)
                if self._layer is not None:
                    self._layer.changed()
            case EndLayer():
                self._end_layer("ended", windows_printed=message.windows, fallbacks=message.fallbacks)
            case CloseJob():
                self._end_layer("job closed")
                if self._warming is not None:
                    self._warming.schedule.closed()
                self._log.info("job_closed", reason=message.reason, **self._bill_figures())
                self._ledger.job_closed(self.printer)
                self._place.close()
                return False
        return True

    # --- the job ----------------------------------------------------------------------------------------

    async def _open(self, job: OpenJob) -> None:
        if job.printer != self.printer:
            why = f"the token belongs to printer '{self.printer}', the job to '{job.printer}'"
            await self.refuse("unknown_job", why, CLOSE_POLICY_VIOLATION)
            return

        def progress(done: int, total: int, what: str) -> None:
            if self._session.state is State.OPENING:
                self._post(Progress(job=job.job, done=done, total=total, what=what))

        try:
            prepared = await self._pool.open(job.part, progress)
        except UnknownPart as error:
            await self.refuse("unknown_part", str(error), CLOSE_NORMAL)
        except PartError as error:
            await self.refuse("unknown_part", f"the part cannot be used: {error}", CLOSE_NORMAL)
        except PoolFull as error:
            await self.refuse("busy", str(error), CLOSE_TRY_AGAIN_LATER)
        except EngineError as error:
            await self.refuse("engine_failed", str(error), CLOSE_INTERNAL_ERROR)
        else:
            self._prepared = prepared
            await self._ready(job, prepared)

    async def _ready(self, job: OpenJob, prepared: PreparedPart) -> None:
        try:
            prepared.scan(0, job.rule)
        except ConfigurationError as error:
            await self.refuse("bad_message", str(error), CLOSE_POLICY_VIOLATION)
            return
        try:
            self._place.take(job.job, job.part, prepared, asyncio.get_running_loop().time())
        except Overloaded as error:
            await self.refuse("busy", str(error), CLOSE_TRY_AGAIN_LATER)
            return
        elements, cells = prepared.largest
        self._place.accept_up_to(MESSAGE_SLACK_BYTES + 2 * (4 * elements + 5 * cells))
        self._session.layer_size = prepared.size
        engine = self._settings.engine
        schedule = KeepWarm(engine.warm_interval_s, engine.warm_silence_s)
        self._warming = Warming(schedule, prepared.engine, self._bill_key(job), self._warm)
        self._spawn(self._warming.run)
        self._ledger.job_opened(self.printer, job.job)
        self._log.info(
            "job_opened",
            part=prepared.part.name,
            digest=job.part,
            elements=elements,
            cells=cells,
            engine=prepared.engine.name,
            lookahead=job.lookahead,
            rule=job.rule,
        )
        self._post(
            JobReady(
                job=job.job,
                cells=cells,
                elements=elements,
                engine=prepared.engine.name,
                lookahead=job.lookahead,
            )
        )

    def _spreading(self, message: Spreading) -> None:
        assert self._prepared is not None
        if self._prepared.size(message.layer) is None:
            raise RemoteProtocolError(
                f"spreading for layer {message.layer}",
                why="the part has no such layer",
                remedy="open the job with the part that is being printed",
                close_code=CLOSE_POLICY_VIOLATION,
            )
        assert self._warming is not None
        self._warming.spreading(message.layer)

    def _warm(self, layer: int, report: WarmReport) -> None:
        self._log.info("warm", layer=layer, workers=report.workers, cold=report.cold, reloaded=report.reloaded)
        self._ledger.warm(self.printer, layer, report)
        self._post(Warm(layer=layer, workers=report.workers, cold=report.cold, reloaded=report.reloaded))

    # --- the layer --------------------------------------------------------------------------------------

    def _start_layer(self, message: StartLayer) -> None:
        self._end_layer("started again")
        self._started += 1
        if self._warming is not None:
            self._warming.schedule.layer_began()
        prepared, session = self._prepared, self._session
        assert prepared is not None
        assert session.job is not None
        scan = prepared.scan(message.layer, session.job.rule)
        geometry = prepared.part.geometry_of(message.layer)
        self._begun_s = self._place.begun(asyncio.get_running_loop().time(), geometry.elements)
        controller = LayerController(
            scan,
            geometry.lengths,
            scan.theta_from_map(message.map.to_numpy()),
            layer=message.layer,
            epoch=message.epoch,
            printed=message.printed,
            windows_reported=session.windows_reported,
            lookahead=session.job.lookahead,
            snapshot_bytes_max=self._settings.engine.snapshot_bytes_max,
            predictor=prepared.predictor(scan),
        )
        work = prepared.engine.begin_layer(geometry.number, self._bill_key(session.job))
        self._layer = LayerLoop(
            controller,
            session,
            work,
            self._outbox,
            self._given_up,
            self._ledger,
            self._place.due_s,
            self._place.spent,
            self._pool.executor.turns.tally,
        )
        self._map = message.map.data
        self._layer_task = self._spawn(self._layer.run)

    def _given_up(self, reason: LayerRefusal | EngineError) -> None:
        """Let go of a layer that cannot be decided on: `failed`, and the connection lives on."""
        if isinstance(reason, LayerRefusal):
            code, layer = cast("FailureCode", reason.code), reason.layer
        else:
            assert self._layer is not None
            code, layer = "engine_failed", self._layer.controller.layer
        self._ledger.refused(self.printer, code, str(reason))
        self._log.warning("layer_refused", layer=layer, code=code, cause=str(reason))
        current = self._session.layer
        self._end_layer(code)
        if current is not None and current != layer:  # a peer that mixes layers up: it starts again as well
            self._post(Failed(code="unknown_layer", message="send start_layer again", layer=current))
        self._post(Failed(code=code, message=str(reason)[:MESSAGE_LENGTH_MAX], layer=layer))

    def _end_layer(self, outcome: str, **figures: int) -> None:
        """Stop deciding on the layer in progress, if there is one, and write its canonical line."""
        layer, task = self._layer, self._layer_task
        self._layer = self._layer_task = None
        if layer is None or task is None:
            return
        layer.stop()
        if task is not asyncio.current_task():
            task.cancel()
        summary = {**figures, **layer.summary()}
        self._log.info("layer", layer=layer.controller.layer, outcome=outcome, **summary)
        self._ledger.layer_ended(self.printer, layer.controller.layer, outcome, summary)

    def _bill_key(self, job: OpenJob) -> str:
        """Return by what an engine knows the job: it goes on over connections."""
        return f"{self.printer}/{job.job}"

    def _bill_figures(self) -> dict[str, float | int | str]:
        """Return what the closed job has cost, for the log; nothing where nothing is billed."""
        job = self._session.job
        if job is None or self._prepared is None:
            return {}
        bill = self._prepared.engine.bill(self._bill_key(job))
        if bill is None:
            return {}
        self._ledger.billed(self.printer, bill)
        return bill.figures()

    # --- for who looks on -------------------------------------------------------------------------------

    def glance(self) -> Glance:
        """Return how the connection is now."""
        job = self._session.job
        key = "" if job is None else self._bill_key(job)
        return glance_of(
            self._session, self._prepared, None if self._layer is None else self._layer.controller, key
        )

    def picture(self) -> Picture | None:
        """Return the layer being decided, None between layers."""
        if self._layer is None or self._prepared is None:
            return None
        controller = self._layer.controller
        geometry = self._prepared.part.geometry_of(controller.layer)
        return Picture(geometry, list(controller.order), self._session.windows_reported, self._map)

    # --- tasks ------------------------------------------------------------------------------------------

    def _post(self, message: Failed | JobReady | Progress | Warm) -> None:
        if self._session.state is not State.CLOSED or isinstance(message, Failed):
            self._outbox.post(message)

    def _spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Begin `work`, called once it runs: of what is cancelled before that there is nothing left to end."""
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except ConnectionClosed:
            pass
        except Exception as error:  # noqa: BLE001 - a bug met by one job must not end the others
            self._log.exception("internal_error")
            what = str(error) if isinstance(error, CosmicError) else "internal error, see the coordinator's log"
            await self.refuse("engine_failed", what, CLOSE_INTERNAL_ERROR)
