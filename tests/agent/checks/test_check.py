"""`cosmic-agent check` on real peers: what works is said, and every planted fault is named with its remedy."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from agent.checks import Verdict, check_all
from agent.commands import app
from agent.configuration import AgentConfiguration
from cosmic import configuration
from cosmic.commands import run
from tests.agent.mqtt.broker import Broker
from tests.agent.mqtt.test_publisher import make_certificates
from tests.cloud.printer import Running, start

BROKER_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
needs_broker = pytest.mark.skipif(shutil.which("mosquitto", path=BROKER_PATH) is None, reason="no mosquitto here")


@pytest.fixture
async def running(square_folder: Path, tmp_path: Path) -> AsyncIterator[Running]:
    async with start(square_folder.parent, tmp_path) as found:
        yield found


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    found = Broker(tmp_path / "broker")
    try:
        yield found
    finally:
        found.kill()


@pytest.fixture
def good(running: Running, square_folder: Path, tmp_path: Path) -> dict[str, Any]:
    """A configuration with which everything but the broker is tried, and works."""
    token = tmp_path / "token"
    token.write_text(running.tokens["press-1"])
    return {
        "printer": {"name": "press-1", "part": str(square_folder)},
        "uplink": {"url": f"ws://{running.address}/v1/agent", "token_file": str(token), "connect_s": 2.0},
        "recording": {"directory": str(tmp_path / "recordings")},
        "http": {"port": free_port()},
    }


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def findings(values: dict[str, Any]) -> dict[str, Any]:
    settings = msgspec.convert(values, AgentConfiguration)
    return {found.name: found async for found in check_all(settings)}


async def the_only_fault(values: dict[str, Any]) -> Any:
    found = await findings(values)
    bad = [one for one in found.values() if one.verdict is Verdict.FAILED]
    assert len(bad) == 1, found
    assert bad[0].remedy, "a fault without a remedy helps nobody"
    return bad[0]


@needs_broker
async def test_a_machine_that_is_ready_is_told_so(good: dict[str, Any], broker: Broker, tmp_path: Path) -> None:
    broker.start()
    found = await findings({**good, "mqtt": {"host": "127.0.0.1", "port": broker.port}})
    verdicts = {name: one.verdict for name, one in found.items() if name != "clock"}
    assert verdicts == dict.fromkeys(
        ["disk", "part", "camera", "driver", "coordinator", "mqtt", "live page"], Verdict.OK
    )
    assert "inline" in found["coordinator"].text
    assert "576 elements and 36 cells" in found["part"].text
    assert not list((tmp_path / "recordings").iterdir()), "nothing is left behind"


# --- planted faults -------------------------------------------------------------------------------------------


def test_1_a_key_that_is_not_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "agent.toml"
    config.write_text("[printer]\nguard = 5\n")
    assert run(app, "cosmic-agent", ["check", "--config", str(config)]) == 2
    assert "did you mean guard_ms?" in capsys.readouterr().err


async def test_2_a_part_that_is_damaged(good: dict[str, Any], square_folder: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(square_folder, damaged)
    (damaged / "part.json").write_bytes(b"{")
    found = await findings({**good, "printer": {**good["printer"], "part": str(damaged)}})
    assert found["part"].verdict is Verdict.FAILED
    assert str(damaged) in found["part"].text
    assert "mend the part first" in found["coordinator"].remedy


async def test_3_a_coordinator_that_is_not_there(good: dict[str, Any]) -> None:
    url = f"ws://127.0.0.1:{free_port()}/v1/agent"
    bad = await the_only_fault({**good, "uplink": {**good["uplink"], "url": url}})
    assert (bad.name, "cannot connect" in bad.text) == ("coordinator", True)


async def test_4_a_token_that_is_wrong(good: dict[str, Any]) -> None:
    Path(good["uplink"]["token_file"]).write_text("wrong")
    bad = await the_only_fault(good)
    assert bad.name == "coordinator"
    assert "cosmic-cloud token add" in bad.remedy
    assert "wrong\n" not in bad.text


async def test_5_a_part_that_the_coordinator_does_not_have(good: dict[str, Any], running: Running) -> None:
    settings = running.coordinator._settings
    empty = Path(settings.tokens.file).parent / "empty"
    empty.mkdir()
    async with start(empty, empty) as other:
        Path(good["uplink"]["token_file"]).write_text(other.tokens["press-1"])
        url = f"ws://{other.address}/v1/agent"
        bad = await the_only_fault({**good, "uplink": {**good["uplink"], "url": url}})
    assert bad.name == "coordinator"
    assert "parts directory" in bad.remedy


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
async def test_6_a_certificate_that_nobody_trusts(good: dict[str, Any], tmp_path: Path) -> None:
    import ssl

    make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    server = await asyncio.start_server(lambda _r, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    bad = await the_only_fault({**good, "uplink": {**good["uplink"], "url": f"wss://127.0.0.1:{port}/v1/agent"}})
    server.close()
    await server.wait_closed()
    assert bad.name == "coordinator"
    assert "uplink.ca_file" in bad.remedy


@needs_broker
async def test_7_a_broker_that_refuses_the_password(good: dict[str, Any], broker: Broker) -> None:
    passwords = broker.folder / "passwords"
    words = ["mosquitto_passwd", "-b", "-c", passwords, "press-1", "right"]
    await asyncio.to_thread(subprocess.run, words, check=True, capture_output=True)
    passwords.chmod(0o600)
    broker.more = ["allow_anonymous false", f"password_file {passwords}"]
    broker.start()
    secret = broker.folder / "secret"
    secret.write_text("wrong-secret")
    mqtt = {"host": "127.0.0.1", "port": broker.port, "username": "press-1", "password_file": str(secret)}
    bad = await the_only_fault({**good, "mqtt": mqtt})
    assert bad.name == "mqtt"
    assert "password" in bad.remedy
    assert "wrong-secret" not in bad.text


async def test_8_a_folder_that_cannot_be_written(good: dict[str, Any], tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("no folder")
    bad = await the_only_fault({**good, "recording": {"directory": str(in_the_way / "recordings")}})
    assert (bad.name, "cannot be written" in bad.text) == ("disk", True)


async def test_9_a_port_that_is_taken(good: dict[str, Any]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bad = await the_only_fault({**good, "http": {"port": taken.getsockname()[1]}})
    assert bad.name == "live page"
    assert "free http.port" in bad.remedy


async def test_10_a_camera_whose_folder_is_gone(good: dict[str, Any], registration: Path, tmp_path: Path) -> None:
    bad = await the_only_fault({**good, "capture": folder_camera(tmp_path / "gone", registration)})
    assert bad.name == "camera"
    assert "capture.folder.directory" in bad.remedy


async def test_11_a_frame_of_the_wrong_size(good: dict[str, Any], registration: Path, tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    np.save(frames / "layer.npy", np.full((10, 10), 3000, dtype=np.uint16))
    bad = await the_only_fault({**good, "capture": folder_camera(frames, registration)})
    assert bad.name == "camera"
    assert "size" in bad.text


async def test_a_real_frame_is_made_into_a_map(good: dict[str, Any], registration: Path, tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    np.save(frames / "layer.npy", np.full((120, 120), 32000, dtype=np.uint16))
    os.utime(frames / "layer.npy", (0, 0))
    found = await findings({**good, "capture": folder_camera(frames, registration)})
    assert found["camera"].verdict is Verdict.OK, found["camera"]
    assert "576 elements" in found["camera"].text
    assert " d old" in found["camera"].text, "while nothing prints, an old frame will do and its age is told"


@pytest.fixture
def registration(tmp_path: Path) -> Path:
    """Pixels of 0.05 mm over the square's 4.8 mm and a margin."""
    points = tmp_path / "points.csv"
    corners = [(10, 10), (106, 10), (106, 106), (10, 106)]
    lines = [f"{u},{v},{(u - 10) * 0.05},{(v - 10) * 0.05}" for u, v in corners]
    points.write_text("u_px,v_px,x_mm,y_mm\n" + "\n".join(lines) + "\n")
    made = tmp_path / "registration.toml"
    words = ["capture", "register", str(points), "--size", "120x120", "-o", str(made)]
    assert run(app, "cosmic-agent", words) == 0
    return made


