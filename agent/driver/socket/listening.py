"""The socket's file: made with its permissions, taken over from an agent that died, removed at the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from agent.configuration import Socket
from cosmic.errors import DriverError


@contextlib.asynccontextmanager
async def listen(settings: Socket, connected: Callable[[], asyncio.Protocol]) -> AsyncIterator[None]:
    """Listen on the socket's file while inside; `connected` makes the protocol of a connection.

    Raises:
        DriverError: the file cannot be made, is something else, or another agent listens on it.
    """
    path = Path(settings.path)
    _make_room(path)
    usual = os.umask(0o177)  # nobody may connect before the permissions are set
    try:
        server = await asyncio.get_running_loop().create_unix_server(connected, str(path))
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    finally:
        os.umask(usual)
    try:
        os.chmod(settings.path, int(settings.mode, 8))  # noqa: PTH101  takes microseconds, before anything is due
        yield
    finally:
        server.close()
        with contextlib.suppress(OSError):
            os.unlink(settings.path)  # noqa: PTH108  as above


def _make_room(path: Path) -> None:
    """Remove the file of an agent that is gone. Raises DriverError where it is something else, or in use."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    if not stat.S_ISSOCK(kind):
        raise _unusable(path, "it exists and is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise _unusable(path, error.strerror or str(error)) from error
    raise _unusable(path, "another agent listens on it")


def _unusable(path: Path, why: str) -> DriverError:
    return DriverError(
        "the machine's socket cannot be made",
        where=str(path),
        why=why,
        remedy="set printer.socket.path to a file in a folder that the agent may write to",
    )
