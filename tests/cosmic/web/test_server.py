"""The server over real sockets: what strangers send, what they get, and what they cannot do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason='aiohttp is not installed: pip install "cosmic-lpbf[http]"')

import aiohttp
from aiohttp import web
from structlog.testing import capture_logs

from cosmic.errors import ConfigurationError
from cosmic.web.events import FRAMES_MAX, EventStream, frame
from cosmic.web.server import Site, WebServer
from cosmic.web.settings import Http

WAIT_S = 20.0


async def _hello(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="hello\n")


async def _broken(_request: web.Request) -> web.StreamResponse:
    raise ValueError("a bug")


def server(**settings: Any) -> WebServer:
    return WebServer(Http(port=0, **settings), Site({"/": _hello, "/broken": _broken}))


async def ask(served: WebServer, text: bytes) -> bytes:
    """Return all that comes back for `text`, until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        writer.write(text)
        async with asyncio.timeout(WAIT_S):
            return await reader.read()
    finally:
        writer.close()


async def test_a_page_is_served_and_nothing_of_it_may_come_from_elsewhere() -> None:
    async with server() as served, aiohttp.ClientSession() as session, session.get(served.url) as answer:
        assert (answer.status, await answer.text()) == (200, "hello\n")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "aiohttp" not in answer.headers["Server"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_what_would_change_something_is_refused(method: str) -> None:
    async with server() as served, aiohttp.ClientSession() as session:
        async with session.request(method, served.url, data=b"x") as answer:
            assert answer.status in {405, 413}
        async with session.request(method, served.url) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


async def test_a_rebound_name_and_another_origin_are_refused_with_words() -> None:
    async with server() as served, aiohttp.ClientSession() as session:
        async with session.get(served.url, headers={"Host": "evil.example"}) as answer:
            assert answer.status == 403
            assert "evil.example" in await answer.text()
        async with session.get(served.url, headers={"Origin": "https://evil.example"}) as answer:
            assert answer.status == 403
        async with session.get(served.url, headers={"Origin": served.url.rstrip("/")}) as answer:
            assert answer.status == 200


async def test_bad_requests_end_their_connection_and_no_more() -> None:
    async with server() as served:
        for text in (
            b"\x16\x03\x01\x02\x00garbage\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
            b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nhello",
            b"GET / HTTP/1.1\r\n\r\n",
        ):
            answer = await ask(served, text)
            assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), answer[:80]
        assert (await ask(served, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"))[
            9:12
        ] == b"200"


async def test_who_asks_nothing_is_let_go() -> None:
    async with server(request_s=0.05) as served:
        assert await ask(served, b"") == b""
        assert await ask(served, b"GET / HTTP/1.1\r\nHost: 127.0") == b"", "half a request"


async def test_no_more_connections_than_the_limit() -> None:
    async with server(connections_max=2) as served:
        kept = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(2)]
        while served.connections < 2:
            await asyncio.sleep(0)
        with contextlib.suppress(ConnectionError):  # reset or closed, as the system likes
            assert await ask(served, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") == b""
        assert served.connections == 2
        for _, writer in kept:
            writer.close()
        while served.connections:
            await asyncio.sleep(0)
        assert b"hello" in await ask(served, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")


async def test_no_more_requests_a_second_than_the_limit() -> None:
    async with server(requests_per_s_max=3.0) as served, aiohttp.ClientSession() as session:
        statuses = []
        for _ in range(6):
            async with session.get(served.url) as answer:
                statuses.append(answer.status)
        assert statuses[:3] == [200, 200, 200]
        assert 429 in statuses


async def test_a_bug_in_a_page_is_logged_and_ends_nothing() -> None:
    async with server() as served, aiohttp.ClientSession() as session:
        with capture_logs() as lines:
            async with session.get(f"{served.url}broken") as answer:
                assert (answer.status, await answer.text()) == (500, "internal error, see the log\n")
        assert [line["cause"] for line in lines if line["event"] == "http_failed"] == ["ValueError: a bug"]
        async with session.get(served.url) as answer:
            assert answer.status == 200
        async with session.get(f"{served.url}nothing") as answer:
            assert answer.status == 404


async def test_a_port_in_use_is_named_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}.*choose a free http.port"):
            async with WebServer(Http(port=port), Site({"/": _hello})):
                pass


def test_other_machines_need_a_token() -> None:
    with pytest.raises(ConfigurationError, match=r"http.host.*token_file"):
        server(host="0.0.0.0")  # noqa: S104  it is refused


def test_a_token_that_is_missing_or_short_is_named(tmp_path: Path) -> None:
    short = tmp_path / "token"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        server(token_file=str(short))
    short.write_text("secret\n")
    with pytest.raises(ConfigurationError, match="openssl rand"):
        server(token_file=str(short))


async def test_with_a_token_only_its_bearer_reads(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("0123456789abcdef0123\n")
    async with server(token_file=str(file)) as served, aiohttp.ClientSession() as session:
        async with session.get(served.url) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic")
        async with session.get(served.url, headers={"Authorization": "Bearer 0123456789abcdef0123"}) as answer:
            assert answer.status == 200


# --- updates ----------------------------------------------------------------------------------------------


class Streaming:
    """A server with a stream."""

    def __init__(self, **settings: Any) -> None:
        self.stream = EventStream(lambda: frame("update", b'"first"'), clients_max=2, slow_s=0.2)
        site = Site({"/events": self.stream.respond}, closing=self.stream.close)
        self.server = WebServer(Http(port=0, **settings), site)

    async def clients(self, count: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while self.stream.clients != count:
                await asyncio.sleep(0.001)


async def test_every_page_gets_the_first_and_every_update_in_order() -> None:
    site = Streaming()
    async with site.server as served, aiohttp.ClientSession() as session:
        async with session.get(f"{served.url}events") as one, session.get(f"{served.url}events") as two:
            await site.clients(2)
            for number in range(5):
                site.stream.publish(frame("update", b"%d" % number))
            for answer in (one, two):
                heard = b""
                while b"data: 4" not in heard:
                    heard += await answer.content.readany()
                data = [line for line in heard.splitlines() if line.startswith(b"data")]
                assert data == [b'data: "first"', *(b"data: %d" % number for number in range(5))]
            async with session.get(f"{served.url}events") as third:
                assert third.status == 503
        await site.clients(0)


async def test_a_page_that_does_not_read_is_cut_off_and_others_go_on() -> None:
    site = Streaming()
    large = frame("update", b"x" * 200_000)
    async with site.server as served, aiohttp.ClientSession() as session:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", served.port))
            deaf.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            await site.clients(1)
            async with session.get(f"{served.url}events") as listening:
                await site.clients(2)
                async with asyncio.timeout(WAIT_S):
                    while site.stream.clients == 2:
                        site.stream.publish(large)
                        await listening.content.readany()
                    while not site.stream.cut_off:
                        await asyncio.sleep(0.001)
                    assert site.stream.clients == 1
                    site.stream.publish(frame("update", b'"still there"'))
                    heard = b""
                    while b"still there" not in heard:
                        heard = (heard + await listening.content.readany())[-200:]


async def test_a_flood_of_updates_fills_no_more_than_the_queue() -> None:
    site = Streaming()
    async with site.server as served, aiohttp.ClientSession() as session:
        async with session.get(f"{served.url}events"):
            await site.clients(1)
            for _ in range(FRAMES_MAX + 1):  # without a turn of the loop in between
                site.stream.publish(frame("update", b"1"))
            assert site.stream.clients == 0, "one more than the queue holds, and it is cut off"


async def test_the_end_of_the_server_ends_the_streams() -> None:
    site = Streaming()
    async with aiohttp.ClientSession() as session:
        async with site.server as served:
            answer = await session.get(f"{served.url}events")
            await site.clients(1)
        async with asyncio.timeout(WAIT_S):
            assert b"first" in await answer.content.read()
