"""What a network does, as the proxy does it: between two ends that send and read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.support.proxy import Proxy

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter, asyncio.StreamReader, asyncio.StreamWriter, Proxy]


@asynccontextmanager
async def connected() -> AsyncIterator[Ends]:
    """Give both ends of a connection through a proxy: near reader and writer, far reader and writer."""
    arrived: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    server = await asyncio.start_server(lambda *ends: arrived.put_nowait(ends), "127.0.0.1", 0)
    async with server, asyncio.timeout(10.0), Proxy(server.sockets[0].getsockname()[1]) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        far_reader, far_writer = await arrived.get()
        try:
            yield reader, writer, far_reader, far_writer, proxy
        finally:
            for end in (writer, far_writer):
                end.transport.abort()


async def test_bytes_pass_both_ways_and_the_end_as_well() -> None:
    async with connected() as (reader, writer, far_reader, far_writer, _):
        writer.write(b"up")
        assert await far_reader.readexactly(2) == b"up"
        far_writer.write(b"down")
        assert await reader.readexactly(4) == b"down"
        writer.write_eof()
        assert await far_reader.read() == b""


async def test_what_is_under_way_takes_its_time_and_keeps_its_order() -> None:
    async with connected() as (_, writer, far_reader, _, proxy):
        proxy.delay_s = 0.05
        began_s = asyncio.get_running_loop().time()
        for number in range(10):
            writer.write(b"%d" % number)
            await asyncio.sleep(0)
        assert await far_reader.readexactly(10) == b"0123456789"
        assert asyncio.get_running_loop().time() - began_s >= 0.05


async def test_a_stall_loses_nothing() -> None:
    async with connected() as (_, writer, far_reader, far_writer, proxy):
        proxy.stall("up")
        writer.write(b"held back")
        far_writer.write(b"passes")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(far_reader.read(1), 0.05)
        proxy.go_on()
        assert await far_reader.readexactly(9) == b"held back"


async def test_what_is_swallowed_never_arrives_and_nobody_is_told() -> None:
    async with connected() as (reader, writer, far_reader, _, proxy):
        proxy.swallow()
        writer.write(b"gone")
        writer.write_eof()
        proxy.go_on()
        for end in (reader, far_reader):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(end.read(1), 0.05)


async def test_a_frame_that_is_cut_arrives_at_most_by_half_and_both_ends_are_reset() -> None:
    async with connected() as (reader, writer, far_reader, _, proxy):
        proxy.cut_in_frame("up")
        writer.write(b"x" * 1000)
        came = b""
        with suppress(ConnectionResetError):
            came = await far_reader.read()
        assert len(came) <= 500
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)


async def test_whoever_is_refused_may_come_again() -> None:
    async with connected() as (_, _, _, _, proxy):
        port = proxy.port
        await proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await proxy.listen()
        assert proxy.port == port
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.transport.abort()
