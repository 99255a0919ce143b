"""Puts the agent together from its configuration and runs it until the job is over or it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from datetime import UTC, datetime
from pathlib import Path

import structlog

from agent.capture import SimulatedCamera
from agent.configuration import AgentConfiguration
from agent.driver.simulated import SimulatedPrinter
from agent.journal import Journal, Tally
from agent.mqtt import Publisher
from agent.part_source import find_part
from agent.plant import Plant
from agent.printing import Printing
from agent.recording import MapRecording
from agent.service_manager import Heartbeat
from agent.status import Status
from agent.uplink import Uplink
from agent.uplink.credentials import read_token, tls_context
from fallback import make_ladder
from protocol.messages import OpenJob
from thermal.part import Part

_log = structlog.get_logger()


async def run_agent(settings: AgentConfiguration) -> Tally:
    """Print one job and return what it came to.

    Raises ConfigurationError, PartError or RefusedError when the agent cannot start as configured.
    """
    printing, journal, driver = assemble(settings)
    status = printing.status
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as beside:
        await beside.enter_async_context(Heartbeat(status))
        if settings.mqtt.host:
            await beside.enter_async_context(Publisher(settings.mqtt, settings.printer.name, status))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop, driver, status, number)
        try:
            await printing.run()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
    return journal.job


def assemble(settings: AgentConfiguration) -> tuple[Printing, Journal, SimulatedPrinter]:
    """Return the parts of an agent, connected and not yet running."""
    part = find_part(settings, read_token(settings.uplink), tls_context(settings.uplink))
    named = settings.fallback.order
    ladder = make_ladder([named] if isinstance(named, str) else named, settings.fallback.seed)
    started = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")  # a label: nothing is decided by it
    job = settings.printer.job or f"{part.name}-{started}"
    plant = Plant(part, settings.capture.residual)
    driver = SimulatedPrinter(part, settings.printer.simulated, plant)
    camera = SimulatedCamera(plant, noise_K=settings.capture.noise_K, seed=settings.capture.seed)
    journal = Journal(job, settings.printer.guard_ms / 1e3)
    recording = _recording(settings, job, started)
    printing = Printing(settings, part, driver, camera, ladder, journal, recording)
    printing.status = Status(job)
    if settings.uplink.url:
        printing.uplink = Uplink(settings.uplink, _open_job(settings, part, job), printing)
    _log.info("starting", job=job, part=part.name, digest=part.digest, recording=_folder(recording))
    return printing, journal, driver


def _open_job(settings: AgentConfiguration, part: Part, job: str) -> OpenJob:
    return OpenJob(
        job=job,
        part=part.digest,
        printer=settings.printer.name,
        lookahead=settings.uplink.lookahead,
        rule=settings.uplink.rule,
    )


def _recording(settings: AgentConfiguration, job: str, started: str) -> MapRecording | None:
    if not settings.recording.directory:
        return None
    folder = Path(settings.recording.directory) / job / started
    return MapRecording(folder, settings.recording.bytes_max)


def _folder(recording: MapRecording | None) -> str:
    return "" if recording is None else str(recording.folder)


def _stop(driver: SimulatedPrinter, status: Status, number: signal.Signals) -> None:
    status.stopping(number.name)
    _log.warning("stopping", cause=number.name, remedy="the job ends after this layer")
    driver.abort(f"stopped by {number.name}")
