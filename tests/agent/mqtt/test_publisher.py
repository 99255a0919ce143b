"""The publisher against a real broker: what stands there, and what a broker's troubles leave behind."""

from __future__ import annotations

import asyncio
import shutil
import signal
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from agent.configuration import Mqtt
from agent.journal import Tally
from agent.mqtt import Publisher
from agent.status import Status, WorkersStatus
from cosmic.errors import ConfigurationError
from tests.agent.mqtt.broker import WAIT_S, Broker, decoded

BASE = "cosmic/hall/m1"


def settings(broker: Broker, **more: Any) -> Mqtt:
    given = {
        "host": "127.0.0.1",
        "port": broker.port,
        "site": "hall",
        "interval_s": 0.0,
        "answer_s": 0.5,
        "backoff_min_s": 0.02,
        "backoff_max_s": 0.1,
    }
    return Mqtt(**{**given, **more})


def printing(status: Status) -> None:
    status.coordinator_configured()
    status.link_up("inline")
    status.job_started("gear", "d" * 64, 3)
    status.layer_ready()


def in_state(state: str) -> Any:
    return lambda seen: seen is not None and seen["state"] == state


async def test_everything_stands_on_the_broker_for_whoever_comes_later(broker: Broker) -> None:
    broker.start()
    status = Status("job-1")
    async with Publisher(settings(broker), "m1", status):
        printing(status)
        status.workers_warm(WorkersStatus(0, 8, 1, 2))
        status.layer_done(0, Tally(windows=36, slack_s_min=0.004), starved_ms=0.0, map_from="camera")
        assert await broker.read(f"{BASE}/status") == "online"
        state = await broker.read(f"{BASE}/state", in_state("printing"))
        layer = await broker.read(f"{BASE}/layer", lambda seen: seen is not None)
        job = await broker.read(f"{BASE}/job", lambda seen: seen["layers_done"] == 1)
        link = await broker.read(f"{BASE}/link", lambda seen: seen["link"] == "up")
        workers = await broker.read(f"{BASE}/workers", lambda seen: seen is not None)
    assert state["time"].endswith("Z")
    assert state["events_dropped"] == 0
    assert (layer["windows"], layer["slack_ms_min"], layer["map_from"]) == (36, 4.0, "camera")
    assert (job["job"], job["part"], job["layers"], job["windows"]) == ("job-1", "gear", 3, 36)
    assert link["engine"] == "inline"
    assert (workers["workers"], workers["cold"], workers["reloaded"]) == (8, 1, 2)


async def test_the_end_of_the_agent_says_offline_and_keeps_the_last_job(broker: Broker) -> None:
    broker.start()
    status = Status("job-1")
    async with Publisher(settings(broker, interval_s=1000.0), "m1", status):
        await broker.read(f"{BASE}/link")
        status.job_started("gear", "", 1)
        status.job_done("all layers printed")
    assert await broker.read(f"{BASE}/status") == "offline"
    job = await broker.read(f"{BASE}/job", lambda seen: seen is not None)
    assert job["reason"] == "all layers printed", "what waits is published at the end, past the rate"


async def test_events_are_published_in_order_and_not_kept(broker: Broker) -> None:
    broker.start()
    status = Status()
    async with Publisher(settings(broker), "m1", status):
        import aiomqtt

        await broker.read(f"{BASE}/status")
        async with asyncio.timeout(WAIT_S), aiomqtt.Client("127.0.0.1", broker.port) as reader:
            await reader.subscribe(f"{BASE}/event", qos=1)
            for number in range(5):
                status.stopping(str(number))
            heard = []
            async for message in reader.messages:
                assert not message.retain
                heard.append(decoded(message.payload)["text"])  # type: ignore[arg-type]
                if len(heard) == 5:
                    break
    assert heard == ["0", "1", "2", "3", "4"]


