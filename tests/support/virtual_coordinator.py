"""A coordinator in the test's own process: the real session and SmartScan, decisions after a set time each.

Stands where the uplink stands. The connection can be cut and restored, and decisions held back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from agent.uplink import LinkListener
from cosmic.errors import RefusedError
from protocol.codec import decode_coordinator_message
from protocol.messages import (
    AgentMessage,
    Decisions,
    Deviated,
    EndLayer,
    Failed,
    JobReady,
    Message,
    OpenJob,
    Printed,
    StartLayer,
)
from protocol.sessions import AgentSession, CoordinatorSession, LayerRefusal
from thermal.operators import Polynomial
from thermal.part import Part
from thermal.smartscan import SmartScan


class VirtualCoordinator:
    """Decides as SmartScan does, `decide_s` seconds a window, `delay_s` away, at most `lookahead` windows ahead."""

    def __init__(
        self,
        part: Part,
        listener: LinkListener,
        *,
        decide_s: float = 0.002,
        delay_s: float = 0.005,
        lookahead: int | None = None,
    ) -> None:
        self.ready = False
        self.decide_s = decide_s
        self.heard: list[Message] = []
        self.mend: Callable[[Decisions], Decisions] = lambda decisions: decisions
        self.session = CoordinatorSession()
        self._agent = AgentSession()
        self._part = part
        self._listener = listener
        self._delay_s = delay_s
        self._lookahead = lookahead
        self._deciding: asyncio.Task[None] | None = None
        self._told = asyncio.Event()
        self._operators: dict[int, Polynomial] = {}
        self._connection = 0

    async def run(self) -> None:
        """Connect and stay until cancelled."""
        self.connect()
        await asyncio.Event().wait()

    async def close(self, reason: str) -> None:
        """Nothing is left to be told."""

    def connect(self) -> None:
        """Open a session and have the job ready after a round trip."""
        self._connection += 1
        self.session, self._agent = CoordinatorSession(), AgentSession()
        opening = OpenJob(job="job", part=self._part.digest, printer="printer", lookahead=self._lookahead)
        self.session.receive(self._agent.send(opening))
        self.session.layer_size = lambda layer: (
            self._part.geometry_of(layer).elements,
            len(self._part.geometry_of(layer).cells),
        )
        geometry = self._part.geometry_of(0)
        self._send(JobReady(job="job", cells=len(geometry.cells), elements=geometry.elements, engine="virtual"))

    def cut(self, cause: str = "cut") -> None:
        """Lose the connection at once."""
        self._connection += 1
        self.ready = False
        self._stop_deciding()
        self._listener.link_lost(RefusedError(cause, code="lost", fatal=False))

    def fail(self, message: Failed) -> None:
        """Tell the agent that something failed."""
        self._stop_deciding()
        self._send(message)

    def tell(self, message: AgentMessage) -> bool:
        """Take what the agent says; it is here after the delay."""
        if not self.ready:
            return False
        if isinstance(message, Printed | Deviated | EndLayer) and self._agent.state.value != "layer":
            return False
        frame = self._agent.send(message)
        asyncio.get_running_loop().call_later(self._delay_s, self._hear, frame, self._connection)
        return True

    def _hear(self, frame: bytes, connection: int) -> None:
        if connection != self._connection:
            return
        try:
            message = self.session.receive(frame)
        except LayerRefusal as refusal:
            self.fail(Failed(code=refusal.code, message=refusal.what, layer=refusal.layer))  # type: ignore[arg-type]
            return
        if message is None:
            return
        self.heard.append(message)
        match message:
            case StartLayer() | Deviated():
                if isinstance(message, StartLayer):
                    self._map_K = message.map.to_numpy()
                self._stop_deciding()
                self._deciding = asyncio.create_task(self._decide(message.layer, list(message.printed)))
            case EndLayer():
                self._stop_deciding()
            case _:
                self._told.set()

    async def _decide(self, layer: int, printed: list[int]) -> None:
        geometry = self._part.geometry_of(layer)
        operator = self._operators.setdefault(geometry.number, Polynomial(geometry, self._part.process))
        scan = SmartScan(geometry, self._part.process)
        theta = scan.theta_from_map(self._map_K)
        scanned = np.zeros(len(geometry.cells), dtype=np.bool_)
        for window in range(len(geometry.cells)):
            if window < len(printed):
                cell = printed[window]
            else:
                while self._lookahead is not None and window > self.session.windows_reported + self._lookahead:
                    self._told.clear()
                    await self._told.wait()
                await asyncio.sleep(self.decide_s)  # virtual: what the decision would take
                cell = scan.choose(theta, scanned)
                self._send(
                    self.mend(
                        Decisions(
                            layer=layer,
                            epoch=self.session.epoch,
                            first_window=window,
                            cells=[cell],
                            compute_ms=[self.decide_s * 1e3],
                        )
                    )
                )
            scanned[cell] = True
            theta = scan.advance(operator.apply(int(geometry.lengths[cell]), theta), cell)

    def _stop_deciding(self) -> None:
        if self._deciding is not None:
            self._deciding.cancel()
            self._deciding = None

    def _send(self, message: Message) -> None:
        frame = self.session.send(message)  # type: ignore[arg-type]
        asyncio.get_running_loop().call_later(self._delay_s, self._deliver, frame, self._connection)

    def _deliver(self, frame: bytes, connection: int) -> None:
        if connection != self._connection:
            return
        decode_coordinator_message(frame, 1 << 20)
        message = self._agent.receive(frame)
        if isinstance(message, JobReady):
            self.ready = True
            self._listener.link_ready(message)
        else:
            self._listener.link_message(message)
