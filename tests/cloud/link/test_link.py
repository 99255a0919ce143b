"""The worker link over real connections: the worker's end in threads, the coordinator's on the loop."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.link.frames import HEADER, HELLO_BYTES_MAX, MAGIC, FrameError, Kind, pack, unpack
from cloud.link.link import TcpLink
from cloud.link.worker import TcpChannel, connect
from cloud.plans import FunctionId
from cloud.platforms.interface import ServeSummary
from cloud.platforms.link import Floats, Hello, WindowTask
from cloud.platforms.tokens import CallbackTokens
from cosmic.errors import EngineError

FUNCTION = FunctionId(2, 0, 1)


class Ear:
    """A listener that notes what it hears and lets a test wait for it."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()

    def worker_ready(self, worker: int, hello: Hello) -> None:
        self.heard.put_nowait(("ready", worker, hello))

    def partial_came(self, worker: int, sequence: int, partial: Floats | None, error: str) -> None:
        copied = None if partial is None else partial.copy()
        self.heard.put_nowait(("partial", worker, sequence, copied, error))

    def worker_lost(self, worker: int, cause: str) -> None:
        self.heard.put_nowait(("lost", worker, cause))

    def worker_done(self, worker: int, summary: ServeSummary) -> None:
        self.heard.put_nowait(("done", worker, summary))


@pytest.fixture
def tokens() -> CallbackTokens:
    return CallbackTokens()


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
async def link(tokens: CallbackTokens, ear: Ear) -> AsyncIterator[TcpLink]:
    link = TcpLink(tokens.check)
    await link.open(ear)
    yield link
    await link.close()


Dial = Callable[..., Any]


@pytest.fixture
async def dial(link: TcpLink, tokens: CallbackTokens) -> AsyncIterator[Dial]:
    """Connect a worker that has said hello."""
    opened: list[TcpChannel] = []

    async def dialled(function: FunctionId = FUNCTION, limit_s: float = 20.0) -> TcpChannel:
        token = tokens.issue(function, "job", len(opened), asyncio.get_running_loop().time() + 60.0)
        channel = await asyncio.to_thread(connect, {"address": link.address, "limit_s": limit_s})
        opened.append(channel)
        channel.ready(str(function), token, "env-1", ["aa", "bb"])
        return channel

    yield dialled
    for channel in opened:
        with suppress(OSError):
            channel._link.close()


def task(sequence: int, theta: Floats, columns: dict[int, tuple[int, int]]) -> WindowTask:
    return WindowTask(sequence=sequence, geometry=3, length=25, theta=theta, columns=columns)


async def test_worker_says_who_it_is_and_its_token_proves_it(link: TcpLink, ear: Ear, dial: Dial) -> None:
    await dial()
    kind, worker, hello = await ear.heard.get()
    assert (kind, worker) == ("ready", 1)
    assert (hello.function, hello.environment, hello.resident) == (FUNCTION, "env-1", frozenset({"aa", "bb"}))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
async def test_every_worker_gets_its_columns_and_its_rows_come_back_bit_for_bit(
    link: TcpLink, ear: Ear, dial: Dial, dtype: str
) -> None:
    theta: NDArray[Any] = np.random.default_rng(1).random(40_000).astype(dtype)
    channels = [await dial(FunctionId(0, 0, j)) for j in range(3)]
    workers = [(await ear.heard.get())[1] for _ in channels]
    ranges = dict(zip(workers, [(0, 13_334), (13_334, 26_667), (26_667, 40_000)], strict=True))
    for sequence in range(3):
        link.send_window(task(sequence, theta, ranges))

        def answer(channel: TcpChannel, sequence: int = sequence) -> None:
            question = channel.receive()
            assert question is not None
            assert (question.sequence, question.geometry, question.length) == (sequence, 3, 25)
            channel.answer(question.sequence, question.theta * 2, "")

        await asyncio.gather(*(asyncio.to_thread(answer, channel) for channel in channels))
        came = {}
        for _ in channels:
            kind, worker, answered, partial, error = await ear.heard.get()
            assert (kind, answered, error) == ("partial", sequence, "")
            came[worker] = partial
        for worker, (left, right) in ranges.items():
            assert came[worker].dtype == theta.dtype
            assert np.array_equal(came[worker], theta[left:right] * 2)


async def test_map_larger_than_what_the_kernel_takes_at_once_arrives_whole(
    link: TcpLink, ear: Ear, dial: Dial
) -> None:
    theta = np.random.default_rng(2).random(2_000_000)
    channel = await dial()
    worker = (await ear.heard.get())[1]
    link.send_window(task(1, theta, {worker: (0, theta.size)}))
    question = await asyncio.to_thread(channel.receive)
    assert np.array_equal(question.theta, theta)
    sent = asyncio.create_task(asyncio.to_thread(channel.answer, 1, question.theta[::-1], ""))
    assert np.array_equal((await ear.heard.get())[3], theta[::-1])
    await sent


