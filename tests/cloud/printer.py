"""What stands in for a printer's agent in these tests: a real socket, the agent's session, and nothing clever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect

from cloud.access.tokens import TokenFile
from cloud.configuration import CoordinatorSettings, EngineSettings, Listen, Parts, Tokens
from cloud.serving.server import Coordinator
from protocol.limits import Limits
from protocol.messages import (
    AgentMessage,
    Array,
    CoordinatorMessage,
    Decisions,
    JobReady,
    OpenJob,
    Progress,
    StartLayer,
)
from protocol.sessions import AgentSession
from thermal.part import Part

_Kind = TypeVar("_Kind", bound=msgspec.Struct)

PRINTERS = ("press-1", "press-2")


@dataclass
class Running:
    """A coordinator that listens, and a token for each of PRINTERS."""

    coordinator: Coordinator
    tokens: dict[str, str]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.coordinator.port}"

    def connect(self, printer: str = "press-1", **changes: Any) -> connect:
        """Return the connection of `printer`, to be entered; `changes`: arguments of websockets' connect."""
        return dial(self.address, self.tokens[printer], **changes)


def dial(address: str, token: str, *, tls: bool = False, **changes: Any) -> connect:
    """Return a connection to a coordinator, to be entered."""
    options: dict[str, Any] = {
        "subprotocols": ["cosmic.v1"],
        "compression": None,
        "additional_headers": {"Authorization": f"Bearer {token}"},
        "proxy": None,
        "max_size": 2**20,
    }
    return connect(f"{'wss' if tls else 'ws'}://{address}/v1/agent", **{**options, **changes})


@asynccontextmanager
async def start(
    parts: Path,
    folder: Path,
    *,
    engine: EngineSettings | None = None,
    limits: Limits | None = None,
    **of_parts: Any,
) -> AsyncIterator[Running]:
    """Run a coordinator in this process; its tokens are in `folder`."""
    tokens = TokenFile(folder / "tokens.json")
    given = {printer: tokens.add(printer, replace=True) for printer in PRINTERS}
    settings = CoordinatorSettings(
        listen=Listen(port=0),
        parts=Parts(directory=str(parts), **of_parts),
        tokens=Tokens(file=str(tokens.path)),
        engine=engine or EngineSettings(),
        limits=limits or Limits(),
    )
    coordinator = Coordinator(settings)
    await coordinator.start()
    try:
        yield Running(coordinator, given)
    finally:
        await coordinator.stop()


class Printer:
    """A printer on an open connection."""

    def __init__(self, socket: ClientConnection, name: str = "press-1") -> None:
        self.socket = socket
        self.name = name
        self.session = AgentSession()

    async def tell(self, message: AgentMessage) -> None:
        await self.socket.send(self.session.send(message))

    async def hear(self) -> CoordinatorMessage:
        return self.session.receive(await self.socket.recv())

    async def hear_a(self, kind: type[_Kind]) -> _Kind:
        """Return the next message of `kind`; only progress and decisions may come before it."""
        while True:
            message = await self.hear()
            if isinstance(message, kind):
                return message
            assert isinstance(message, Progress | Decisions), message

    async def open(self, part: Part, **changes: Any) -> JobReady:
        values: dict[str, Any] = {"job": "job", "part": part.digest, "printer": self.name, **changes}
        await self.tell(OpenJob(**values))
        return await self.hear_a(JobReady)

    async def start_layer(
        self, layer: int, map_K: NDArray[np.float32], epoch: int = 0, printed: Sequence[int] = ()
    ) -> None:
        await self.tell(StartLayer(layer=layer, epoch=epoch, map=Array.of(map_K), printed=list(printed)))

    async def decided(self, printed: Sequence[int], until: int, epoch: int = 0) -> list[int]:
        """Return `printed` with the decisions after it, up to window `until`; those of older epochs pass by."""
        order = list(printed)
        while len(order) < until:
            message = await self.hear_a(Decisions)
            if message.epoch == epoch:
                assert message.first_window == len(order)
                order += message.cells
        return order
