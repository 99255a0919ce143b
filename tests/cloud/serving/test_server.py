"""Who may connect and how many, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed, InvalidStatus

from cloud.access.certificates import tls_context
from cloud.configuration import CoordinatorSettings, Listen, Parts, Tokens
from cloud.serving.server import Coordinator
from cosmic.errors import ConfigurationError
from protocol.limits import Limits
from protocol.messages import Failed
from tests.cloud.printer import Printer, Running, dial, start
from thermal.part import Part


async def refused(connection: Any) -> tuple[int, str]:
    """Return status and text of a handshake that must not succeed."""
    with pytest.raises(InvalidStatus) as error:
        async with connection:
            pass
    response = error.value.response
    return response.status_code, (response.body or b"").decode()


async def rest_of(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return what still comes from a peer that closes, or resets, the connection."""
    try:
        answer = await reader.read()
    except ConnectionResetError:
        answer = b""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer cosmic_wrong"},
        {"Authorization": "Basic cHJlc3M6cGFzcw=="},
        {"Authorization": "Bearer " + "x" * 5000},
        {"Authorization": "Bearer \udcff"},
        [("Authorization", "Bearer a"), ("Authorization", "Bearer b")],
    ],
    ids=["none", "wrong", "other scheme", "long", "not text", "two"],
)
async def test_wrong_or_missing_token_is_answered_with_401(coordinator: Running, headers: Any) -> None:
    if headers == {"Authorization": "Bearer \udcff"}:
        reader, writer = await asyncio.open_connection("127.0.0.1", coordinator.coordinator.port)
        writer.write(b"GET /v1/agent HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\r\n\r\n")
        assert b"101" not in (await rest_of(reader, writer)).partition(b"\r\n")[0]
        return
    status, text = await refused(coordinator.connect(additional_headers=headers))
    assert status == 401
    assert "token" in text


async def test_revoked_token_is_refused_at_once(coordinator: Running) -> None:
    coordinator.coordinator._tokens.revoke("press-1")
    assert (await refused(coordinator.connect()))[0] == 401
    async with coordinator.connect("press-2"):
        pass


@pytest.mark.parametrize("offered", [None, ["cosmic.v2"], ["chat", "cosmic.v0"]])
async def test_unknown_version_is_refused_with_the_known_one(
    coordinator: Running, offered: list[str] | None
) -> None:
    status, text = await refused(coordinator.connect(subprotocols=offered))
    assert status == 400
    assert "cosmic.v1" in text


async def test_known_version_is_taken_from_several(coordinator: Running) -> None:
    async with coordinator.connect(subprotocols=["cosmic.v2", "cosmic.v1"]) as socket:
        assert socket.subprotocol == "cosmic.v1"


async def test_other_paths_are_404_and_health_needs_no_token(coordinator: Running) -> None:
    def get(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{coordinator.address}{path}") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    assert await asyncio.to_thread(get, "/healthz") == (200, "ok\n")
    assert (await asyncio.to_thread(get, "/"))[0] == 404
    assert (await asyncio.to_thread(get, "/v1/agent"))[0] == 401


async def test_connections_of_one_printer_are_limited(parts_directory: Path, tmp_path: Path) -> None:
    limits = Limits(connections_per_printer_max=2)
    async with start(parts_directory, tmp_path, limits=limits) as running:
        first = await running.connect()
        async with running.connect():
            status, text = await refused(running.connect())
            assert (status, "the limit of one printer" in text) == (503, True)
            async with running.connect("press-2"):
                pass
            await first.close()
            while len(running.coordinator._sessions) > 1:
                await asyncio.sleep(0)
            async with running.connect():
                pass


async def test_connections_of_all_printers_are_limited(parts_directory: Path, tmp_path: Path) -> None:
    limits = Limits(connections_max=1)
    async with start(parts_directory, tmp_path, limits=limits) as running, running.connect():
        status, text = await refused(running.connect("press-2"))
        assert (status, "the limit of this coordinator" in text) == (503, True)


async def test_peer_that_sends_no_request_is_dropped(parts_directory: Path, tmp_path: Path) -> None:
    async with start(parts_directory, tmp_path, limits=Limits(handshake_s=0.1)) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.coordinator.port)
        writer.write(b"GET /v1/agent HTTP/1.1\r\nHost:")
        assert await rest_of(reader, writer) == b""


