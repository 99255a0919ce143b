"""Reaching the coordinator: each of its addresses in turn, all within one limit; a silent name server is named."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.names import Names
from agent.uplink.dialling import reach
from cosmic.errors import RefusedError

UNKNOWN_FAMILY = 9999


def names_of(*addresses: str) -> Names:
    """Return names that all have `addresses`."""

    def look_up(_host: str, port: int, **_hints: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return Names(look_up)


@contextmanager
def listening(address: str) -> Iterator[int]:
    """Listen on a port of `address`."""
    with closing(socket.socket()) as server:
        server.bind((address, 0))
        server.listen()
        yield server.getsockname()[1]


@contextmanager
def silent(address: str, port: int) -> Iterator[None]:
    """Have connections to `port` of `address` wait: a listener whose queue is full."""
    with closing(socket.socket()) as server, closing(socket.socket()) as first, closing(socket.socket()) as second:
        server.bind((address, port))
        server.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex((address, port))
        yield


async def test_an_address_that_refuses_leaves_it_to_the_next() -> None:
    with listening("127.0.0.1") as port:
        with closing(await reach(names_of("127.0.0.2", "127.0.0.1"), "press", port, 5.0)) as reached:
            assert reached.getpeername() == ("127.0.0.1", port)


async def test_an_address_of_a_family_that_this_machine_has_not_leaves_it_to_the_next() -> None:
    with listening("127.0.0.1") as port:

        def look_up(*_: Any, **__: Any) -> list[Any]:
            rows = ((UNKNOWN_FAMILY, ("::1", port)), (socket.AF_INET, ("127.0.0.1", port)))
            return [(family, socket.SOCK_STREAM, 6, "", address) for family, address in rows]

        with closing(await reach(Names(look_up), "press", port, 5.0)) as reached:
            assert reached.getpeername() == ("127.0.0.1", port)


async def test_an_address_that_is_silent_leaves_time_for_the_next() -> None:
    with listening("127.0.0.1") as port, silent("127.0.0.2", port):
        with closing(await reach(names_of("127.0.0.2", "127.0.0.1"), "press", port, 1.0)) as reached:
            assert reached.getpeername() == ("127.0.0.1", port)


async def test_where_all_refuse_the_last_refusal_is_told() -> None:
    with listening("127.0.0.1") as port:
        with pytest.raises(ConnectionRefusedError):
            await reach(names_of("127.0.0.2", "127.0.0.3"), "press", port, 5.0)


async def test_where_all_are_silent_it_ends_in_time() -> None:
    with listening("127.0.0.1") as port, silent("127.0.0.2", port):
        with pytest.raises(TimeoutError):
            await reach(names_of("127.0.0.2"), "press", port, 0.05)


async def test_a_silent_name_server_is_named_with_the_limit_and_the_remedy() -> None:
    answers = threading.Event()

    def never(*_: Any, **__: Any) -> list[Any]:
        answers.wait(60.0)
        return []

    try:
        with pytest.raises(RefusedError) as refused:
            await reach(Names(never), "press.plant", 8470, 0.05)
    finally:
        answers.set()
    assert (refused.value.code, refused.value.fatal) == ("name_server", False)
    assert "press.plant" in refused.value.what
    assert "0.05 s (uplink.connect_s)" in refused.value.why
    assert "/etc/resolv.conf" in refused.value.remedy


async def test_whoever_is_cancelled_leaves_no_socket_open() -> None:
    with listening("127.0.0.1") as port, silent("127.0.0.2", port):
        before = open_files()
        reaching = asyncio.create_task(reach(Names(), "127.0.0.2", port, 60.0))
        await asyncio.sleep(0)
        assert open_files() == before + 1
        reaching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reaching
        assert open_files() == before


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