def folder_camera(folder: Path, registration: Path) -> dict[str, Any]:
    return {
        "source": "folder",
        "limit_ms": 500.0,
        "folder": {"directory": str(folder), "pattern": "*.npy"},
        "registration": {"file": str(registration)},
    }


async def test_12_a_socket_that_cannot_be_made(good: dict[str, Any], tmp_path: Path) -> None:
    printer = {**good["printer"], "driver": "socket", "socket": {"path": str(tmp_path / "nowhere" / "s")}}
    bad = await the_only_fault({**good, "printer": printer})
    assert (bad.name, "printer.socket.path" in bad.remedy) == ("driver", True)
    printer["socket"] = {"path": str(tmp_path / "s")}
    found = await findings({**good, "printer": printer})
    assert found["driver"].verdict is Verdict.OK
    assert not (tmp_path / "s").exists()


async def test_13_build_files_whose_folder_is_missing_or_that_are_of_another_part(
    good: dict[str, Any], tmp_path: Path
) -> None:
    folders = {"input_directory": str(tmp_path / "in"), "output_directory": str(tmp_path / "out")}
    printer = {**good["printer"], "driver": "file", "dispatch": "layer", "file": folders}
    bad = await the_only_fault({**good, "printer": printer})
    assert (bad.name, "make the folder" in bad.remedy) == ("driver", True)
    for folder in folders.values():
        Path(folder).mkdir()
    found = await findings({**good, "printer": printer})
    assert "no build file '*.cli' waits" in found["driver"].text
    shutil.copy(Path(__file__).parents[3] / "examples" / "islands.cli", tmp_path / "in" / "layer0.cli")
    bad = await the_only_fault({**good, "printer": printer})
    assert bad.name == "driver"
    assert not list((tmp_path / "out").iterdir())


def test_the_commands_document_says_all_and_its_exit_code_the_verdict(
    square_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(f'[printer]\npart = "{square_folder}"\n')
    assert run(app, "cosmic-agent", ["check", "--config", str(config), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"]
    by_name = {one["name"]: one for one in told["findings"]}
    assert by_name["coordinator"]["verdict"] == "warning", "printing without a coordinator is worth a word"
    config.write_text('[printer]\npart = "nowhere"\n')
    assert run(app, "cosmic-agent", ["check", "--config", str(config)]) == 1
    said = capsys.readouterr().out
    assert "failed  part" in said
    assert "->" in said
    assert configuration.load(AgentConfiguration, config).printer.part == "nowhere"