async def test_worker_that_cannot_compute_says_why(link: TcpLink, ear: Ear, dial: Dial) -> None:
    channel = await dial()
    worker = (await ear.heard.get())[1]
    link.send_window(task(7, np.zeros(4), {worker: (0, 4)}))
    await asyncio.to_thread(channel.receive)
    channel.answer(7, None, "no block")
    assert await ear.heard.get() == ("partial", worker, 7, None, "no block")


async def test_released_worker_says_its_last_and_is_no_loss(link: TcpLink, ear: Ear, dial: Dial) -> None:
    channel = await dial()
    worker = (await ear.heard.get())[1]
    link.send_window(task(1, np.zeros(4), {worker: (0, 4)}))
    await asyncio.to_thread(channel.receive)
    channel.answer(1, np.zeros(2), "")
    await ear.heard.get()
    link.release(worker)
    assert await asyncio.to_thread(channel.receive) is None
    said = channel.close({"windows": 1, "busy_ms": 2.5})
    kind, number, summary = await ear.heard.get()
    assert (kind, number) == ("done", worker)
    assert summary == ServeSummary(windows=1, busy_ms=2.5, bytes_in=said["bytes_in"], bytes_out=said["bytes_out"])
    assert said["bytes_in"] == 2 * HEADER.size + 32


async def test_worker_that_dies_is_named(link: TcpLink, ear: Ear, dial: Dial) -> None:
    channel = await dial()
    worker = (await ear.heard.get())[1]
    channel._link.close()
    kind, number, cause = await ear.heard.get()
    assert (kind, number) == ("lost", worker)
    assert cause.startswith("g2-0-1 at 127.0.0.1:")


async def test_worker_that_hangs_is_cut_off_and_named(tokens: CallbackTokens, ear: Ear) -> None:
    link = TcpLink(tokens.check, answer_s=0.05)
    await link.open(ear)
    channel = await asyncio.to_thread(connect, {"address": link.address, "limit_s": 20.0})
    channel.ready("g2-0-1", tokens.issue(FUNCTION, "job", 1, asyncio.get_running_loop().time() + 60.0), "e", [])
    worker = (await ear.heard.get())[1]
    link.send_window(task(1, np.zeros(4), {worker: (0, 4)}))
    kind, number, cause = await ear.heard.get()
    assert (kind, number) == ("lost", worker)
    assert "no answer for 0.05 s" in cause
    assert await asyncio.to_thread(channel.receive) is not None
    assert await asyncio.to_thread(channel.receive) is None
    await link.close()


async def test_silent_connection_is_closed(tokens: CallbackTokens, ear: Ear) -> None:
    link = TcpLink(tokens.check, greeting_s=0.05)
    await link.open(ear)
    reader, writer = await asyncio.open_connection(*link.address.split(":"))
    assert await reader.read() == b""
    writer.close()
    await link.close()
    assert ear.heard.empty()


def hello(**changes: Any) -> bytes:
    said = {"function": "g2-0-1", "token": "t", "environment": "e", "resident": [], **changes}
    return json.dumps(said).encode()


STRANGERS: dict[str, bytes] = {
    "nothing of ours": b"GET / HTTP/1.1\r\nHost: coordinator.example.com\r\nAccept: everything\r\n\r\n",
    "another kind first": pack(Kind.PARTIAL, 8, type_=1) + bytes(8),
    "unknown kind": HEADER.pack(MAGIC, 99, 0, 0, 0, 0, 0),
    "unknown type": HEADER.pack(MAGIC, Kind.PARTIAL, 9, 8, 0, 0, 0),
    "half a value": HEADER.pack(MAGIC, Kind.PARTIAL, 1, 7, 0, 0, 0),
    "too long": pack(Kind.HELLO, HELLO_BYTES_MAX + 1),
    "no JSON": pack(Kind.HELLO, 4) + b"nope",
    "a field too many": pack(Kind.HELLO, len(hello(extra=1))) + hello(extra=1),
    "no token of ours": pack(Kind.HELLO, len(hello())) + hello(),
    "a token of no characters": pack(Kind.HELLO, len(hello(token="\ud800"))) + hello(token="\ud800"),
    "a token far too long": pack(Kind.HELLO, len(hello(token="t" * 9999))) + hello(token="t" * 9999),
}


@pytest.mark.parametrize("name", STRANGERS)
async def test_stranger_is_cut_off_before_anybody_hears_of_it(link: TcpLink, ear: Ear, name: str) -> None:
    reader, writer = await asyncio.open_connection(*link.address.split(":"))
    writer.write(STRANGERS[name])
    with suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    assert ear.heard.empty()


@pytest.mark.parametrize("wrong", ["expired", "changed", "of another function", "of another coordinator"])
async def test_token_that_is_not_good_is_refused(
    link: TcpLink, ear: Ear, tokens: CallbackTokens, wrong: str
) -> None:
    now_s = asyncio.get_running_loop().time()
    issuer = CallbackTokens() if wrong == "of another coordinator" else tokens
    token = issuer.issue(FUNCTION, "job", 1, now_s - 1.0 if wrong == "expired" else now_s + 60.0)
    if wrong == "changed":
        token = token[:-1] + ("0" if token[-1] != "0" else "1")
    function = "g2-0-0" if wrong == "of another function" else "g2-0-1"
    said = hello(token=token, function=function)
    reader, writer = await asyncio.open_connection(*link.address.split(":"))
    writer.write(pack(Kind.HELLO, len(said)) + said)
    assert await reader.read() == b""
    writer.close()
    assert ear.heard.empty()


