"""Addresses of names, looked up on threads of their own: a name server that is silent holds up nothing else.

asyncio lends every look-up one of the few threads that frames, predicted maps and files share, until the system's
resolver answers. That may take it minutes, and nobody can give a look-up up: trying again every few seconds, as an
agent does, has all of these threads waiting for the name server soon, and the layers for a thread.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable
from typing import Any

Address = tuple[socket.AddressFamily, tuple[Any, ...]]
"""A family, and what its sockets connect to."""


class Names:
    """Looks up names; at most one thread for each, whoever asks meanwhile waits for the same answer.

    look_up: the system's resolver; called as `socket.getaddrinfo`, on a thread.
    """

    def __init__(self, look_up: Callable[..., list[Any]] = socket.getaddrinfo) -> None:
        self._look_up = look_up
        self._asked: dict[tuple[str, int], asyncio.Future[list[Address]]] = {}

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Return the addresses of `host`, in the resolver's order, at least one.

        Whoever is cancelled, or gives up waiting, leaves the look-up under way for the next who asks.
        Raises OSError, as the resolver has it, where the name has none.
        """
        if (known := _number(host, port)) is not None:
            return [known]
        asked = self._asked.get((host, port))
        if asked is None:
            asked = self._asked[host, port] = asyncio.get_running_loop().create_future()
            # A daemon: the process must not wait for a name server at its end.
            threading.Thread(target=self._ask, args=(asked, host, port), name=f"name {host}", daemon=True).start()
        return await asyncio.shield(asked)

    @property
    def waiting(self) -> int:
        """Look-ups under way."""
        return len(self._asked)

    def _ask(self, asked: asyncio.Future[list[Address]], host: str, port: int) -> None:
        found: list[Address] | OSError
        try:
            rows = self._look_up(host, port, type=socket.SOCK_STREAM)
            found = [(family, address) for family, _, _, _, address in rows]
            if not found:
                raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
        except OSError as error:
            found = error
        except UnicodeError as error:  # a name that none can have
            found = socket.gaierror(socket.EAI_NONAME, f"no name of a machine: {error}")
        try:
            asked.get_loop().call_soon_threadsafe(self._answered, asked, (host, port), found)
        except RuntimeError:  # the loop has ended meanwhile
            return

    def _answered(
        self, asked: asyncio.Future[list[Address]], key: tuple[str, int], found: list[Address] | OSError
    ) -> None:
        del self._asked[key]
        if isinstance(found, OSError):
            asked.set_exception(found)
            asked.exception()  # whoever asked may have given up: nobody has to look at it
        else:
            asked.set_result(found)


def _number(host: str, port: int) -> Address | None:
    """Return the address that `host` is, None where it is a name."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return None
    return (socket.AF_INET, (host, port)) if version == 4 else (socket.AF_INET6, (host, port))
