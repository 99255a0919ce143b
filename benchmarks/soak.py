"""Printers on one coordinator with faults all the time: memory, descriptors and what was printed must stay right.

    make soak MINUTES=20 [PRINTERS=3] [SEED=1]

Real processes (`cosmic-cloud serve`, one `cosmic-agent run` a printer) with recordings and live pages; with an MQTT
broker where mosquitto is installed. A seeded schedule resets, cuts, stalls and swallows connections, stops them
for a while, and kills the broker and one of the agents again and again. At the end every recording is read.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.recorder.reading import read
from agent.recorder.shelf import recordings_in
from benchmarks.soak_figures import Sample, flat, plot, write_csv
from cloud.agent_bench.usage import usage_of
from cosmic.commands import console
from tests.agent.mqtt.broker import Broker
from tests.faults.peers import no_broker
from tests.faults.processes import Ended, Process
from tests.faults.stage import QUICK, Stage, make_part
from tests.faults.verdict import layer_follows
from thermal.part import Part

SAMPLE_S = 2.0
SAY_S = 15.0
ORDERS_CHECKED = 10
"""Layers of every printer whose order is compared with SmartScan's: comparing takes longer than printing."""

ENOUGH_LAYERS = 20_000


@dataclass(slots=True)
class Soak:
    """One soak.

    Attributes:
        stages: the printers; the first one's coordinator serves them all, the last one's agent is killed.
        samples: what the processes used.
        faults: how often each fault was made.
        struck: when, seconds since the beginning, and what.
    """

    stages: list[Stage]
    generator: random.Random
    broker: Broker | None
    began_s: float
    samples: list[Sample] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    struck: list[tuple[float, str]] = field(default_factory=list)

    @property
    def coordinator(self) -> Process:
        """The coordinator of all."""
        return self.stages[0].coordinator

    async def strike(self) -> None:
        """Make one fault, drawn from the schedule."""
        name = self.generator.choice(list(FAULTS))
        if name.startswith("broker") and self.broker is None:
            return
        self.faults[name] += 1
        self.struck.append((time.monotonic() - self.began_s, name))
        await FAULTS[name](self, self.generator.choice(self.stages))

    def sample(self) -> None:
        """Note what every process uses."""
        at_s = time.monotonic() - self.began_s
        for name, process in self.processes():
            with contextlib.suppress(OSError):
                if process.returncode is None:
                    self.samples.append(Sample(at_s, name, process.pid, usage_of(process.pid)))

    def processes(self) -> list[tuple[str, Process]]:
        """Return all processes by name."""
        return [("coordinator", self.coordinator), *((stage.printer, stage.agent) for stage in self.stages)]


async def _reset(_soak: Soak, stage: Stage) -> None:
    stage.proxy.reset()


async def _cut_up(_soak: Soak, stage: Stage) -> None:
    stage.proxy.cut_in_frame("up")


async def _cut_down(_soak: Soak, stage: Stage) -> None:
    stage.proxy.cut_in_frame("down")


async def _swallow(_soak: Soak, stage: Stage) -> None:
    stage.proxy.swallow()


async def _black_hole(soak: Soak, stage: Stage) -> None:
    stage.proxy.swallow(new=True)
    await asyncio.sleep(soak.generator.uniform(0.5, 3.0))
    stage.proxy.go_on()


async def _stall(soak: Soak, stage: Stage) -> None:
    stage.proxy.stall(soak.generator.choice(("up", "down")))
    await asyncio.sleep(soak.generator.uniform(0.1, 2.0))
    stage.proxy.go_on()


async def _delay(soak: Soak, stage: Stage) -> None:
    stage.proxy.delay_s = soak.generator.choice((0.0, 0.03, 0.1))


async def _refuse(soak: Soak, stage: Stage) -> None:
    await stage.proxy.refuse()
    stage.proxy.reset()
    await asyncio.sleep(soak.generator.uniform(0.2, 2.0))
    await stage.proxy.listen()


async def _stop_coordinator(soak: Soak, _stage: Stage) -> None:
    await _stopped(soak.coordinator, soak.generator.uniform(0.1, 1.5))


async def _stop_agent(soak: Soak, stage: Stage) -> None:
    await _stopped(stage.agent, soak.generator.uniform(0.05, 0.5))


async def _kill_agent(soak: Soak, _stage: Stage) -> None:
    victim = soak.stages[-1]
    await victim.agent.kill()
    await victim.start_agent()


async def _kill_broker(soak: Soak, _stage: Stage) -> None:
    assert soak.broker is not None
    soak.broker.kill()
    await asyncio.sleep(soak.generator.uniform(0.1, 1.0))
    await asyncio.to_thread(soak.broker.start)


async def _stop_broker(soak: Soak, _stage: Stage) -> None:
    assert soak.broker is not None
    soak.broker.signal(signal.SIGSTOP)
    await asyncio.sleep(soak.generator.uniform(0.2, 2.0))
    soak.broker.signal(signal.SIGCONT)


