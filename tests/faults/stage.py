"""What a fault strikes: a coordinator and an agent as real processes, with a proxy between them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import msgspec
from shapely.geometry import box

from agent.configuration import Uplink
from cloud.access.tokens import TokenFile
from tests.faults.processes import Process, command
from tests.support.proxy import Proxy
from thermal.building import build_from_outline
from thermal.operators import write_blocks
from thermal.part import Part, write_part
from thermal.process import Process as PrintProcess

PRINTER = "printer-1"
BLOCKS = (2, 1)
"""Workers of engine `local`: rows and columns."""

LOOK_S = 0.1
"""How often the agent's state is looked at."""

Sections = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the job goes, and the agent's settings that recovery follows from.

    Attributes:
        side_mm: side of the square part, mm: islands of 0.8 mm.
        layers: layers printed.
        time_scale: how many times faster than 40 ms a window.
        lookahead: windows decided ahead, None for the whole layer.
        uplink: ping, back-off and connect times.
    """

    side_mm: float = 9.6
    layers: int = 3
    time_scale: float = 1.0
    lookahead: int | None = 8
    uplink: Uplink = field(default_factory=Uplink)


QUICK = Pace(
    side_mm=6.4,
    layers=2,
    uplink=Uplink(backoff_max_s=0.5, connect_s=1.0, ping_interval_s=0.4, ping_timeout_s=1.2),
)
"""For tests: seconds a row."""

USUAL = Pace()
"""For the matrix: the agent's own settings."""


@dataclass(slots=True)
class Seen:
    """What a person could see of the agent: states in order, alarms by kind with their last words."""

    states: list[str] = field(default_factory=list)
    alarms: dict[str, str] = field(default_factory=dict)

    def take(self, state: dict[str, Any]) -> None:
        """Take in one answer of `/api/state`."""
        if not self.states or self.states[-1] != state["state"]:
            self.states.append(state["state"])
        self.alarms |= {alarm["kind"]: alarm["text"] for alarm in state["alarms"]}


def make_part(folder: Path, pace: Pace, *, dense: bool = False) -> Part:
    """Write the part to `folder`, and return it. `dense`: with matrices for engine `local`."""
    side = pace.side_mm
    process = PrintProcess(element_m=2e-4, speed_m_s=0.08, spreading_s=0.2)
    part = build_from_outline(box(0, 0, side, side), "square", process, layers=pace.layers, island_mm=0.8)
    written = write_part(part, folder)
    if dense:
        for geometry in written.geometries:
            write_blocks(folder, written.digest, geometry, written.process, blocks=BLOCKS)
    return written


