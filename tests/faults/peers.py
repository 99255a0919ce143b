"""Faults of the processes: coordinator, its workers, agent and broker are killed, stopped, absent or stuck."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

import psutil

from tests.agent.mqtt.broker import Broker
from tests.faults.processes import Process
from tests.faults.row import ALL_OF_IT, REFUSED, Row, Worst, middle
from tests.faults.stage import BLOCKS, PRINTER, Stage

MACHINE = Path(__file__).with_name("machine.py")
AGENT_STARTS_S = 6.0
"""Room for an agent to start on a busy machine, seconds."""

BLOCKING = """
import signal, time
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(3600.0))
"""
"""Read by Python at its start: from then on SIGUSR1 blocks the main thread, and with it the event loop, alone."""

WATCHDOG_S = 1.0


WORKER_ANEW = Worst("apply_timeout (2 s) + start of a worker (3 s)", lambda _up: 2.0 + 3.0)
"""A product that does not come is waited for; then another process takes the worker's place."""


async def coordinator_killed(stage: Stage) -> None:
    """Killed in a layer, and started anew at once."""
    stage.url = stage.direct
    await middle(stage)
    stage.strikes()
    await stage.coordinator.kill()
    await stage.start_coordinator()
    stage.over()


def coordinator_stopped(seconds: float) -> Row:
    """Return the row of a coordinator that stands still for `seconds`."""

    async def story(stage: Stage) -> None:
        stage.url = stage.direct
        await middle(stage)
        stage.strikes()
        stage.coordinator.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        stage.coordinator.signal(signal.SIGCONT)
        stage.over()

    name = f"coordinator-stop-{seconds:g}"
    return Row(name, f"coordinator stands still for {seconds:g} s (SIGSTOP)", story, ALL_OF_IT)


async def agent_stopped(stage: Stage) -> None:
    """The agent stands still for 300 ms beside a machine that does not."""
    await with_machine(stage)
    stage.strikes()
    stage.agent.signal(signal.SIGSTOP)
    await asyncio.sleep(0.3)
    stage.agent.signal(signal.SIGCONT)
    stage.over()


async def agent_killed(stage: Stage) -> None:
    """The agent is killed beside a machine that goes on, and started anew at once, as systemd does."""
    await with_machine(stage)
    stage.strikes()
    await stage.agent.kill()
    await stage.start_agent()
    stage.over()


async def loop_blocked(stage: Stage) -> None:
    """The agent's loop is blocked: its service manager hears no more of it, and starts it anew."""
    (stage.folder / "sitecustomize.py").write_text(BLOCKING)
    address = stage.folder / "notify"
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(address))
    manager.setblocking(False)
    stage.agent_environment |= {
        "PYTHONPATH": str(stage.folder),
        "NOTIFY_SOCKET": str(address),
        "WATCHDOG_USEC": f"{WATCHDOG_S * 1e6:.0f}",
    }
    with manager:
        await with_machine(stage)
        await heard(manager, b"READY=1")
        stage.strikes()
        stage.agent.signal(signal.SIGUSR1)
        await silence(manager, WATCHDOG_S)
        stage.agent.signal(signal.SIGABRT)  # what systemd does then
        await stage.agent.ended()
        await stage.start_agent()
        stage.over()
        await stage.job_ends()


async def heard(manager: socket.socket, message: bytes) -> None:
    """Wait for a message to the service manager."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(30.0):
        while await loop.sock_recv(manager, 4096) != message:
            pass


async def silence(manager: socket.socket, seconds: float) -> None:
    """Wait until nothing has come to the service manager for `seconds`."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            await asyncio.wait_for(loop.sock_recv(manager, 4096), seconds)
        except TimeoutError:
            return


