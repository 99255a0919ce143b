"""Opening one websocket to the coordinator within `connect_s`: name, TCP, TLS and handshake together."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from agent.configuration import Uplink as UplinkSettings
from agent.names import Names
from cosmic.errors import RefusedError
from protocol.limits import SUBPROTOCOL

CLOSE_S = 1.0
"""How long the other half of a closing handshake is waited for, seconds."""


@asynccontextmanager
async def dial(
    settings: UplinkSettings, token: str, tls: ssl.SSLContext | None, names: Names
) -> AsyncIterator[ClientConnection]:
    """Give an open connection, closed at the end.

    Raises RefusedError where the name server is silent; OSError, TimeoutError, WebSocketException.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + settings.connect_s
    url = parse_uri(settings.url)
    reached = await reach(names, url.host, url.port, settings.connect_s)
    async with connect(
        settings.url,
        sock=reached,
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        compression=None,
        additional_headers={"Authorization": f"Bearer {token}"},
        ssl=tls,
        max_size=settings.message_bytes_max,
        open_timeout=max(0.0, until_s - loop.time()),
        close_timeout=CLOSE_S,
        ping_interval=settings.ping_interval_s,
        ping_timeout=settings.ping_timeout_s,
        proxy=None,
    ) as connection:
        yield connection


async def reach(names: Names, host: str, port: int, limit_s: float) -> socket.socket:
    """Return a TCP socket that is connected to `host`; its addresses are tried in turn, `limit_s` in all.

    Raises RefusedError where the name server is silent, OSError or TimeoutError, those of the last address.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + limit_s
    try:
        async with asyncio.timeout_at(until_s):
            addresses = await names.addresses(host, port)
    except TimeoutError:
        raise RefusedError(
            f"the address of {host} is not known yet",
            code="name_server",
            fatal=False,
            why=f"no name server has answered within {limit_s:g} s (uplink.connect_s)",
            remedy="check /etc/resolv.conf, or put the coordinator's address into /etc/hosts or uplink.url",
        ) from None
    for left in range(len(addresses), 0, -1):
        family, address = addresses[-left]
        try:
            return await _connected(family, address, (until_s - loop.time()) / left)
        except OSError:  # a time-out is one
            if left == 1:
                raise
    raise AssertionError("a name has at least one address")


async def _connected(family: socket.AddressFamily, address: tuple[Any, ...], limit_s: float) -> socket.socket:
    """Return a TCP socket that is connected to one address. Raises OSError, also where the family is none here."""
    tried = socket.socket(family, socket.SOCK_STREAM)
    try:
        tried.setblocking(False)
        async with asyncio.timeout(limit_s):
            await asyncio.get_running_loop().sock_connect(tried, address)
    except BaseException:  # whatever it was, a cancellation too: nobody else has the socket
        tried.close()
        raise
    return tried
