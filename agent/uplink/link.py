"""One websocket to the coordinator, opened again for ever. Whoever tells it something never waits for the network.

What happens on the link is handed to a listener on the event loop's thread: ready, message, lost.
"""

from __future__ import annotations

import asyncio
import random
from typing import Protocol

import structlog
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from agent.configuration import Uplink as UplinkSettings
from agent.names import Names
from agent.uplink.backoff import Backoff
from agent.uplink.credentials import read_token, tls_context
from agent.uplink.dialling import dial
from agent.uplink.refusals import refusal_of, refused_job
from cosmic.errors import ConfigurationError, ProtocolError, RefusedError
from protocol.limits import SUBPROTOCOL, Limits
from protocol.messages import (
    AgentMessage,
    CloseJob,
    CoordinatorMessage,
    Deviated,
    EndLayer,
    Failed,
    JobReady,
    OpenJob,
    Printed,
    Progress,
    Spreading,
    StartLayer,
)
from protocol.sessions import AgentSession
from protocol.tables import State

_log = structlog.get_logger()

SAY_AGAIN_S = 60.0
"""How often the log repeats that the link is down for the same cause, seconds."""


class LinkListener(Protocol):
    """Who is told what happens on the link."""

    def link_ready(self, ready: JobReady) -> None:
        """The coordinator has the job: layers can be started, or joined anew."""
        ...

    def link_message(self, message: CoordinatorMessage) -> None:
        """A message came."""
        ...

    def link_lost(self, cause: RefusedError) -> None:
        """The coordinator cannot be reached any more, or refused."""
        ...


class Uplink:
    """Keeps a session with the coordinator.

    Attributes:
        ready: True while the coordinator has the job and the connection stands.
        layer: the layer that was started on this connection, None when there is none.
    """

    def __init__(
        self,
        settings: UplinkSettings,
        job: OpenJob,
        listener: LinkListener,
        *,
        seed: int = 0,
        names: Names | None = None,
    ) -> None:
        """Prepare; `run` connects. `names`: looks up the coordinator's; None: the system does.

        Raises ConfigurationError when the token or the certificates cannot be read.
        """
        self.ready = False
        self.layer: int | None = None
        self._settings = settings
        self._job = job
        self._listener = listener
        self._token = read_token(settings)
        self._tls = tls_context(settings)
        self._names = names or Names()
        self._backoff = Backoff(
            settings.backoff_min_s,
            settings.backoff_max_s,
            random.Random(seed),  # noqa: S311  jitter, not a secret
        )
        self._session: AgentSession | None = None
        self._outbox: asyncio.Queue[bytes] = asyncio.Queue(settings.queue_messages)
        self._stalled = False
        self._said: tuple[str, float] | None = None

    async def run(self) -> None:
        """Connect, serve, connect again, until cancelled."""
        while True:
            refusal: RefusedError
            try:
                await self._connect_and_serve()
            except asyncio.CancelledError:
                raise
            except (OSError, TimeoutError, WebSocketException, ProtocolError, RefusedError) as error:
                refusal = refusal_of(error)
            else:
                refusal = RefusedError("closed by the coordinator", code="lost", fatal=False)
            self.ready, self.layer, self._session = False, None, None
            self._listener.link_lost(refusal)
            pause_s = self._backoff.pause_s(fatal=refusal.fatal)
            self._say_down(refusal, pause_s)
            await asyncio.sleep(pause_s)

    def tell(self, message: AgentMessage) -> bool:
        """Send `message` if the link can take it now; return whether it did. Never waits.

        What cannot be sent is not kept: `open_job` and `start_layer` with the printed cells give a coordinator all
        that it needs when the link is back.
        """
        session = self._session
        if session is None or not self.ready or self._stalled or session.state is State.CLOSED:
            return False  # a connection that is being given up takes a second to close
        match message:
            case StartLayer():
                self.layer = message.layer
            case Printed() | Deviated() | EndLayer():
                if message.layer != self.layer:
                    return False
                if isinstance(message, EndLayer):
                    self.layer = None
            case Spreading():
                if session.state is not State.READY:
                    return False
            case _:
                pass
        try:
            self._outbox.put_nowait(session.send(message))
        except asyncio.QueueFull:
            self._stalled = True  # the sender sees it and gives the connection up
            return False
        return True

    async def close(self, reason: str) -> None:
        """Tell the coordinator that the job is over, as far as the link can take it."""
        if not self.tell(CloseJob(job=self._job.job, reason=reason)):
            return
        try:
            await asyncio.wait_for(self._outbox.join(), timeout=self._settings.connect_s)
        except TimeoutError:
            _log.warning("close_job_not_sent", cause="the link took no more messages")

    def _say_down(self, refusal: RefusedError, pause_s: float) -> None:
        """Log a loss once for every cause, and once a minute while it lasts."""
        now_s = asyncio.get_running_loop().time()
        if self._said is not None and self._said[0] == refusal.code and now_s - self._said[1] < SAY_AGAIN_S:
            return
        self._said = (refusal.code, now_s)
        _log.warning("link", link="down", again_in_s=round(pause_s, 3), code=refusal.code, cause=str(refusal))

    async def _read_files(self) -> None:
        """Read token and certificates again: they may have been renewed. What cannot be read leaves what was.

        In a thread, since a disk may take its time and windows have their deadlines.
        """
        settings = self._settings
        if not settings.token_file and self._tls is None:
            return
        try:
            self._token = await asyncio.to_thread(read_token, settings)
            self._tls = await asyncio.to_thread(tls_context, settings)
        except ConfigurationError as error:
            _log.warning("credentials_not_read", cause=str(error))

    async def _connect_and_serve(self) -> None:
        settings = self._settings
        await self._read_files()
        async with dial(settings, self._token, self._tls, self._names) as socket:
            if socket.subprotocol != SUBPROTOCOL:
                raise RefusedError(
                    "the coordinator agreed on no version",
                    code="unknown_version",
                    fatal=True,
                    why=f"this agent speaks {SUBPROTOCOL}",
                    remedy="update the agent or the coordinator",
                )
            session = AgentSession(Limits(agent_message_bytes_max=settings.message_bytes_max))
            self._outbox = asyncio.Queue(settings.queue_messages)
            self._stalled = False
            self._outbox.put_nowait(session.send(self._job))
            sender = asyncio.create_task(self._send_all(socket, self._outbox))
            try:
                await self._receive_all(socket, session)
            except asyncio.CancelledError:  # the connection would tell of an internal error
                over = session.state is State.CLOSED
                await socket.close(*((1000, "job closed") if over else (1001, "the agent ends")))
                raise
            finally:
                session.connection_lost()
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)

    async def _send_all(self, socket: ClientConnection, outbox: asyncio.Queue[bytes]) -> None:
        while not self._stalled:
            await socket.send(await outbox.get())
            outbox.task_done()
        await socket.close(1008, "the coordinator does not read")

    async def _receive_all(self, socket: ClientConnection, session: AgentSession) -> None:
        async for frame in socket:
            try:
                message = session.receive(frame)
            except ProtocolError as error:
                await socket.close(getattr(error, "close_code", 1002), error.what[:100])
                raise
            match message:
                case JobReady():
                    self._session, self.ready = session, True
                    self._backoff.connected()
                    self._said = None
                    self._listener.link_ready(message)
                case Progress():
                    self._listener.link_message(message)
                case Failed() if not self.ready:
                    raise refused_job(message)
                case _:
                    self._listener.link_message(message)
