"""Tokens and certificates that change while printers are connected; jobs that there is no room for."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import structlog
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed, InvalidStatus

from cloud.access.certificates import Certificates
from cloud.access.tokens import TokenFile
from cloud.configuration import CoordinatorSettings, Listen, Parts, Tokens
from cloud.serving.reloading import Reloader
from cloud.serving.server import Coordinator
from protocol.limits import Limits
from protocol.messages import CloseJob, Failed, OpenJob
from tests.cloud.printer import PRINTERS, Printer, Running, dial, start
from thermal.order import order_layer
from thermal.part import Part


@asynccontextmanager
async def watchful(parts: Path, folder: Path, **listen: str) -> AsyncIterator[tuple[Running, TokenFile]]:
    """Run a coordinator that looks at its files all the time."""
    tokens = TokenFile(folder / "tokens.json")
    given = {printer: tokens.add(printer, replace=True) for printer in PRINTERS}
    settings = CoordinatorSettings(
        listen=Listen(port=0, **listen),
        parts=Parts(directory=str(parts)),
        tokens=Tokens(file=str(tokens.path), check_s=0.01),
    )
    coordinator = Coordinator(settings)
    await coordinator.start()
    try:
        yield Running(coordinator, given), tokens
    finally:
        await coordinator.stop()


# --- tokens -----------------------------------------------------------------------------------------------


async def test_revoked_token_closes_its_open_connection_and_no_other(
    parts_directory: Path, tmp_path: Path, part: Part
) -> None:
    async with watchful(parts_directory, tmp_path) as (running, tokens):
        async with running.connect() as revoked, running.connect("press-2") as other:
            await Printer(revoked).open(part)
            await Printer(other, "press-2").open(part)
            tokens.revoke("press-1")
            with pytest.raises(ConnectionClosed) as closed:
                await revoked.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "the token was revoked")
            await (await other.ping())


async def test_replaced_token_opens_nothing_more_and_its_open_connection_prints_on(
    parts_directory: Path, tmp_path: Path, part: Part, map_K: NDArray[np.float32]
) -> None:
    async with watchful(parts_directory, tmp_path) as (running, tokens), running.connect() as socket:
        printer = Printer(socket)
        await printer.open(part)
        fresh = tokens.add("press-1", replace=True)
        with pytest.raises(InvalidStatus):
            await running.connect()
        async with dial(running.address, fresh):
            pass
        for _ in range(5):
            running.coordinator.reload()
            await asyncio.sleep(0)
        await printer.start_layer(0, map_K)
        assert await printer.decided([], 36) == order_layer(part, 0, map_K).order


async def test_token_replaced_twice_or_revoked_and_given_again_closes_the_first_connection(
    parts_directory: Path, tmp_path: Path
) -> None:
    async with watchful(parts_directory, tmp_path) as (running, tokens):
        async with running.connect() as twice:
            tokens.add("press-1", replace=True)
            tokens.add("press-1", replace=True)
            with pytest.raises(ConnectionClosed):
                await twice.recv()
        async with running.connect("press-2") as again:
            tokens.revoke("press-2")
            tokens.add("press-2")
            with pytest.raises(ConnectionClosed):
                await again.recv()


# --- certificates -----------------------------------------------------------------------------------------


def certify(folder: Path, name: str) -> None:
    """Write a self-signed certificate for 127.0.0.1 whose subject is `name`, and its key."""
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    files = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    files += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run([*words.split(), *files], check=True, capture_output=True)


def trust(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "certificate.pem"))


async def test_certificate_is_renewed_without_a_restart_and_open_connections_go_on(
    parts_directory: Path, tmp_path: Path, part: Part, map_K: NDArray[np.float32]
) -> None:
    certify(tmp_path, "first")
    first = trust(tmp_path)
    files = {"certificate_file": str(tmp_path / "certificate.pem"), "key_file": str(tmp_path / "key.pem")}
    async with watchful(parts_directory, tmp_path, **files) as (running, _):
        token = running.tokens["press-1"]
        async with dial(running.address, token, tls=True, ssl=first) as socket:
            printer = Printer(socket)
            await printer.open(part)
            certify(tmp_path, "second")
            running.coordinator.reload()
            with pytest.raises(ssl.SSLCertVerificationError):
                await dial(running.address, token, tls=True, ssl=first)
            async with dial(running.address, token, tls=True, ssl=trust(tmp_path)) as renewed:
                of = renewed.transport.get_extra_info("peercert")
                assert of["subject"] == ((("commonName", "second"),),)
            (tmp_path / "certificate.pem").write_text("no certificate\n")
            with structlog.testing.capture_logs() as logs:
                running.coordinator.reload()
            assert [line["event"] for line in logs] == ["certificate_not_read"]
            assert "certificate.pem" in logs[0]["cause"]
            await printer.start_layer(0, map_K)
            assert await printer.decided([], 36) == order_layer(part, 0, map_K).order


def test_key_of_another_certificate_leaves_the_one_before_in_force(tmp_path: Path) -> None:
    certify(tmp_path, "first")
    listen = Listen(certificate_file=str(tmp_path / "certificate.pem"), key_file=str(tmp_path / "key.pem"))
    certificates = Certificates(listen)
    assert certificates.refresh() is False
    other = tmp_path / "other"
    other.mkdir()
    certify(other, "second")
    (other / "key.pem").replace(tmp_path / "key.pem")
    with structlog.testing.capture_logs() as logs:
        assert certificates.refresh() is False
    assert [line["event"] for line in logs] == ["certificate_not_read"]
    (other / "certificate.pem").replace(tmp_path / "certificate.pem")
    assert certificates.refresh() is True


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_tls_older_than_1_2_is_refused(parts_directory: Path, tmp_path: Path) -> None:
    certify(tmp_path, "first")
    files = {"certificate_file": str(tmp_path / "certificate.pem"), "key_file": str(tmp_path / "key.pem")}
    async with watchful(parts_directory, tmp_path, **files) as (running, _):
        old = trust(tmp_path)
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await dial(running.address, running.tokens["press-1"], tls=True, ssl=old)
        now = trust(tmp_path)
        now.maximum_version = ssl.TLSVersion.TLSv1_2
        async with dial(running.address, running.tokens["press-1"], tls=True, ssl=now):
            pass


# --- SIGHUP -----------------------------------------------------------------------------------------------


async def test_reload_takes_what_can_be_taken_and_names_what_needs_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "coordinator.toml"
    settings = CoordinatorSettings()
    coordinator = Coordinator(settings)
    reloader = Reloader(file, settings, coordinator)
    file.write_text("listen.port = 9999\nlimits.load_max = 0.5\n")
    with structlog.testing.capture_logs() as logs:
        await reloader.read()
    assert [line["event"] for line in logs] == ["reloaded"]
    assert logs[0]["changed"] == {"limits.load_max": 0.5}
    assert logs[0]["need_restart"] == ["listen.port"]
    assert coordinator.admission.load_max == 0.5
    file.write_text("listen.prt = 1\n")
    with structlog.testing.capture_logs() as logs:
        await reloader.read()
    assert [line["event"] for line in logs] == ["not_reloaded"]
    assert "did you mean port?" in logs[0]["cause"]
    assert coordinator.admission.load_max == 0.5


# --- admission --------------------------------------------------------------------------------------------


async def test_job_too_many_is_busy_until_another_closes(parts_directory: Path, tmp_path: Path, part: Part) -> None:
    async with start(parts_directory, tmp_path, limits=Limits(load_max=1e-9)) as running, running.connect() as one:
        first = Printer(one)
        await first.open(part)
        async with running.connect("press-2") as other:
            second = Printer(other, "press-2")
            await second.tell(OpenJob(job="job", part=part.digest, printer="press-2"))
            failed = await second.hear_a(Failed)
            assert failed.code == "busy"
            assert "limits.load_max" in failed.message
            with pytest.raises(ConnectionClosed) as closed:
                await second.hear()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
        async with running.connect() as again:  # the running job, rejoined on another connection
            await Printer(again).open(part)
        await first.tell(CloseJob(job="job", reason="done"))
        with pytest.raises(ConnectionClosed):
            await first.hear()
        async with running.connect("press-2") as other:
            await Printer(other, "press-2").open(part)


async def test_larger_messages_are_accepted_only_once_a_job_is_ready(
    parts_directory: Path, tmp_path: Path, part: Part
) -> None:
    async with start(parts_directory, tmp_path) as running, running.connect() as socket:
        await socket.send(b"x" * 65_537)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
        async with running.connect() as ready:
            await Printer(ready).open(part)
            await ready.send(b"\x81\xa1x\xc5\xff\xff" + b"x" * 65_535)
            with pytest.raises(ConnectionClosed) as closed:
                [await ready.recv() for _ in range(3)]
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code != 1009