async def _stopped(process: Process, seconds: float) -> None:
    process.signal(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    process.signal(signal.SIGCONT)


FAULTS = {
    "reset": _reset,
    "cut-up": _cut_up,
    "cut-down": _cut_down,
    "half-open": _swallow,
    "black-hole": _black_hole,
    "stall": _stall,
    "delay": _delay,
    "refuse": _refuse,
    "coordinator-stop": _stop_coordinator,
    "agent-stop": _stop_agent,
    "agent-kill": _kill_agent,
    "broker-kill": _kill_broker,
    "broker-stop": _stop_broker,
}


async def soak(folder: Path, part: Part, minutes: float, printers: int, seed: int) -> tuple[Soak, list[str]]:
    """Run it; return it and what is wrong."""
    broker = None if no_broker() else Broker(folder / "broker")
    if broker is not None:
        broker.start()
    pace = replace(QUICK, layers=ENOUGH_LAYERS, time_scale=2.0, lookahead=8)
    first = Stage(folder / "printer-1", part, pace)
    first.coordinator_sections["http"] = {"port": 0}
    others = [
        Stage(folder / name, part, pace, printer=name, port=first.port, tokens=first.tokens)
        for name in (f"printer-{number}" for number in range(2, printers + 1))
    ]
    running = Soak([first, *others], random.Random(seed), broker, time.monotonic())  # noqa: S311  faults, no secrets
    try:
        async with contextlib.AsyncExitStack() as entered:
            for stage in running.stages:
                if broker is not None:
                    stage.agent_sections["mqtt"] = {"host": "127.0.0.1", "port": broker.port}
                await entered.enter_async_context(stage)
            await first.start_coordinator()
            for stage in running.stages:
                await stage.start_agent()
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(_watch(running, minutes * 60.0))
                await _strike_until(running, minutes * 60.0)
                await watching
            wrong = await _end(running)
    finally:
        if broker is not None:
            broker.kill()
    return running, wrong


async def _strike_until(running: Soak, seconds: float) -> None:
    while time.monotonic() - running.began_s < seconds:
        await asyncio.sleep(running.generator.uniform(0.5, 3.0))
        await running.strike()


async def _watch(running: Soak, seconds: float) -> None:
    said_s = 0.0
    while (at_s := time.monotonic() - running.began_s) < seconds:
        running.sample()
        if at_s - said_s >= SAY_S:
            said_s = at_s
            console().print(_line(running, at_s, seconds))
        await asyncio.sleep(SAMPLE_S)


def _line(running: Soak, at_s: float, seconds: float) -> str:
    latest = {sample.name: sample.usage for sample in running.samples[-len(running.stages) - 1 :]}
    memory = ", ".join(f"{name} {use.resident_mb:.1f} MB {use.descriptors} fd" for name, use in latest.items())
    windows = sum(stage.agent.counted["window"] for stage in running.stages)
    return f"{at_s:.0f} of {seconds:.0f} s: {windows} windows, {sum(running.faults.values())} faults; {memory}"


async def _end(running: Soak) -> list[str]:
    """Have every agent finish its layer; return what is wrong with how they end."""
    wrong = []
    for stage in running.stages:
        stage.proxy.go_on()
        stage.agent.signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(stage.agent.ended(), 60.0)
        except (TimeoutError, Ended):
            code = -1
        if code:
            wrong.append(f"{stage.printer} ended with {code}: {stage.agent.stderr[-200:]}")
    for name, process in running.processes():
        if "Traceback" in process.stderr:
            wrong.append(f"{name} wrote a traceback: {process.stderr[-300:]}")
    return wrong


def check_recordings(running: Soak, part: Part) -> tuple[dict[str, Any], list[str]]:
    """Read every recording; return what is in them, and what is wrong."""
    wrong: list[str] = []
    sums: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for stage in running.stages:
        for path in recordings_in(stage.recordings):
            recording = read(path)
            sums["recordings"] += 1
            wrong += [f"{path.name}: {each}" for each in recording.problems if each.kind in ("lost", "damaged")]
            by_layer: dict[int, list[int]] = {}
            for window in recording.windows:
                by_layer.setdefault(window.layer, []).append(window.cell)
                outcomes[window.outcome] += 1
            whole = {event.layer for _, event in recording.events if event.kind == "layer_done"}
            for layer, cells in by_layer.items():
                sums["layers"] += layer in whole
                if len(set(cells)) != len(cells) or (layer in whole and len(cells) != part.size_of(layer)[1]):
                    wrong.append(f"{stage.printer}, layer {layer}: not every cell exactly once")
            some = sorted(layer for layer in whole if layer in recording.maps and layer in by_layer)
            for layer in some[:: max(1, len(some) // ORDERS_CHECKED)]:
                sums["orders checked"] += 1
                if not layer_follows(part, recording, layer):
                    wrong.append(f"{stage.printer}, layer {layer}: decided cells are not SmartScan's")
    return {**sums, "windows": outcomes}, wrong


def main() -> int:
    """Run it; return 1 where something is not flat or not right."""
    given = _words().parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    folder = given.output / time.strftime("%Y%m%d-%H%M%S")
    part = make_part(folder / "parts" / "square", replace(QUICK, layers=ENOUGH_LAYERS))
    running, wrong = asyncio.run(soak(folder, part, given.minutes, given.printers, given.seed))
    contents, broken = check_recordings(running, part)
    verdicts = flat(running.samples, victims={running.stages[-1].printer})
    wrong += broken + [one.text for one in verdicts if not one.flat]
    write_csv(folder / "usage.csv", running.samples)
    plot(folder / "usage.png", running.samples, running.struck)
    document = {
        "minutes": given.minutes,
        "printers": given.printers,
        "seed": given.seed,
        "faults": running.faults,
        "recorded": contents,
        "processes": [one.as_dict() for one in verdicts],
        "wrong": wrong,
    }
    (folder / "soak.json").write_text(json.dumps(document, indent=2) + "\n")
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    console().print(f"{folder / 'usage.csv'}, {folder / 'usage.png'}")
    return int(bool(wrong))


def _words() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--minutes", type=float, default=2.0)
    words.add_argument("--printers", type=int, default=3)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--output", type=Path, default=Path("build/soak"), help="folder for figures and recordings")
    return words


if __name__ == "__main__":
    sys.exit(main())
