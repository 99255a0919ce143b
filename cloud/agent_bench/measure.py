"""Measures an agent as a plant runs it: a machine on its socket, recording, live page, coordinator, MQTT."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from cloud.access.tokens import TokenFile
from cloud.agent_bench.machine import Machine
from cloud.agent_bench.usage import usage_of
from cloud.demo.stage import command
from cosmic.errors import CosmicError
from thermal.building import build_from_outline
from thermal.part import Part, write_part
from thermal.shapes import outline_of

START_LIMIT_S = 60.0
SETTLE_S = 2.0
SHAPE, LAYERS_MAX = "segmented-gear", 1000


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent used in one phase: memory at its end, processor over it."""

    resident_mb: float
    own_mb: float
    cpu_percent: float
    descriptors: int
    seconds: float


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A figure beside what it must not exceed."""

    what: str
    value: float
    limit: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        return self.value < self.limit


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured."""

    elements: int
    cells: int
    window_ms: float
    starts_s: list[float]
    idle: Phase
    printing: Phase
    with_mqtt: bool

    def targets(self) -> list[Target]:
        """Return the figures that matter, beside their limits."""
        return [
            Target(what="start to ready", value=min(self.starts_s), limit=2.0, unit="s"),
            Target(what="idle, resident", value=self.idle.resident_mb, limit=80.0, unit="MB"),
            Target(what="idle, of a core", value=self.idle.cpu_percent, limit=1.0, unit="%"),
            Target(what="printing, resident", value=self.printing.resident_mb, limit=150.0, unit="MB"),
            Target(what="printing, of a core", value=self.printing.cpu_percent, limit=10.0, unit="%"),
        ]


def measure(
    *, area_cm2: float, seconds: float, starts: int, mqtt: str, told: Callable[[str], None] = lambda _text: None
) -> Figures:
    """Return the figures of an agent whose layers have `area_cm2`.

    Args:
        area_cm2: of the layer, cm2: 16 has 40,000 elements.
        seconds: how long each phase is measured.
        starts: how often it is started.
        mqtt: `host:port` of a broker, empty for none.
        told: what is being done.

    Raises:
        CosmicError: a process does not start, or ends.
    """
    with tempfile.TemporaryDirectory(prefix="cosmic-bench-") as name:
        folder = Path(name)
        told("preparing the part")
        part = write_part(
            build_from_outline(outline_of(SHAPE, area_cm2), SHAPE, layers=LAYERS_MAX), folder / "parts/it"
        )
        geometry = part.geometry_of(0)
        windows_s = [int(length) * part.process.step_s for length in geometry.lengths]
        with _coordinator(folder) as port:
            config = _configure(folder, part, port, mqtt)
            starts_s = []
            for number in range(starts):
                told(f"start {number + 1} of {starts}")
                with _agent(folder, config) as (agent, ready_s):
                    starts_s.append(ready_s)
                    if number + 1 < starts:
                        continue
                    told("idle")
                    time.sleep(SETTLE_S)
                    idle = _phase(agent.pid, lambda: time.sleep(seconds))
                    told("printing")
                    layers = max(1, round(seconds / sum(windows_s)))
                    machine = Machine(folder / "printer.sock", layers, windows_s)
                    printing = _phase(agent.pid, machine.print_job)
                    machine.close()
    return Figures(
        elements=geometry.elements,
        cells=len(geometry.cells),
        window_ms=round(1e3 * sum(windows_s) / len(windows_s), 2),
        starts_s=[round(each, 3) for each in starts_s],
        idle=idle,
        printing=printing,
        with_mqtt=bool(mqtt),
    )


def _phase(pid: int, phase: Callable[[], None]) -> Phase:
    before, began_s = usage_of(pid), time.monotonic()
    phase()
    after, took_s = usage_of(pid), time.monotonic() - began_s
    return Phase(
        resident_mb=round(after.resident_mb, 1),
        own_mb=round(after.own_mb, 1),
        cpu_percent=round(100.0 * (after.cpu_s - before.cpu_s) / took_s, 2),
        descriptors=after.descriptors,
        seconds=round(took_s, 1),
    )


@contextmanager
def _coordinator(folder: Path) -> Iterator[int]:
    """Run a coordinator; give its port."""
    tokens = TokenFile(folder / "tokens.json")
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(tokens.add("bench"))
    ready = folder / "coordinator.ready"
    config = folder / "coordinator.toml"
    config.write_text(
        f'[listen]\nport = 0\n[parts]\ndirectory = "{folder / "parts"}"\n[tokens]\nfile = "{tokens.path}"\n'
    )
    words = [command("cosmic-cloud"), "serve", "--config", str(config), "--ready-file", str(ready)]
    with _running(words, folder / "coordinator.log", {}) as process:
        until_s = time.monotonic() + START_LIMIT_S
        while not ready.exists():
            _check(process, until_s, folder / "coordinator.log", "the coordinator")
            time.sleep(0.02)
        yield int(msgspec.json.decode(ready.read_bytes())["port"])


@contextmanager
def _agent(folder: Path, config: Path) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """Run the agent; give it and how long it took to be ready, as it tells its service manager, seconds."""
    address = folder / "notify"
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(0.2)
        began_s = time.monotonic()
        words = [command("cosmic-agent"), "run", "--config", str(config)]
        with _running(words, folder / "agent.log", {"NOTIFY_SOCKET": str(address)}) as process:
            said = b""
            while said != b"READY=1":
                _check(process, began_s + START_LIMIT_S, folder / "agent.log", "the agent")
                try:
                    said = manager.recv(4096)
                except TimeoutError:
                    continue
            yield process, time.monotonic() - began_s


@contextmanager
def _running(words: list[str], log: Path, more: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COSMIC_")}
    with log.open("ab") as said:
        process = subprocess.Popen(words, stdout=said, stderr=said, env={**clean, **more})  # noqa: S603
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _check(process: subprocess.Popen[bytes], until_s: float, log: Path, what: str) -> None:
    if process.poll() is None and time.monotonic() < until_s:
        return
    said = log.read_text(errors="replace").strip().splitlines()
    raise CosmicError(f"{what} did not start", why=said[-1] if said else "", remedy="run it by hand")


def _configure(folder: Path, part: Part, port: int, mqtt: str) -> Path:
    """Write the agent's configuration, everything enabled; return its file."""
    host, _, broker_port = mqtt.partition(":")
    sections: dict[str, dict[str, Any]] = {
        "printer": {"name": "bench", "part": str(part.folder), "job": "bench", "driver": "socket"},
        "printer.socket": {"path": str(folder / "printer.sock")},
        "uplink": {"url": f"ws://127.0.0.1:{port}/v1/agent", "token_file": str(folder / "token")},
        "recording": {"directory": str(folder / "recordings")},
        "http": {"port": 0},
        "mqtt": {"host": host, "port": int(broker_port or 1883)} if mqtt else {},
        "log": {"pretty": False},
    }
    lines = []
    for name, values in sections.items():
        lines += [f"[{name}]", *(f"{key} = {msgspec.json.encode(value).decode()}" for key, value in values.items())]
    config = folder / "agent.toml"
    config.write_text("\n".join(lines) + "\n")
    return config
