"""The uplink against a real coordinator on loopback, and against servers that do not behave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs
from websockets.asyncio.server import ServerConnection, serve

from agent.configuration import Uplink as UplinkSettings
from agent.uplink import Uplink
from cloud.access.tokens import TokenFile
from cloud.configuration import CoordinatorSettings, Listen, Parts, Tokens
from cloud.serving.server import Coordinator
from cosmic.errors import ConfigurationError, RefusedError
from protocol.codec import encode
from protocol.messages import (
    Array,
    CoordinatorMessage,
    Decisions,
    Failed,
    JobReady,
    OpenJob,
    Printed,
    Spreading,
    StartLayer,
)
from thermal.order import order_layer
from thermal.part import Part


class Heard:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[JobReady | CoordinatorMessage | RefusedError] = asyncio.Queue()

    def link_ready(self, ready: JobReady) -> None:
        self.events.put_nowait(ready)

    def link_message(self, message: CoordinatorMessage) -> None:
        self.events.put_nowait(message)

    def link_lost(self, cause: RefusedError) -> None:
        self.events.put_nowait(cause)

    async def next(self, kind: type[Any]) -> Any:
        async with asyncio.timeout(20):
            while not isinstance(event := await self.events.get(), kind):
                pass
        return event


@asynccontextmanager
async def coordinator(folder: Path, parts: Path) -> AsyncIterator[tuple[Coordinator, Path]]:
    """Run a coordinator, and give printer-1 a token file."""
    tokens = TokenFile(folder / "tokens.json")
    token_file = folder / "token"
    token_file.write_text(tokens.add("printer-1", replace=True) + "\n")
    running = Coordinator(
        CoordinatorSettings(
            listen=Listen(port=0), parts=Parts(directory=str(parts)), tokens=Tokens(file=str(tokens.path))
        )
    )
    await running.start()
    try:
        yield running, token_file
    finally:
        await running.stop()


@asynccontextmanager
async def linked(
    url: str, digest: str, token_file: Path | str = "", **more: Any
) -> AsyncIterator[tuple[Uplink, Heard]]:
    """Run an uplink to `url`."""
    heard = Heard()
    settings = UplinkSettings(
        url=url, token_file=str(token_file), backoff_min_s=0.01, backoff_max_s=0.05, connect_s=2.0, **more
    )
    uplink = Uplink(settings, OpenJob(job="job", part=digest, printer="printer-1"), heard)
    running = asyncio.create_task(uplink.run())
    try:
        yield uplink, heard
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def server(behave: Callable[[ServerConnection], Awaitable[None]], **options: Any) -> AsyncIterator[str]:
    """Run a websocket server that does as told."""
    async with serve(behave, "127.0.0.1", 0, **{"subprotocols": ["cosmic.v1"], **options}) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/v1/agent"


def url_of(running: Coordinator) -> str:
    return f"ws://127.0.0.1:{running.port}/v1/agent"


async def test_a_layer_is_decided_over_a_real_connection(tmp_path: Path, square: Part, square_folder: Path) -> None:
    map_K = np.full(square.geometry_of(0).elements, 300.0, dtype=np.float32)
    async with coordinator(tmp_path, square_folder.parent) as (running, token_file):
        async with linked(url_of(running), square.digest, token_file) as (uplink, heard):
            ready = await heard.next(JobReady)
            assert (ready.cells, ready.elements) == (36, 576)
            assert uplink.tell(Spreading(layer=0, seconds=1.0))
            assert uplink.tell(StartLayer(layer=0, epoch=0, map=Array.of(map_K)))
            cells: list[int] = []
            while len(cells) < 36:
                decisions = await heard.next(Decisions)
                assert decisions.first_window == len(cells)
                cells += decisions.cells
            assert cells == order_layer(square, 0, map_K).order
            await uplink.close("printed")


async def test_nothing_is_sent_for_a_layer_that_was_not_started_on_this_connection(
    tmp_path: Path, square: Part, square_folder: Path
) -> None:
    async with coordinator(tmp_path, square_folder.parent) as (running, token_file):
        async with linked(url_of(running), square.digest, token_file) as (uplink, heard):
            told = Printed(layer=0, epoch=0, window=0, cell=1, source="coordinator")
            assert not uplink.tell(told), "before the job is ready"
            await heard.next(JobReady)
            assert not uplink.tell(told)


async def test_a_coordinator_that_comes_back_is_joined_again(
    tmp_path: Path, square: Part, square_folder: Path
) -> None:
    async with coordinator(tmp_path, square_folder.parent) as (running, token_file):
        port = running.port
        async with linked(url_of(running), square.digest, token_file) as (uplink, heard):
            await heard.next(JobReady)
            await running.stop()
            lost = await heard.next(RefusedError)
            assert not lost.fatal
            assert not uplink.ready
            again = Coordinator(
                CoordinatorSettings(
                    listen=Listen(port=port),
                    parts=Parts(directory=str(square_folder.parent)),
                    tokens=Tokens(file=str(tmp_path / "tokens.json")),
                )
            )
            await again.start()
            try:
                await heard.next(JobReady)
                assert uplink.ready
            finally:
                await again.stop()


async def test_a_wrong_token_is_refused_with_the_remedy(tmp_path: Path, square: Part, square_folder: Path) -> None:
    async with coordinator(tmp_path, square_folder.parent) as (running, token_file):
        token_file.write_text("cosmic_wrong")
        async with linked(url_of(running), square.digest, token_file) as (_, heard):
            refusal = await heard.next(RefusedError)
            assert (refusal.code, refusal.fatal) == ("unauthorized", True)
            assert "cosmic-cloud token add" in refusal.remedy


async def test_a_part_that_the_coordinator_does_not_have_is_refused_by_name(
    tmp_path: Path, square_folder: Path
) -> None:
    async with coordinator(tmp_path, square_folder.parent) as (running, token_file):
        async with linked(url_of(running), "0" * 64, token_file) as (_, heard):
            refusal = await heard.next(RefusedError)
            assert (refusal.code, refusal.fatal) == ("unknown_part", True)
            assert "parts directory" in refusal.remedy


async def test_a_server_of_another_version_is_named() -> None:
    async def nothing(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with server(nothing, subprotocols=["cosmic.v2"]) as url, linked(url, "0" * 64) as (_, heard):
        refusal = await heard.next(RefusedError)
        assert (refusal.code, refusal.fatal) == ("unknown_version", True)


async def test_a_coordinator_that_breaks_the_protocol_is_closed_with_the_reason() -> None:
    closed: asyncio.Queue[tuple[int | None, str | None]] = asyncio.Queue()

    async def decide_too_early(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(encode(Decisions(layer=0, epoch=0, first_window=0, cells=[0], compute_ms=[0.0])))
        await socket.wait_closed()
        closed.put_nowait((socket.close_code, socket.close_reason))

    async with server(decide_too_early) as url, linked(url, "0" * 64) as (_, heard):
        refusal = await heard.next(RefusedError)
        assert "decisions came in state opening" in refusal.what
        assert (await closed.get())[0] == 1002


@pytest.mark.parametrize(("closes", "code"), [(True, 1000), (False, 1001)], ids=["job over", "agent ends"])
async def test_an_agent_that_ends_says_so_and_not_that_it_broke(closes: bool, code: int) -> None:
    closed: asyncio.Queue[tuple[int | None, str | None]] = asyncio.Queue()

    async def take_the_job(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(encode(READY))
        await socket.wait_closed()
        closed.put_nowait((socket.close_code, socket.close_reason))

    async with server(take_the_job) as url:
        async with linked(url, "0" * 64) as (uplink, heard):
            await heard.next(JobReady)
            if closes:
                await uplink.close("all layers printed")
        assert await closed.get() == (code, "job closed" if closes else "the agent ends")


async def test_what_is_told_while_a_connection_is_given_up_is_not_sent_and_no_error() -> None:
    given_up = asyncio.Event()

    async def break_the_protocol_and_leave_the_close_unanswered(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(encode(READY))
        await socket.recv()
        socket.transport.pause_reading()
        await socket.send(b"no message")
        await given_up.wait()
        socket.transport.abort()

    map_K = np.full(16, 300.0, dtype=np.float32)
    async with server(break_the_protocol_and_leave_the_close_unanswered) as url:
        async with linked(url, "0" * 64) as (uplink, heard):
            await heard.next(JobReady)
            assert uplink.tell(StartLayer(layer=0, epoch=0, map=Array.of(map_K)))
            lost = asyncio.create_task(heard.next(RefusedError))
            while not lost.done():  # as windows go on ending while the close is waited for
                uplink.tell(Printed(layer=0, epoch=0, window=0, cell=0, source="coordinator"))
                await asyncio.wait((lost,), timeout=0.01)
            given_up.set()
            assert lost.result().code == "bad_message"


async def test_a_job_that_is_refused_is_asked_for_again() -> None:
    asked = 0

    async def refuse_once(socket: ServerConnection) -> None:
        nonlocal asked
        await socket.recv()
        asked += 1
        answer = Failed(code="busy", message="4 jobs") if asked == 1 else READY
        await socket.send(encode(answer))
        await socket.wait_closed()

    async with server(refuse_once) as url, linked(url, "0" * 64) as (_, heard):
        refusal = await heard.next(RefusedError)
        assert (refusal.code, refusal.fatal) == ("busy", False)
        await heard.next(JobReady)


async def test_a_coordinator_that_does_not_read_is_given_up_and_the_printer_never_waits() -> None:
    seen = asyncio.Event()

    async def stall(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(encode(READY))
        socket.transport.pause_reading()
        await seen.wait()
        socket.transport.abort()

    map_K = np.full(100_000, 300.0, dtype=np.float32)
    async with server(stall, max_size=None) as url:
        async with linked(url, "0" * 64, queue_messages=8, ping_interval_s=0.1, ping_timeout_s=0.2) as (
            uplink,
            heard,
        ):
            await heard.next(JobReady)
            start = StartLayer(layer=0, epoch=0, map=Array.of(map_K))
            taken = [uplink.tell(start) for _ in range(100)]
            assert not all(taken), "the queue is bounded"
            await heard.next(RefusedError)
            seen.set()


async def test_the_log_says_a_loss_once_and_not_with_every_attempt() -> None:
    with capture_logs() as lines:
        async with linked("ws://127.0.0.1:9/v1/agent", "0" * 64) as (_, heard):
            for _ in range(5):
                refusal = await heard.next(RefusedError)
                assert refusal.code == "unreachable"
    assert len([line for line in lines if line["event"] == "link"]) == 1


@pytest.mark.parametrize(
    ("content", "what"), [(None, "cannot be read"), ("", "does not hold a token"), ("two words", "does not hold")]
)
def test_a_token_file_that_holds_no_token_is_named(tmp_path: Path, content: str | None, what: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    settings = UplinkSettings(url="ws://127.0.0.1:9/v1/agent", token_file=str(file))
    with pytest.raises(ConfigurationError, match=what) as caught:
        Uplink(settings, OpenJob(job="j", part="0" * 64, printer="p"), Heard())
    assert "token add" in caught.value.remedy


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    settings = UplinkSettings(url="wss://127.0.0.1:9/v1/agent", ca_file=str(tmp_path / "absent.pem"))
    with pytest.raises(ConfigurationError, match=r"absent\.pem"):
        Uplink(settings, OpenJob(job="j", part="0" * 64, printer="p"), Heard())


READY = JobReady(job="job", cells=1, elements=1, engine="test")


async def test_a_token_that_was_replaced_is_read_when_connecting_again(
    tmp_path: Path, square: Part, square_folder: Path
) -> None:
    async with coordinator(tmp_path, square_folder.parent) as (running, token_file):
        good = token_file.read_text()
        token_file.write_text("cosmic_stale\n")
        async with linked(url_of(running), square.digest, token_file) as (_, heard):
            assert (await heard.next(RefusedError)).code == "unauthorized"
            token_file.write_text("two words\n")  # half written: what was known stays in use
            assert (await heard.next(RefusedError)).code == "unauthorized"
            token_file.write_text(good)
            await heard.next(JobReady)


async def test_a_busy_coordinator_is_asked_again_until_it_has_room(
    tmp_path: Path, square: Part, square_folder: Path
) -> None:
    async with coordinator(tmp_path, square_folder.parent) as (running, token_file):
        running.admission.load_max = 0.0
        running.admission.open("other", "job", square.digest, 0.04, 0.0)
        async with linked(url_of(running), square.digest, token_file) as (uplink, heard):
            for _ in range(2):
                refused = await heard.next(RefusedError)
                assert (refused.code, refused.fatal) == ("busy", False)
                assert "no room for another job" in refused.what
            assert not uplink.ready
            running.admission.close("other", "job")
            await heard.next(JobReady)
