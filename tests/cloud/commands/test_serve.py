"""`cosmic-cloud serve` and `cosmic-cloud token` as real processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed

from protocol.messages import Failed
from tests.cloud.printer import Printer, dial
from thermal.part import Part

COMMAND = [sys.executable, "-c", "import cloud.commands; cloud.commands.main()"]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)


def test_token_is_shown_once_listed_without_itself_and_revoked(tmp_path: Path) -> None:
    file = str(tmp_path / "tokens.json")
    added = json.loads(run("token", "add", "press-1", "--tokens", file, "--json").stdout)
    assert added["printer"] == "press-1"
    listed = run("token", "list", "--tokens", file, "--json").stdout
    assert [one["printer"] for one in json.loads(listed)["printers"]] == ["press-1"]
    assert added["token"] not in listed
    again = run("token", "add", "press-1", "--tokens", file)
    assert (again.returncode, again.stdout, again.stderr.count("\n")) == (2, "", 1)
    assert "--replace" in again.stderr
    assert run("token", "revoke", "press-1", "--tokens", file).returncode == 0
    assert run("token", "revoke", "press-1", "--tokens", file).returncode == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_service_says_where_it_listens_and_leaves_in_order(
    part: Part, parts_directory: Path, tmp_path: Path, number: signal.Signals
) -> None:
    token = run("token", "add", "press-1", "--tokens", str(tmp_path / "tokens.json")).stdout.strip()
    settings, ready = tmp_path / "coordinator.toml", tmp_path / "ready.json"
    settings.write_text(
        f"[listen]\nport = 0\n[parts]\ndirectory = '{parts_directory}'\n"
        f"[tokens]\nfile = '{tmp_path}/tokens.json'\n[engine]\nname = 'local'\nblocks_columns = 2\n"
    )
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("serve", "--config", str(settings), "--ready-file", str(ready), "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    said: dict[str, Any] = msgspec.json.decode(await process.stdout.readuntil(b"}"))
    assert said == msgspec.json.decode(ready.read_bytes())
    assert (said["event"], said["pid"]) == ("listening", process.pid)
    async with dial(f"127.0.0.1:{said['port']}", token) as socket:
        printer = Printer(socket)
        assert (await printer.open(part)).engine == "local 2x2 float64"
        settings.write_text(settings.read_text() + "[log]\nlevel = 'debug'\n[limits]\nrejoin_s = 1.0\n")
        process.send_signal(signal.SIGHUP)
        assert process.stderr is not None
        read: list[bytes] = []
        while not read or b'"reloaded"' not in read[-1]:
            read.append(await process.stderr.readline())
        assert json.loads(read[-1])["changed"] == {"log.level": "debug"}
        assert json.loads(read[-1])["need_restart"] == ["limits.rejoin_s"]
        process.send_signal(number)
        assert (await printer.hear_a(Failed)).code == "shutting_down"
        with pytest.raises(ConnectionClosed):
            await printer.hear()
    _, logs = await process.communicate()
    logs = b"".join(read) + logs
    assert process.returncode == 0
    events = [json.loads(line)["event"] for line in logs.splitlines()]
    assert events[0] == "listening"
    assert events[-1] == "stopped"
    assert {"connected", "part_loaded", "job_opened", "disconnected", "stopping"} <= set(events)
    assert token.encode() not in logs


def test_service_that_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    settings = tmp_path / "coordinator.toml"
    settings.write_text("[listen]\nprot = 1\n")
    refused = run("serve", "--config", str(settings))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1
    assert "did you mean port" in refused.stderr


def test_serving_needs_no_geometry_libraries() -> None:
    names = "trimesh", "shapely", "scipy", "matplotlib"
    code = (
        "import sys, cloud.commands, cloud.serving.server, cloud.configuration;"
        f"print([name for name in {names!r} if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


async def test_the_service_manager_hears_ready_who_is_connected_life_and_the_end(
    part: Part, parts_directory: Path, tmp_path: Path
) -> None:
    token = run("token", "add", "press-1", "--tokens", str(tmp_path / "tokens.json")).stdout.strip()
    settings = tmp_path / "coordinator.toml"
    settings.write_text(
        f"[listen]\nport = 0\n[parts]\ndirectory = '{parts_directory}'\n[tokens]\nfile = '{tmp_path}/tokens.json'\n"
    )
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.setblocking(False)
    loop = asyncio.get_running_loop()

    async def hear(wanted: str) -> None:
        async with asyncio.timeout(30.0):
            while not (await loop.sock_recv(manager, 4096)).decode().startswith(wanted):
                pass

    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("serve", "--config", str(settings), "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"},
    )
    await hear("READY=1")
    assert process.stdout is not None
    said: dict[str, Any] = msgspec.json.decode(await process.stdout.readuntil(b"}"))
    await hear(f"STATUS=listening on 127.0.0.1:{said['port']}; connected: no printer")
    async with dial(f"127.0.0.1:{said['port']}", token) as connection:
        assert (await Printer(connection).open(part)).cells
        await hear(f"STATUS=listening on 127.0.0.1:{said['port']}; connected: press-1")
        await hear("WATCHDOG=1")
        await hear("WATCHDOG=1")
    process.send_signal(signal.SIGTERM)
    await hear("STOPPING=1")
    assert await process.wait() == 0
    manager.close()
