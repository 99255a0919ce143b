"""Puts the agent together from its configuration and runs it until the job is over or it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from agent.capture import SimulatedCamera
from agent.capture.choose import make_camera
from agent.configuration import AgentConfiguration
from agent.driver import Driver
from agent.driver.choose import ladder_of, make_driver
from agent.journal import Journal
from agent.mqtt import Publisher
from agent.observers import Observers
from agent.part_source import find_part
from agent.plant import Plant
from agent.printing import Printing
from agent.recorder.beginning import make_recorder
from agent.recorder.recorder import Recorder
from agent.reloading import Reloader
from agent.service_manager import Heartbeat
from agent.sparkplug import SparkplugNode
from agent.status import Status
from agent.tally import Tally
from agent.uplink import Uplink
from agent.uplink.credentials import read_token, tls_context
from cosmic.web.missing import check_libraries
from protocol.messages import OpenJob
from thermal.part import Part

if TYPE_CHECKING:
    from agent.capture.registered import RegisteredCamera
    from agent.http.page import Page

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Agent:
    """The parts of an agent, connected.

    Attributes:
        settings: its configuration.
        job: name of the job, and of its recordings.
        started: when the agent started, as a label.
        part: what is printed.
        driver: the printer.
        camera: takes the map of every layer; to be opened before the job runs.
        printing: the job; `printing.observers` takes bystanders.
        status: what bystanders may know.
        recording: keeps the job; None where nothing is kept.
    """

    settings: AgentConfiguration
    job: str
    started: str
    part: Part
    driver: Driver
    camera: SimulatedCamera | RegisteredCamera
    printing: Printing
    status: Status
    recording: Recorder | None


async def run_agent(settings: AgentConfiguration, path: Path | None = None) -> Tally:
    """Print one job and return what it came to. `path`: the configuration's file, which SIGHUP has read again.

    Raises ConfigurationError, PartError or RefusedError when the agent cannot start as configured.
    """
    agent = assemble(settings)
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as beside:
        if agent.recording is not None:
            await beside.enter_async_context(agent.recording)
        if settings.http.port is not None:
            await beside.enter_async_context(_page(agent))
        await beside.enter_async_context(agent.camera)
        await beside.enter_async_context(Heartbeat(agent.status))
        if settings.mqtt.host:
            await beside.enter_async_context(Publisher(settings.mqtt, settings.printer.name, agent.status))
            if settings.mqtt.sparkplug:
                await beside.enter_async_context(SparkplugNode(settings.mqtt, settings.printer.name, agent.status))
        printing = agent.printing
        await beside.enter_async_context(Reloader(path, settings, printing.reconfigure, printing.observers))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop, agent, number)
        try:
            await agent.printing.run()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
    return agent.printing.tally


def assemble(settings: AgentConfiguration) -> Agent:
    """Return the parts of an agent, connected and not yet running.

    Raises ConfigurationError, PartError or RefusedError when the agent cannot start as configured.
    """
    part = find_part(settings, read_token(settings.uplink), tls_context(settings.uplink))
    named = settings.fallback.order
    started = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")  # a label: nothing is decided by it
    job = settings.printer.job or f"{part.name}-{started}"
    plant = Plant(part, settings.capture.residual)
    driver = make_driver(settings.printer, part, plant)
    ladder = ladder_of(driver, [named] if isinstance(named, str) else named, settings.fallback.seed)
    camera = make_camera(settings.capture, part, plant)
    status = Status(job)
    observers = Observers(Journal(job, settings.printer.guard_ms / 1e3), status)
    recording = make_recorder(settings, job, part, observers)
    printing = Printing(settings, part, driver, camera, ladder, observers)
    if settings.uplink.url:
        opening = _open_job(settings, part, job)
        printing.coordinator.uplink = Uplink(settings.uplink, opening, printing.coordinator)
    where = "" if recording is None else str(recording.path)
    _log.info("starting", job=job, part=part.name, digest=part.digest, recording=where)
    return Agent(settings, job, started, part, driver, camera, printing, status, recording)


def _page(agent: Agent) -> Page:
    """Return the live page. Raises ConfigurationError where the extra `http` is missing or its settings are off."""
    check_libraries()
    from agent.http.beside import page_beside  # noqa: PLC0415  an extra

    settings, printing = agent.settings, agent.printing
    return page_beside(settings, agent.part, agent.driver, printing, agent.status, agent.recording)


def _open_job(settings: AgentConfiguration, part: Part, job: str) -> OpenJob:
    return OpenJob(
        job=job,
        part=part.digest,
        printer=settings.printer.name,
        lookahead=None if settings.printer.whole else settings.uplink.lookahead,
        rule=settings.uplink.rule,
    )


def _stop(agent: Agent, number: signal.Signals) -> None:
    agent.printing.stop(number.name)
