"""What the service manager hears, on a real datagram socket."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.service_manager import Heartbeat
from agent.status import Status
from cosmic.notify import STATUS_BYTES_MAX, Notifier
from tests.support import virtual_time


class Manager:
    """Hears as systemd does."""

    def __init__(self, address: str) -> None:
        self.name = address.replace("\0", "@", 1)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)

    def heard(self, wait_s: float = 0.0) -> list[str]:
        """Return what came since the last call, waiting for the first at most `wait_s` seconds."""
        select.select([self._socket], [], [], wait_s)
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()

    def environment(self, **more: str) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.name, **more}


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    path = str(tmp_path / "notify")
    found = Manager(path if request.param == "path" else f"\0cosmic-{uuid.uuid4()}")
    yield found
    found.close()


def test_every_message_is_a_datagram_of_its_own(manager: Manager) -> None:
    notifier = Notifier(manager.environment())
    notifier.ready()
    notifier.status("printing;\nlayer 3")
    notifier.alive()
    notifier.stopping()
    assert manager.heard() == ["READY=1", "STATUS=printing; layer 3", "WATCHDOG=1", "STOPPING=1"]
    notifier.close()
    notifier.ready()
    assert manager.heard() == []


def test_a_long_status_is_cut_between_characters(manager: Manager) -> None:
    notifier = Notifier(manager.environment())
    notifier.status("ü" * 1000)
    (heard,) = manager.heard()
    assert heard == "STATUS=" + "ü" * (STATUS_BYTES_MAX // 2)
    notifier.close()


@pytest.mark.parametrize("name", ["", "@", "relative", "vsock:2:1234"])
def test_without_a_manager_nothing_is_sent(name: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": name})
    assert not notifier.listened_to
    notifier.ready()
    notifier.close()


def test_a_manager_that_went_away_or_does_not_read_is_no_error(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "notify"))
    notifier = Notifier(manager.environment())
    for _ in range(10_000):  # more than the socket holds
        notifier.alive()
    manager.close()
    notifier.alive()
    notifier.close()


@pytest.mark.parametrize(
    ("more", "expected_s"),
    [
        ({"WATCHDOG_USEC": "10000000"}, 10.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "42"}, 10.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "41"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdogs_limit_is_read_from_the_environment(more: dict[str, str], expected_s: float | None) -> None:
    assert Notifier(more, pid=42).watchdog_s == expected_s


def told(manager: Manager) -> list[str]:
    return [line for line in manager.heard() if not line.startswith("STATUS=")]


def test_the_service_is_ready_when_the_coordinator_has_the_job(manager: Manager) -> None:
    async def live() -> None:
        status = Status("job-1")
        async with Heartbeat(status, Notifier(manager.environment())):
            status.coordinator_configured()
            status.coordinator_loading(1, 2)
            heard = manager.heard()
            assert "READY=1" not in heard
            assert heard[-1] == "STATUS=loading; the coordinator has loaded 50%; link down"
            status.link_up("inline")
            assert told(manager) == ["READY=1"]
            status.job_started("gear", "", 3)
            assert manager.heard()[-1] == "STATUS=warming; job job-1: 0 of 3 layers, 0 fallbacks; link up"
            status.link_down("lost")
            status.link_up("inline")
            assert told(manager) == [], "ready is said once"
            status.stopping("SIGTERM")
            status.job_done("stopped by SIGTERM")
            assert told(manager) == ["STOPPING=1"]

    virtual_time.run(live())


def test_a_printer_without_a_coordinator_is_ready_when_its_job_begins(manager: Manager) -> None:
    async def live() -> None:
        status = Status()
        async with Heartbeat(status, Notifier(manager.environment())):
            assert told(manager) == []
            status.job_started("gear", "", 1)
            assert told(manager) == ["READY=1"]
        assert told(manager) == ["STOPPING=1"]

    virtual_time.run(live())


def test_the_loop_feeds_the_watchdog_and_a_loop_that_is_stuck_does_not(manager: Manager) -> None:
    import asyncio

    async def live() -> None:
        async with Heartbeat(Status(), Notifier(manager.environment(WATCHDOG_USEC="8000000"))):
            assert told(manager) == ["WATCHDOG=1"]
            await asyncio.sleep(20.5)
            assert told(manager) == ["WATCHDOG=1"] * 10, "every 2 s, where 8 s are allowed"
            loop = asyncio.get_running_loop()
            assert isinstance(loop, virtual_time.VirtualTimeLoop)
            loop.jump(60.0)  # a minute in which the loop runs nothing
            assert told(manager) == []
            await asyncio.sleep(0.0)
            await asyncio.sleep(0.0)
            assert "WATCHDOG=1" in told(manager), "it feeds again once it runs again"

    virtual_time.run(live())


def test_a_whole_agent_says_ready_status_and_stopping(
    manager: Manager, square_folder: Path, tmp_path: Path
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(
        f'[printer]\npart = "{square_folder}"\njob = "job-1"\n'
        "[printer.simulated]\nlayers = 1\nspreading_s = 0.0\ntime_scale = 8.0\n"
    )
    code = "import sys; from agent.commands import main; sys.argv[0] = 'cosmic-agent'; main()"
    agent = subprocess.Popen(
        [sys.executable, "-c", code, "run", "--config", str(config)],
        env={**os.environ, **manager.environment(WATCHDOG_USEC="4000000")},
        stdout=subprocess.DEVNULL,
    )
    heard: list[str] = []
    try:
        while agent.poll() is None:
            heard += manager.heard(wait_s=0.2)
    finally:
        agent.kill()
    heard += manager.heard()
    assert agent.wait() == 0
    assert heard.count("READY=1") == 1
    assert heard.count("STOPPING=1") == 1
    assert "WATCHDOG=1" in heard
    assert "STATUS=printing; job job-1: 0 of 1 layers, 0 fallbacks" in heard
    assert "STATUS=idle; job job-1: 1 of 1 layers, 36 fallbacks" in heard