async def test_a_broker_that_comes_late_gets_the_present_and_the_events(broker: Broker) -> None:
    status = Status()
    with capture_logs() as lines:
        async with Publisher(settings(broker, queue_events=2), "m1", status) as publisher:
            printing(status)
            for number in range(4):
                status.stopping(str(number))
            status.link_down("unreachable")
            while not any(line["event"] == "mqtt" for line in lines):
                await asyncio.sleep(0)
            broker.start()
            state = await broker.read(f"{BASE}/state", in_state("degraded"))
            assert publisher.connected
    assert state["events_dropped"] == 4 + 3 - 2, "link_up, job_started, four and link_down came; two are kept"
    down = [line for line in lines if line.get("mqtt") == "down"]
    assert len(down) == 1, "the same cause is said once"
    assert down[0]["broker"] == f"127.0.0.1:{broker.port}"


async def test_a_broker_that_was_killed_and_forgot_everything_is_right_again(broker: Broker) -> None:
    broker.start()
    status = Status("job-1")
    async with Publisher(settings(broker), "m1", status):
        printing(status)
        await broker.read(f"{BASE}/state", in_state("printing"))
        broker.kill()
        status.link_down("unreachable")
        broker.start()
        await broker.read(f"{BASE}/state", in_state("degraded"))
        assert await broker.read(f"{BASE}/status") == "online"
        assert (await broker.read(f"{BASE}/job"))["job"] == "job-1"


async def test_a_broker_that_stood_still_is_right_again_and_says_online(broker: Broker) -> None:
    broker.start()
    status = Status()
    with capture_logs() as lines:
        async with Publisher(settings(broker), "m1", status) as publisher:
            printing(status)
            await broker.read(f"{BASE}/state", in_state("printing"))
            broker.signal(signal.SIGSTOP)
            try:
                status.link_down("unreachable")
                async with asyncio.timeout(WAIT_S):
                    while sum(line.get("mqtt") == "down" for line in lines) < 1 or publisher.connected:
                        await asyncio.sleep(0.01)
            finally:
                broker.signal(signal.SIGCONT)
            await broker.read(f"{BASE}/state", in_state("degraded"))
            assert await broker.read(f"{BASE}/status", lambda seen: seen == "online") == "online"
            status.link_up("inline")
            await broker.read(f"{BASE}/state", in_state("printing"))


async def test_a_will_that_comes_late_is_set_right(broker: Broker) -> None:
    import aiomqtt

    broker.start()
    async with Publisher(settings(broker), "m1", Status()):
        await broker.read(f"{BASE}/status", lambda seen: seen == "online")
        async with asyncio.timeout(WAIT_S), aiomqtt.Client("127.0.0.1", broker.port) as other:
            await other.subscribe(f"{BASE}/status", qos=1)
            await other.publish(f"{BASE}/status", b"offline", qos=1, retain=True)
            seen = []
            async for message in other.messages:
                seen.append(decoded(message.payload))  # type: ignore[arg-type]
                if seen[-1] == "online" and "offline" in seen:
                    break
        assert await broker.read(f"{BASE}/status") == "online"


