"""A whole agent beside a broker that dies and one that stands still: the part is printed as without."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.configuration import AgentConfiguration, Mqtt, Printer, Simulated
from agent.service import run_agent
from tests.agent.mqtt.broker import Broker


def configuration(broker: Broker, folder: Path) -> AgentConfiguration:
    return AgentConfiguration(
        printer=Printer(
            name="m1",
            part=str(folder),
            job="job-1",
            simulated=Simulated(layers=2, spreading_s=0.05, time_scale=8.0),
        ),
        mqtt=Mqtt(host="127.0.0.1", port=broker.port, interval_s=0.0, answer_s=0.3, backoff_max_s=0.2),
    )


async def order_printed(settings: AgentConfiguration, during: Any = None) -> list[tuple[int, int]]:
    """Print, and return layer and cell of every window."""
    with capture_logs() as lines:
        async with asyncio.TaskGroup() as group:
            printing = group.create_task(run_agent(settings))
            if during is not None:
                group.create_task(during())
    assert printing.result().windows == 72
    return [(line["layer"], line["cell"]) for line in lines if line["event"] == "window"]


@pytest.mark.parametrize("trouble", ["absent", "killed", "stopped"])
async def test_the_broker_changes_nothing_of_what_is_printed(
    broker: Broker, square_folder: Path, trouble: str
) -> None:
    settings = configuration(broker, square_folder)

    undisturbed = await order_printed(AgentConfiguration(printer=settings.printer))
    if trouble == "absent":
        assert await order_printed(settings) == undisturbed
        return
    broker.start()

    async def printing_then_trouble() -> None:
        await broker.read("cosmic/site/m1/state", lambda seen: seen is not None and seen["state"] == "printing")
        if trouble == "killed":
            broker.kill()
        else:
            broker.signal(signal.SIGSTOP)

    assert await order_printed(settings, printing_then_trouble) == undisturbed


async def test_a_job_is_told_from_its_start_to_its_end(broker: Broker, square_folder: Path) -> None:
    broker.start()
    await order_printed(configuration(broker, square_folder))
    assert await broker.read("cosmic/site/m1/status") == "offline"
    job = await broker.read("cosmic/site/m1/job")
    assert (job["job"], job["layers_done"], job["windows"], job["reason"]) == ("job-1", 2, 72, "all layers printed")
    state = await broker.read("cosmic/site/m1/state")
    assert state["state"] == "idle"