@pytest.mark.parametrize(
    "garbage",
    [
        pack(Kind.PARTIAL, 32, type_=1, sequence=6) + bytes(32),
        pack(Kind.PARTIAL, 2**31, type_=1, sequence=5),
        pack(Kind.FAULT, 100_000, sequence=5),
        pack(Kind.WINDOW, 8, type_=1) + bytes(8),
        pack(Kind.DONE, 3) + b"{]}",
        pack(Kind.HELLO, 0),
        b"\xff" * 100,
    ],
    ids=["another window", "endless", "long excuse", "a window", "no summary", "hello again", "noise"],
)
async def test_worker_that_sends_garbage_is_cut_off_and_named(
    link: TcpLink, ear: Ear, dial: Dial, garbage: bytes
) -> None:
    channel = await dial()
    worker = (await ear.heard.get())[1]
    link.send_window(task(5, np.zeros(4), {worker: (0, 4)}))
    await asyncio.to_thread(channel.receive)
    channel._link.sendall(garbage)
    kind, number, cause = await ear.heard.get()
    assert (kind, number) == ("lost", worker)
    assert "g2-0-1" in cause
    assert "what it may not" in cause


async def test_answer_in_single_bytes_and_two_at_once_are_understood(link: TcpLink, ear: Ear, dial: Dial) -> None:
    channel = await dial()
    worker = (await ear.heard.get())[1]
    link.send_window(task(5, np.zeros(4), {worker: (0, 4)}))
    await asyncio.to_thread(channel.receive)
    answer = pack(Kind.PARTIAL, 16, type_=1, sequence=5) + struct.pack("<dd", 1.5, -2.5)
    for byte in answer:
        channel._link.sendall(bytes([byte]))
        await asyncio.sleep(0)
    assert (await ear.heard.get())[3].tolist() == [1.5, -2.5]
    link.send_window(task(6, np.zeros(4), {worker: (0, 4)}))
    link.release(worker)
    await asyncio.to_thread(channel.receive)
    summary = b'{"windows":2}'
    more = pack(Kind.PARTIAL, 16, type_=1, sequence=6) + struct.pack("<dd", 3.5, 4.5)
    channel._link.sendall(more + pack(Kind.DONE, len(summary)) + summary)
    assert (await ear.heard.get())[3].tolist() == [3.5, 4.5]
    assert await ear.heard.get() == ("done", worker, ServeSummary(windows=2))


async def test_dropped_worker_is_heard_no_more(link: TcpLink, ear: Ear, dial: Dial) -> None:
    channel = await dial()
    worker = (await ear.heard.get())[1]
    link.drop(worker)
    assert await asyncio.to_thread(channel.receive) is None
    link.drop(worker)
    link.release(worker)
    link.send_window(task(5, np.zeros(4), {worker: (0, 4)}))
    assert ear.heard.empty()


async def test_second_window_for_a_worker_that_has_one_cuts_it_off(link: TcpLink, ear: Ear, dial: Dial) -> None:
    await dial()
    worker = (await ear.heard.get())[1]
    link.send_window(task(5, np.zeros(4), {worker: (0, 4)}))
    link.send_window(task(6, np.zeros(4), {worker: (0, 4)}))
    kind, _, cause = await ear.heard.get()
    assert kind == "lost"
    assert "does not take" in cause


async def test_worker_ends_on_its_own_when_nobody_asks(link: TcpLink, ear: Ear, dial: Dial) -> None:
    channel = await dial(limit_s=0.05)
    await ear.heard.get()
    assert await asyncio.to_thread(channel.receive) is None
    channel.close({"windows": 0, "busy_ms": 0.0})
    kind, _, cause = await ear.heard.get()
    assert kind == "lost"
    assert "on its own" in cause


async def test_worker_trusts_no_coordinator_either() -> None:
    ours, theirs = socket.socketpair()
    for sent in (b"\x00" * HEADER.size, pack(Kind.WINDOW, 2**30, type_=1), pack(Kind.HELLO)):
        theirs.sendall(sent)
        channel = TcpChannel.__new__(TcpChannel)
        channel._link, channel._head, channel._bytes_in = ours, bytearray(HEADER.size), 0
        with pytest.raises(FrameError):
            channel.receive()
    ours.close()
    theirs.close()


async def test_address_that_is_taken_is_an_engine_error(link: TcpLink, tokens: CallbackTokens, ear: Ear) -> None:
    with pytest.raises(EngineError, match="cannot listen for workers"):
        await TcpLink(tokens.check, port=int(link.address.split(":")[1])).open(ear)


def test_header_is_what_it_was_packed_from() -> None:
    frame = unpack(pack(Kind.WINDOW, 80, type_=2, sequence=2**40, geometry=7, length=9))
    assert frame == (Kind.WINDOW, 2, 80, 2**40, 7, 9)
    assert HEADER.size == 64
