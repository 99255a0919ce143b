"""The link of an engine: takes workers in, sends windows, tells what comes back. Implements platforms.Link.

A worker that nobody asked for, that sends what it may not, or that does not answer in time is cut off and named
in the log and to the listener. The link is not encrypted: it belongs into a private network (VPC).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec
import numpy as np
import structlog
from msgspec import Meta

from cloud.link.connection import Connection
from cloud.link.frames import ITEM_BYTES, TOKEN_LENGTH_MAX, TYPE_NAMES, TYPES, Frame, FrameError, Kind, pack
from cloud.plans import FunctionId
from cloud.platforms.interface import ServeSummary
from cloud.platforms.link import Floats, Hello, LinkListener, WindowTask, Worker
from cosmic.errors import EngineError
from cosmic.undecodable import UNDECODABLE

BACKLOG = 4096
"""Connections that wait to be accepted: a whole plan's workers come at once (limited by net.core.somaxconn)."""

GREETING_S = 5.0
"""A connection that has not said who it is by then is closed, seconds."""

ANSWER_S = 30.0
"""A worker that has not answered a window by then is cut off, seconds; engines give up earlier."""

STRANGERS_MAX = 1024
"""Connections that have not said who they are, at a time; one more is closed."""


_Said = TypeVar("_Said", bound=msgspec.Struct)


class _Hello(msgspec.Struct, forbid_unknown_fields=True):
    function: Annotated[str, Meta(max_length=64)]
    token: Annotated[str, Meta(max_length=TOKEN_LENGTH_MAX, pattern="^[ -~]*$")]
    environment: Annotated[str, Meta(max_length=256)]
    resident: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=10_000)]


@dataclass(slots=True)
class _Member:
    """A worker that was taken in."""

    number: Worker
    function: FunctionId
    connection: Connection
    waiting: int | None = None
    released: bool = False


