"""The coordinator's side of every way over sockets: fan a map out, gather the rows, note how long it took.

Every way answers the same question: in every round all workers get the whole map of float64[values] and each
answers with `values / workers` of it (r x 1, the paper's way).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloud.link.link import TcpLink
from cloud.link.measuring.rounds import Rounds
from cloud.plans import FunctionId
from cloud.platforms.interface import ServeSummary
from cloud.platforms.link import Floats, Hello, WindowTask

Floats64 = NDArray[np.float64]
Way = Callable[[int, int, Rounds], list[float]]
"""(workers, values, rounds) -> seconds of every round."""

START_S = 60.0
"""Longest start of all peers, seconds."""


@contextmanager
def peers(way: str, address: str, workers: int, values: int) -> Iterator[None]:
    """Run the workers of a way; they end when the block does."""
    numbers = values // workers, values, os.getpid()
    words = [sys.executable, "-m", "cloud.link.measuring.peer", way, address, *map(str, numbers)]
    started = [subprocess.Popen(words) for _ in range(workers)]  # noqa: S603 - our own program
    try:
        yield
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


def a_map(values: int) -> Floats64:
    """Return a map of `values` elements."""
    return np.linspace(0.0, 1.0, values)


def check(gathered: Floats64, workers: int, values: int) -> None:
    """Compare what came back with what was asked."""
    rows = gathered.size // workers
    expected = a_map(values)[:rows]
    for worker in range(workers):
        if not np.array_equal(gathered[worker * rows : (worker + 1) * rows], expected):
            raise AssertionError(f"worker {worker} answered something else")


def bare_sockets(workers: int, values: int, rounds: Rounds) -> list[float]:
    """The floor: sockets and epoll in one thread, no frames, no event loop."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=workers)
    listening.settimeout(START_S)
    theta = a_map(values)
    view = theta.data.cast("B")
    rows = values // workers
    gathered = np.zeros(rows * workers)
    taken: list[float] = []
    with (
        peers("sockets", f"127.0.0.1:{listening.getsockname()[1]}", workers, values),
        contextlib.ExitStack() as ends,
    ):
        links = [ends.enter_context(listening.accept()[0]) for _ in range(workers)]
        listening.close()
        poll = ends.enter_context(select.epoll())
        numbers = {link.fileno(): number for number, link in enumerate(links)}
        for link in links:
            link.setblocking(False)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            poll.register(link, select.EPOLLIN)
        room = gathered.data.cast("B")
        for _ in rounds:
            started_s = perf_counter()
            sent = [_send(link, view) for link in links]
            for number, link in enumerate(links):
                if sent[number] < view.nbytes:
                    poll.modify(link, select.EPOLLIN | select.EPOLLOUT)
            filled = [0] * workers
            while sum(filled) < room.nbytes:
                for descriptor, event in poll.poll(START_S):
                    number = numbers[descriptor]
                    if event & select.EPOLLOUT:
                        sent[number] += _send(links[number], view[sent[number] :])
                        if sent[number] == view.nbytes:
                            poll.modify(descriptor, select.EPOLLIN)
                    if event & select.EPOLLIN:
                        start, end = number * rows * 8 + filled[number], (number + 1) * rows * 8
                        filled[number] += links[number].recv_into(room[start:end])
            taken.append(perf_counter() - started_s)
    check(gathered, workers, values)
    return taken


def _send(link: socket.socket, view: memoryview) -> int:
    try:
        return link.send(view)
    except BlockingIOError:
        return 0


class _Gather:
    """Listens to our link and puts the rows into one array."""

    def __init__(self, workers: int, values: int) -> None:
        self.rows = values // workers
        self.gathered = np.zeros(self.rows * workers)
        self.numbers: list[int] = []
        self.all_there = asyncio.get_running_loop().create_future()
        self.workers = workers
        self.left = 0
        self.all_came: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def worker_ready(self, worker: int, hello: Hello) -> None:  # noqa: ARG002
        self.numbers.append(worker)
        if len(self.numbers) == self.workers:
            self.all_there.set_result(None)

    def partial_came(self, worker: int, sequence: int, partial: Floats | None, error: str) -> None:  # noqa: ARG002
        assert partial is not None
        at = (worker - 1) * self.rows
        self.gathered[at : at + self.rows] = partial
        self.left -= 1
        if self.left == 0:
            self.all_came.set_result(None)

    def worker_lost(self, worker: int, cause: str) -> None:
        raise AssertionError(f"worker {worker}: {cause}")

    def worker_done(self, worker: int, summary: ServeSummary) -> None:
        """Nothing to note."""


