"""Names are looked up: on threads of their own, one for each, and nobody waits for one that others wait for."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from agent.names import Names


class NameServer:
    """A resolver that answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.answers = threading.Event()
        self.threads: set[threading.Thread] = set()

    def look_up(self, host: str, port: int, **_hints: Any) -> list[Any]:
        self.asked.append((host, port))
        self.threads.add(threading.current_thread())
        assert self.answers.wait(60.0)
        if host == "nobody":
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        if host == "homeless":
            return []
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("10.0.0.7", "10.0.0.8")
        ]


@pytest.fixture
def server() -> Iterator[NameServer]:
    made = NameServer()
    yield made
    made.answers.set()
    for thread in made.threads:
        thread.join(10.0)


async def test_all_who_ask_for_one_name_have_one_answer(server: NameServer) -> None:
    names = Names(server.look_up)
    asking = [asyncio.create_task(names.addresses("press", 80)) for _ in range(20)]
    await asyncio.sleep(0)
    server.answers.set()
    found = await asyncio.gather(*asking)
    assert found == [[(socket.AF_INET, ("10.0.0.7", 80)), (socket.AF_INET, ("10.0.0.8", 80))]] * 20
    assert server.asked == [("press", 80)]
    assert names.waiting == 0


async def test_a_silent_name_server_takes_one_thread_however_often_it_is_asked(server: NameServer) -> None:
    names = Names(server.look_up)
    for _ in range(50):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await names.addresses("press", 80)
    assert (len(server.threads), names.waiting) == (1, 1)
    assert all(thread.daemon for thread in server.threads), "the agent's end would wait for it"
    assert await asyncio.to_thread(lambda: 7) == 7
    server.answers.set()
    assert len(await names.addresses("press", 80)) == 2


async def test_a_name_is_looked_up_anew_once_it_was_answered(server: NameServer) -> None:
    names = Names(server.look_up)
    server.answers.set()
    await names.addresses("press", 80)
    await names.addresses("press", 80)
    assert len(server.asked) == 2


@pytest.mark.parametrize("host", ["nobody", "homeless"])
async def test_a_name_without_an_address_is_an_error_for_all_who_ask(server: NameServer, host: str) -> None:
    names = Names(server.look_up)
    asking = [asyncio.create_task(names.addresses(host, 80)) for _ in range(2)]
    await asyncio.sleep(0)
    server.answers.set()
    for error in await asyncio.gather(*asking, return_exceptions=True):
        assert isinstance(error, socket.gaierror)


async def test_what_is_no_name_at_all_is_an_error_of_the_same_kind() -> None:
    with pytest.raises(OSError, match="no name of a machine"):
        await Names().addresses("a" * 70 + ".example", 80)


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
async def test_an_address_is_not_looked_up(server: NameServer, host: str, family: socket.AddressFamily) -> None:
    assert await Names(server.look_up).addresses(host, 80) == [(family, (host, 80))]
    assert server.asked == []


async def test_the_system_knows_its_own_name() -> None:
    assert any(address[0] == "127.0.0.1" for _, address in await Names().addresses("localhost", 80))