class TcpLink:
    """Listens on `host`:`port` for the workers of one engine.

    check: (token, loop time in seconds) -> the function it stands for, None where it is not good.
    port: 0 takes a free one.
    advertise: host that workers are told, where it is another than `host`.
    greeting_s, answer_s: limits in seconds, see GREETING_S and ANSWER_S.
    """

    def __init__(
        self,
        check: Callable[[str, float], FunctionId | None],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        advertise: str | None = None,
        greeting_s: float = GREETING_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._check = check
        self._host = host
        self._port = port
        self._advertise = advertise or host
        self._greeting_s = greeting_s
        self._answer_s = answer_s
        self._listening: socket.socket | None = None
        self._strangers: dict[Connection, asyncio.TimerHandle] = {}
        self._members: dict[Worker, _Member] = {}
        self._by_connection: dict[Connection, _Member] = {}
        self._last_number = 0
        self._log = structlog.get_logger()

    @property
    def address(self) -> str:
        """`host:port`, with IPv6 addresses in brackets."""
        host = f"[{self._advertise}]" if ":" in self._advertise else self._advertise
        return f"{host}:{self._port}"

    async def open(self, listener: LinkListener) -> None:
        """Begin to listen. Raises EngineError."""
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((self._host, self._port))
            listening.listen(BACKLOG)
        except OSError as error:
            listening.close()
            raise EngineError(
                f"cannot listen for workers: {error.strerror}",
                where=f"{self._host}:{self._port}",
                remedy="choose another address or port for the worker link",
            ) from error
        listening.setblocking(False)
        self._port = listening.getsockname()[1]
        self._listening = listening
        self._loop.add_reader(listening.fileno(), self._accept)

    def send_window(self, task: WindowTask) -> None:
        """Send every worker of the task its columns of theta: views of it, no copies."""
        type_ = TYPES[task.theta.dtype.name]
        item = ITEM_BYTES[type_]
        values = task.theta.data.cast("B")
        room = values.nbytes  # a worker's rows are at most all of them
        for number, (left, right) in task.columns.items():
            member = self._members.get(number)
            if member is None or member.released:
                continue
            if member.waiting is not None or member.connection.unsent:
                self._loop.call_soon(member.connection.cut_off, "it does not take what it is sent")
                continue
            size = (right - left) * item
            member.waiting = task.sequence
            member.connection.make_room(room)
            member.connection.send(
                pack(
                    Kind.WINDOW,
                    size,
                    type_=type_,
                    sequence=task.sequence,
                    geometry=task.geometry,
                    length=task.length,
                ),
                values[left * item : right * item],
            )
        self._loop.call_later(self._answer_s, self._too_late, task.sequence, tuple(task.columns))

    def release(self, worker: Worker) -> None:
        """Tell a worker to end; one that does not is cut off after `answer_s`."""
        member = self._members.get(worker)
        if member is None or member.released:
            return
        member.released = True
        member.connection.send(pack(Kind.RELEASE))
        self._loop.call_later(self._answer_s, member.connection.cut_off, "it did not end")

    def drop(self, worker: Worker) -> None:
        """Cut a worker off at once; the listener hears no more of it."""
        member = self._members.pop(worker, None)
        if member is not None:
            del self._by_connection[member.connection]
            member.connection.close()

    async def close(self) -> None:
        """Cut every worker off and stop listening."""
        if self._listening is not None:
            self._loop.remove_reader(self._listening.fileno())
            self._listening.close()
            self._listening = None
        for connection, limit in self._strangers.items():
            limit.cancel()
            connection.close()
        self._strangers.clear()
        for worker in list(self._members):
            self.drop(worker)

    def _accept(self) -> None:
        assert self._listening is not None
        try:
            link, address = self._listening.accept()
        except OSError as error:  # the worker went away again, or there are no descriptors left
            if not isinstance(error, BlockingIOError):
                self._log.warning("worker_not_accepted", cause=error.strerror)
            return
        if len(self._strangers) >= STRANGERS_MAX:
            link.close()
            return
        connection = Connection(link, f"{address[0]}:{address[1]}", self._heard, self._gone, self._loop)
        self._strangers[connection] = self._loop.call_later(
            self._greeting_s, connection.cut_off, f"it said nothing for {self._greeting_s:g} s"
        )

    def _heard(self, connection: Connection, frame: Frame, payload: memoryview) -> None:
        """Take one frame. Raises FrameError for what the worker may not send now."""
        member = self._by_connection.get(connection)
        if member is None:
            self._greeted(connection, frame, payload)
        elif frame.kind in {Kind.PARTIAL, Kind.FAULT} and frame.sequence == member.waiting:
            member.waiting = None
            partial: Floats | None = None
            error = ""
            if frame.kind is Kind.PARTIAL:
                partial = np.frombuffer(payload, dtype=TYPE_NAMES[frame.type])
            else:
                error = bytes(payload).decode(errors="replace")
            self._listener.partial_came(member.number, frame.sequence, partial, error)
        elif frame.kind is Kind.DONE:
            self._done(member, _decode(payload, ServeSummary))
        else:
            raise FrameError(f"a {frame.kind.name} {frame.sequence} that nobody asked for")

    def _greeted(self, connection: Connection, frame: Frame, payload: memoryview) -> None:
        if frame.kind is not Kind.HELLO:
            raise FrameError(f"a {frame.kind.name} before it said who it is")
        hello = _decode(payload, _Hello)
        function = self._check(hello.token, self._loop.time())
        if function is None or str(function) != hello.function:
            raise FrameError("a token that is unknown or has expired")
        self._strangers.pop(connection).cancel()
        self._last_number += 1
        member = _Member(self._last_number, function, connection)
        self._members[member.number] = member
        self._by_connection[connection] = member
        self._listener.worker_ready(
            member.number, Hello(function, hello.token, hello.environment, frozenset(hello.resident))
        )

    def _gone(self, connection: Connection, why: str) -> None:
        limit = self._strangers.pop(connection, None)
        if limit is not None:
            limit.cancel()
            self._log.warning("worker_refused", peer=connection.peer, cause=why)
            return
        member = self._by_connection.pop(connection)
        del self._members[member.number]
        if member.released:
            self._listener.worker_done(member.number, ServeSummary())
            return
        self._log.warning("worker_cut_off", worker=str(member.function), peer=connection.peer, cause=why)
        self._listener.worker_lost(member.number, f"{member.function} at {connection.peer}: {why}")

    def _done(self, member: _Member, summary: ServeSummary) -> None:
        """The worker's last word; one that was not released ended on its own, and is lost."""
        if not member.released:
            member.connection.cut_off("it ended on its own")
            return
        self.drop(member.number)
        self._listener.worker_done(member.number, summary)

    def _too_late(self, sequence: int, workers: tuple[Worker, ...]) -> None:
        for number in workers:
            member = self._members.get(number)
            if member is not None and member.waiting == sequence:
                member.connection.cut_off(f"no answer for {self._answer_s:g} s")


def _decode(payload: memoryview, kind: type[_Said]) -> _Said:
    """Return what a worker says in JSON. Raises FrameError."""
    try:
        return msgspec.json.decode(payload, type=kind)
    except UNDECODABLE as error:
        raise FrameError(f"no words: {error}") from error