async def test_an_agent_that_dies_is_offline_by_its_last_will(broker: Broker) -> None:
    broker.start()
    code = (
        "import asyncio, sys\n"
        "from agent.configuration import Mqtt\n"
        "from agent.mqtt import Publisher\n"
        "from agent.status import Status\n"
        "async def main():\n"
        f"    async with Publisher(Mqtt(host='127.0.0.1', port={broker.port}, site='hall'), 'm1', Status()):\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    agent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.DEVNULL)
    try:
        assert await broker.read(f"{BASE}/status", lambda seen: seen == "online")
    finally:
        agent.kill()
        await agent.wait()
    assert await broker.read(f"{BASE}/status", lambda seen: seen == "offline")


async def test_a_password_is_shown_and_a_wrong_one_is_named(broker: Broker, tmp_path: Path) -> None:
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("mosquitto_passwd is not installed: apt-get install mosquitto")
    passwords = tmp_path / "passwords"
    run(["mosquitto_passwd", "-b", "-c", str(passwords), "m1", "secret"], tmp_path)
    broker.more = ["allow_anonymous false", f"password_file {passwords}"]
    broker.start()
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("secret\n")
    wrong.write_text("guess\n")
    with capture_logs() as lines:
        async with Publisher(settings(broker, username="m1", password_file=str(wrong)), "m1", Status()):
            async with asyncio.timeout(WAIT_S):
                while not any(line.get("mqtt") == "down" for line in lines):
                    await asyncio.sleep(0.01)
    (line,) = [line for line in lines if line.get("mqtt") == "down"]
    assert "not authori" in line["cause"].lower()
    assert "guess" not in str(lines)
    async with Publisher(settings(broker, username="m1", password_file=str(right)), "m1", Status()):
        assert await broker.read(f"{BASE}/status", username="m1", password="secret") == "online"


async def test_tls_with_a_client_certificate(broker: Broker, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: apt-get install openssl")
    make_certificates(tmp_path)
    broker.more = [
        "allow_anonymous true",
        f"cafile {tmp_path}/ca.pem",
        f"certfile {tmp_path}/server.pem",
        f"keyfile {tmp_path}/server.key",
        "require_certificate true",
    ]
    broker.start()
    shown = {"certificate_file": str(tmp_path / "client.pem"), "key_file": str(tmp_path / "client.key")}
    secure = settings(broker, tls=True, ca_file=str(tmp_path / "ca.pem"), **shown)
    context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    context.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")
    async with Publisher(secure, "m1", Status()):
        assert await broker.read(f"{BASE}/status", tls_context=context) == "online"
    unknown = msgspec.structs.replace(secure, ca_file="")
    with capture_logs() as lines:
        async with Publisher(unknown, "m1", Status()) as publisher:
            async with asyncio.timeout(WAIT_S):
                while not lines:
                    await asyncio.sleep(0.01)
            assert not publisher.connected
    assert "certificate verify failed" in lines[0]["cause"].lower()


def run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def make_certificates(folder: Path) -> None:
    """Write a CA, and certificates of a server on 127.0.0.1 and of a client that it signed."""

    def openssl(*words: str) -> None:
        run(["openssl", *words], folder)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=ca")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed)


async def test_home_assistant_is_told_of_sensors_that_are_there(broker: Broker) -> None:
    broker.start()
    status = Status("job-1")
    async with Publisher(settings(broker, home_assistant=True), "m1", status):
        printing(status)
        told = await broker.read("homeassistant/device/cosmic_hall_m1/config")
        assert told["availability_topic"] == f"{BASE}/status"
        assert told["device"]["name"] == "m1"
        for sensor in told["components"].values():
            topic = sensor["state_topic"].removeprefix(f"{BASE}/")
            assert topic in ("state", "job", "layer", "link", "workers")
            if topic in ("state", "job", "link"):
                field = sensor["value_template"].removeprefix("{{ value_json.").removesuffix(" }}")
                assert field in await broker.read(sensor["state_topic"], lambda seen: seen is not None)


def test_without_the_extra_a_configured_broker_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiomqtt", None)
    with pytest.raises(ConfigurationError) as caught:
        Publisher(Mqtt(host="127.0.0.1"), "m1", Status())
    assert caught.value.remedy == 'pip install "cosmic-lpbf[mqtt]"'


def test_the_agent_imports_nothing_of_mqtt_until_a_broker_is_configured() -> None:
    code = "import sys, agent.commands, agent.service; print({'aiomqtt', 'paho'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"password_file": "absent"}, "mqtt.password_file"),
        ({"tls": True, "ca_file": "absent"}, "mqtt.ca_file absent"),
        ({"ca_file": "ca.pem"}, "set mqtt.tls = true"),
        ({"site": "a/b"}, "mqtt.site"),
    ],
)
def test_what_cannot_be_used_is_named(given: dict[str, Any], says: str) -> None:
    pytest.importorskip("aiomqtt", reason='aiomqtt is not installed: pip install "cosmic-lpbf[mqtt]"')
    with pytest.raises(ConfigurationError, match=says):
        Publisher(Mqtt(host="127.0.0.1", **given), "m1", Status())


def test_nothing_that_happens_waits_for_a_broker() -> None:
    """Listening is taking note: it needs no event loop at all."""
    pytest.importorskip("aiomqtt", reason='aiomqtt is not installed: pip install "cosmic-lpbf[mqtt]"')
    status = Status()
    Publisher(Mqtt(host="192.0.2.1"), "m1", status)
    with capture_logs() as lines:
        printing(status)
        status.machine_fault("recoater blocked")
    assert lines == []