async def test_garbage_instead_of_a_request_ends_only_its_own_connection(coordinator: Running, part: Part) -> None:
    for garbage in (b"\x16\x03\x01\x02\x00", b"\0" * 10_000, b"GET " + b"/" * 20_000, b"POST / HTTP/1.1\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", coordinator.coordinator.port)
        writer.write(garbage + b"\r\n\r\n")
        writer.write_eof()
        assert b" 101 " not in await rest_of(reader, writer)
    async with coordinator.connect() as socket:
        assert (await Printer(socket).open(part)).engine == "inline"


async def test_sockets_without_a_session_are_limited_too(parts_directory: Path, tmp_path: Path) -> None:
    async with start(parts_directory, tmp_path, limits=Limits(connections_max=1)) as running:
        idle = [await asyncio.open_connection("127.0.0.1", running.coordinator.port) for _ in range(2)]
        reader, writer = await asyncio.open_connection("127.0.0.1", running.coordinator.port)
        assert await rest_of(reader, writer) == b""
        for _, one in idle:
            one.close()
            await one.wait_closed()


async def test_end_is_announced_to_every_printer(
    parts_directory: Path, tmp_path: Path, part: Part, map_K: NDArray[np.float32]
) -> None:
    async with (
        start(parts_directory, tmp_path) as running,
        running.connect() as one,
        running.connect("press-2") as other,
    ):
        printing = Printer(one)
        await printing.open(part)
        await printing.start_layer(0, map_K)
        waiting = Printer(other, "press-2")
        stopped = asyncio.create_task(running.coordinator.stop())
        for printer in (printing, waiting):
            assert (await printer.hear_a(Failed)).code == "shutting_down"
            with pytest.raises(ConnectionClosed) as closed:
                await printer.hear()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
        await stopped


async def test_address_in_use_is_a_configuration_error(coordinator: Running, tmp_path: Path) -> None:
    taken = CoordinatorSettings(listen=Listen(port=coordinator.coordinator.port))
    with pytest.raises(ConfigurationError, match="cannot listen"):
        await Coordinator(taken).start()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*words.split(), *files], check=True, capture_output=True)
    return certificate, key


async def test_tls_is_spoken_where_a_certificate_is_set(
    parts_directory: Path, tmp_path: Path, part: Part, certificate: tuple[Path, Path]
) -> None:
    settings = CoordinatorSettings(
        listen=Listen(port=0, certificate_file=str(certificate[0]), key_file=str(certificate[1])),
        parts=Parts(directory=str(parts_directory)),
        tokens=Tokens(file=str(tmp_path / "tokens.json")),
    )
    served = tls_context(settings.listen)
    assert served is not None
    assert served.minimum_version == ssl.TLSVersion.TLSv1_2
    coordinator = Coordinator(settings)
    token = coordinator._tokens.add("press-1")
    await coordinator.start()
    try:
        context = ssl.create_default_context(cafile=str(certificate[0]))
        url = f"127.0.0.1:{coordinator.port}"
        async with dial(url, token, ssl=context, tls=True) as socket:
            assert (await Printer(socket).open(part)).cells == 36
    finally:
        await coordinator.stop()


@pytest.mark.parametrize("listen", [Listen(certificate_file="a.pem"), Listen(certificate_file="a", key_file="b")])
async def test_certificate_that_cannot_be_used_is_a_configuration_error(listen: Listen) -> None:
    with pytest.raises(ConfigurationError) as error:
        await Coordinator(CoordinatorSettings(listen=listen)).start()
    assert "listen" in error.value.where