def our_link(workers: int, values: int, rounds: Rounds) -> list[float]:
    """cloud.link as engines use it: frames, tokens, limits, time-outs."""

    async def run() -> list[float]:
        link = TcpLink(lambda token, now_s: FunctionId(0, 0, 0) if token == "measuring" and now_s else None)  # noqa: S105
        gather = _Gather(workers, values)
        await link.open(gather)
        theta = a_map(values)
        taken = []
        with peers("link", link.address, workers, values):
            async with asyncio.timeout(START_S):
                await gather.all_there
            columns = dict.fromkeys(gather.numbers, (0, values))
            for number in rounds:
                gather.left = workers
                gather.all_came = asyncio.get_running_loop().create_future()
                started_s = perf_counter()
                link.send_window(WindowTask(number, 0, 1, theta, columns))
                await gather.all_came
                taken.append(perf_counter() - started_s)
            await link.close()
        check(gather.gathered, workers, values)
        return taken

    return asyncio.run(run())


def streams(workers: int, values: int, rounds: Rounds) -> list[float]:
    """Asyncio's streams."""

    async def run() -> list[float]:
        ends: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        all_there = asyncio.get_running_loop().create_future()

        def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            ends.append((reader, writer))
            if len(ends) == workers:
                all_there.set_result(None)

        server = await asyncio.start_server(came, "127.0.0.1", 0, limit=2**20)
        address = "{}:{}".format(*server.sockets[0].getsockname())
        theta = a_map(values)
        rows = values // workers
        gathered = np.zeros(rows * workers)
        taken = []

        async def ask(number: int) -> None:
            reader, writer = ends[number]
            writer.write(theta.data.cast("B"))
            await writer.drain()
            answer = await reader.readexactly(rows * 8)
            gathered[number * rows : (number + 1) * rows] = np.frombuffer(answer)

        with peers("streams", address, workers, values):
            async with asyncio.timeout(START_S):
                await all_there
            for _ in rounds:
                started_s = perf_counter()
                await asyncio.gather(*(ask(number) for number in range(workers)))
                taken.append(perf_counter() - started_s)
            for _, writer in ends:
                writer.close()
            server.close()
        check(gathered, workers, values)
        return taken

    return asyncio.run(run())


def websockets(workers: int, values: int, rounds: Rounds) -> list[float]:
    """WebSockets without compression."""

    async def run() -> list[float]:
        from websockets.asyncio.server import ServerConnection, serve  # noqa: PLC0415

        ends: list[ServerConnection] = []
        all_there = asyncio.get_running_loop().create_future()
        over = asyncio.Event()

        async def came(end: ServerConnection) -> None:
            ends.append(end)
            if len(ends) == workers:
                all_there.set_result(None)
            await over.wait()

        theta = a_map(values)
        rows = values // workers
        gathered = np.zeros(rows * workers)
        taken = []

        async def ask(number: int) -> None:
            await ends[number].send(theta.data.cast("B"))
            answer = await ends[number].recv(decode=False)
            gathered[number * rows : (number + 1) * rows] = np.frombuffer(answer)

        async with serve(came, "127.0.0.1", 0, compression=None, max_size=2**26, ping_interval=None) as server:
            address = "{}:{}".format(*next(iter(server.sockets)).getsockname())
            with peers("websockets", address, workers, values):
                async with asyncio.timeout(START_S):
                    await all_there
                for _ in rounds:
                    started_s = perf_counter()
                    await asyncio.gather(*(ask(number) for number in range(workers)))
                    taken.append(perf_counter() - started_s)
                over.set()
        check(gathered, workers, values)
        return taken

    return asyncio.run(run())


def zeromq(workers: int, values: int, rounds: Rounds) -> list[float]:
    """ZeroMQ: one ROUTER socket, values not copied in either direction, its own thread for the network."""
    zmq: Any = import_module("zmq")

    async def run() -> list[float]:
        context = import_module("zmq.asyncio").Context()
        router = context.socket(zmq.ROUTER)
        router.setsockopt(zmq.LINGER, 0)
        port = router.bind_to_random_port("tcp://127.0.0.1")
        theta = a_map(values)
        rows = values // workers
        gathered = np.zeros(rows * workers)
        taken = []
        with peers("zeromq", f"127.0.0.1:{port}", workers, values):
            async with asyncio.timeout(START_S):
                names = [(await router.recv_multipart())[0] for _ in range(workers)]
            numbers = {name: number for number, name in enumerate(names)}
            for _ in rounds:
                started_s = perf_counter()
                for name in names:
                    await router.send_multipart([name, theta], copy=False)
                for _ in range(workers):
                    name, answer = await router.recv_multipart(copy=False)
                    at = numbers[bytes(name.buffer)] * rows
                    gathered[at : at + rows] = np.frombuffer(answer.buffer)
                taken.append(perf_counter() - started_s)
        context.destroy()
        check(gathered, workers, values)
        return taken

    return asyncio.run(run())