async def with_machine(stage: Stage) -> None:
    """Start all with a machine of its own process on the agent's socket; wait for the moment."""
    path = stage.folder / "printer.sock"
    stage.agent_sections["printer"] = {"driver": "socket", "socket.path": str(path)}
    await stage.start_coordinator()
    await stage.start_agent()
    await stage.agent.event("socket_driver")
    await stage.agent.event("link", link="up")
    machine = Process("machine", stage.folder)
    stage.beside.append(machine)
    words = ["--layers", str(stage.pace.layers), "--cell-ms", f"{40.0 / stage.pace.time_scale:g}"]
    await machine.start([sys.executable, str(MACHINE), str(path), *words, "--spreading-s", "0.2"])
    await stage.window(0, 20)


def broker(trouble: str) -> Row:
    """Return the row of a broker in `trouble`; its state is right within 5 s of its return."""

    async def story(stage: Stage) -> None:
        at = Broker(stage.folder / "broker")
        stage.agent_sections["mqtt"] = {"host": "127.0.0.1", "port": at.port}
        if trouble != "absent":
            at.start()
        try:
            await middle(stage)
            stage.strikes()
            if trouble == "killed":
                at.kill()
                at.start()
            elif trouble == "stopped":
                at.signal(signal.SIGSTOP)
                await stage.window(0, 50)
                at.signal(signal.SIGCONT)
            if trouble != "absent":
                topic = f"cosmic/site/{PRINTER}/"
                async with asyncio.timeout(5.0):
                    await at.read(topic + "status", lambda seen: seen == "online")
                    await at.read(topic + "state", lambda seen: seen is not None and seen["state"] == "printing")
            await stage.job_ends()
        finally:
            at.signal(signal.SIGCONT) if trouble == "stopped" else None
            at.kill()

    words = {"killed": "killed and started anew", "stopped": "stands still (SIGSTOP)", "absent": "never there"}
    return Row(f"broker-{trouble}", f"MQTT broker {words[trouble]}", story, missing=no_broker)


def no_broker() -> str:
    """Return why there is no broker here."""
    there = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    return "" if there else "mosquitto is not installed"


def worker(trouble: signal.Signals) -> Row:
    """Return the row of a worker process of the engine `local` that is killed or stands still."""

    async def story(stage: Stage) -> None:
        stage.coordinator_sections["engine"] = {
            "name": "local",
            "blocks_rows": BLOCKS[0],
            "blocks_columns": BLOCKS[1],
        }
        await middle(stage)
        workers = psutil.Process(stage.coordinator.pid).children()
        struck = next(each for each in workers if "worker" in " ".join(each.cmdline()))
        stage.strikes()
        os.kill(struck.pid, trouble)
        await stage.job_ends()
        assert struck.pid not in {each.pid for each in _children(stage)}, "the worker was replaced"

    words = "is killed (kill -9)" if trouble is signal.SIGKILL else "stands still (SIGSTOP)"
    name = f"worker-{trouble.name[3:].lower()}"
    return Row(name, f"a worker of engine local {words}", story, WORKER_ANEW, dense=True)


def _children(stage: Stage) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(stage.coordinator.pid).children()
    return [each for each in found if each.status() != psutil.STATUS_ZOMBIE]


AGENT_ANEW = Worst(
    f"start ({AGENT_STARTS_S:g} s) + backoff_min + rejoin", lambda up: AGENT_STARTS_S + up.backoff_min_s + 1.5
)
"""From when the agent is started anew."""

ROWS = [
    Row("coordinator-kill", "coordinator killed (kill -9) and started anew", coordinator_killed, REFUSED),
    coordinator_stopped(0.5),
    coordinator_stopped(5.0),
    Row("agent-stop", "agent stands still for 300 ms (SIGSTOP), the machine goes on", agent_stopped),
    Row(
        "agent-kill",
        "agent killed (kill -9) and started anew, the machine goes on",
        agent_killed,
        AGENT_ANEW,
        retold=True,
    ),
    Row("loop-blocked", "agent's loop blocked; restarted by the watchdog", loop_blocked, AGENT_ANEW, retold=True),
    broker("killed"),
    broker("stopped"),
    broker("absent"),
    worker(signal.SIGKILL),
    worker(signal.SIGSTOP),
]