class Stage:
    """A coordinator, a proxy and an agent; `async with` it, then start what is needed.

    Attributes:
        proxy: between agent and coordinator.
        coordinator: its process.
        agent: its process.
        agent_sections: what the agent's configuration has beside the usual; the coordinator's likewise.
        agent_through: words before the agent's command, for example to limit it; the coordinator's likewise.
        agent_environment: variables of the agent.
        url: how the agent reaches the coordinator, set beforehand; empty: through the proxy.
        seen: what a person could see of the agent.
        beside: other processes, ended with the stage.
        struck_s: when the fault began, loop time; None before it did.
        over_s: when the fault was over; None while it lasts.
    """

    def __init__(
        self,
        folder: Path,
        part: Part,
        pace: Pace,
        *,
        printer: str = PRINTER,
        port: int | None = None,
        tokens: Path | None = None,
    ) -> None:
        """Prepare. `port`, `tokens`: of a coordinator that another stage starts; None: one's own."""
        self.folder, self.part, self.pace, self.printer = folder, part, pace, printer
        self.tokens = tokens or folder / "tokens.json"
        self.agent_sections: Sections = {}
        self.coordinator_sections: Sections = {}
        self.agent_through: list[str] = []
        self.coordinator_through: list[str] = []
        self.agent_environment: dict[str, str] = {}
        self.url = ""
        self.seen = Seen()
        self.beside: list[Process] = []
        self.struck_s: float | None = None
        self.over_s: float | None = None
        self.port = free_port() if port is None else port
        self.proxy = Proxy(self.port)
        self.recordings = folder / "recordings"
        folder.mkdir(parents=True, exist_ok=True)
        token = folder / "token"
        token.touch(mode=0o600)
        token.write_text(TokenFile(self.tokens).add(printer, replace=True))
        self.coordinator = Process("coordinator", folder)
        self.agent = Process("agent", folder)
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.proxy.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        for process in (*self.beside, self.agent, self.coordinator):
            await process.end(wait_s=3.0)
        await self.proxy.__aexit__(*error)

    @property
    def direct(self) -> str:
        """The coordinator's address without the proxy."""
        return f"ws://127.0.0.1:{self.port}/v1/agent"

    # --- processes --------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start coordinator and agent."""
        await self.start_coordinator()
        await self.start_agent()

    async def start_coordinator(self) -> None:
        """Start the coordinator, and wait until it listens."""
        config = self.folder / "coordinator.toml"
        write_toml(config, merged(self._coordinator(), self.coordinator_sections))
        before = len(self.coordinator.lines)
        await self.coordinator.start(
            [*self.coordinator_through, command("cosmic-cloud"), "serve", "--config", str(config)]
        )
        await self.coordinator.event("listening", after=before)

    async def start_agent(self) -> None:
        """Start the agent, and look at what it shows from now on."""
        config = self.folder / "agent.toml"
        write_toml(config, merged(self._agent(), self.agent_sections))
        if self._looking is not None:
            self._looking.cancel()
        after = len(self.agent.lines)
        await self.agent.start(
            [*self.agent_through, command("cosmic-agent"), "run", "--config", str(config)], self.agent_environment
        )
        self._looking = asyncio.create_task(self._look(after))

    async def window(self, layer: int, window: int) -> None:
        """Wait until a window has ended."""
        await self.agent.event("window", layer=layer, window=window)

    async def job_ends(self) -> None:
        """Wait until the agent has ended."""
        await asyncio.wait_for(self.agent.ended(), timeout=120.0)

    # --- the fault --------------------------------------------------------------------------------------------

    def strikes(self) -> None:
        """The fault begins now."""
        self.struck_s = asyncio.get_running_loop().time()

    def over(self) -> None:
        """The fault is over now."""
        self.over_s = asyncio.get_running_loop().time()

    # --- configuration ----------------------------------------------------------------------------------------

    def _coordinator(self) -> Sections:
        assert self.part.folder is not None
        return {
            "listen": {"port": self.port},
            "parts": {"directory": str(self.part.folder.parent)},
            "tokens": {"file": str(self.tokens)},
            "log": {"format": "json"},
        }

    def _agent(self) -> Sections:
        pace, up = self.pace, self.pace.uplink
        uplink: dict[str, Any] = {
            "url": self.url or f"ws://127.0.0.1:{self.proxy.port}/v1/agent",
            "token_file": str(self.folder / "token"),
            "backoff_min_s": up.backoff_min_s,
            "backoff_max_s": up.backoff_max_s,
            "connect_s": up.connect_s,
            "ping_interval_s": up.ping_interval_s,
            "ping_timeout_s": up.ping_timeout_s,
        }
        if pace.lookahead is not None:
            uplink["lookahead"] = pace.lookahead
        return {
            "printer": {"name": self.printer, "part": str(self.part.folder), "job": "job"},
            "printer.simulated": {"time_scale": pace.time_scale, "start_limit_s": 30.0},
            "capture": {"seed": 1},
            "uplink": uplink,
            "recording": {"directory": str(self.recordings)},
            "http": {"port": 0},
            "log": {"pretty": False},
        }

    async def _look(self, after: int) -> None:
        """Look at the agent's state again and again, as its page does."""
        url = (await self.agent.event("http", after=after))["url"]
        while True:
            with contextlib.suppress(OSError, msgspec.DecodeError):
                self.seen.take(await asyncio.to_thread(_state, url))
            await asyncio.sleep(LOOK_S)


def _state(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}api/state", timeout=1.0) as answer:
        state: dict[str, Any] = json.load(answer)
        return state


def merged(sections: Sections, more: Sections) -> Sections:
    """Return `sections` with the values of `more`; a value None takes the key away."""
    names = list(dict.fromkeys([*sections, *more]))
    found = {name: {**sections.get(name, {}), **more.get(name, {})} for name in names}
    return {
        name: {key: value for key, value in values.items() if value is not None} for name, values in found.items()
    }


def write_toml(path: Path, sections: Sections) -> None:
    """Write a configuration."""
    lines: list[str] = []
    for name, values in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in values.items()]
    path.write_text("\n".join(lines) + "\n")


def free_port() -> int:
    """Return a port that is free now: who comes back does so on the same one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
