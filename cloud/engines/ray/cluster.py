"""The way to a Ray cluster: one that runs already, or one of this machine alone that is started and ended here.

A process can be in one cluster at a time: engines share it, and the last one to leave ends it. Everything that
takes long happens in one thread of its own. Nothing is told to Ray's makers, no dashboard runs, and a cluster of
this machine listens on the loopback interface alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from cosmic.errors import EngineError

REACH_S = 5.0
"""Longest wait for a cluster's head to take a connection, seconds: Ray itself tries for a minute."""

OBJECT_STORE_BYTES = 80 * 2**20
"""Shared memory of a cluster of this machine, bytes: Ray's least, since nothing large goes through it."""

LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}

_Result = TypeVar("_Result")

_thread = ThreadPoolExecutor(1, "ray")
"""Kept for as long as the process: Ray's processes end with the thread that started them."""


class Cluster:
    """This process's place in a Ray cluster.

    address: `host:port` of its head; None: a cluster of this machine alone.
    """

    def __init__(self, address: str | None) -> None:
        self.address = address
        self._entered = False

    async def enter(self) -> None:
        """Connect, or start. Takes seconds. Raises EngineError with the remedy."""
        await in_thread(_enter, self.address)
        self._entered = True

    async def leave(self) -> None:
        """Let go; the last engine to leave ends a cluster that was started here."""
        if self._entered:
            self._entered = False
            await in_thread(_leave)

    async def free(self) -> tuple[dict[str, float], int]:
        """Return what actors may still take (`CPU`, `memory` in bytes), and the number of machines."""
        return await in_thread(_free)

    async def make(self, actor: type, options: Sequence[dict[str, Any]]) -> list[Any]:
        """Return a handle of a new actor for each of the options of Ray; they may not run yet."""
        ray = ray_library()
        return await in_thread(lambda: [ray.remote(actor).options(**one).remote() for one in options])


async def in_thread(work: Callable[..., _Result], *given: object) -> _Result:
    """Return what `work` returns, done in Ray's thread."""
    return await asyncio.get_running_loop().run_in_executor(_thread, lambda: work(*given))


def ray_library(name: str = "ray") -> Any:
    """Return Ray, or a module of it. Raises EngineError where it is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise EngineError(
            "engine ray needs Ray, which is not installed",
            where="engine.name",
            remedy='pip install "cosmic-lpbf[ray]"',
        ) from error


class _Shared:
    """Who uses the process's place in a cluster. Touched by Ray's thread alone."""

    users = 0
    address: str | None = None
    ours = False


def _enter(address: str | None) -> None:
    if _Shared.users and _Shared.address != address:
        raise EngineError(
            "another part's engine is in another Ray cluster",
            where=f"engine.ray.address = {address}",
            why=f"this coordinator is in that of {_Shared.address or 'this machine'}",
            remedy="use one cluster for all parts",
        )
    if not _Shared.users:
        _Shared.ours = _connect(address)
        _Shared.address = address
    _Shared.users += 1


def _leave() -> None:
    _Shared.users -= 1
    if not _Shared.users and _Shared.ours:
        ray_library().shutdown()


def _connect(address: str | None) -> bool:
    """Enter a cluster; return whether it is for us to leave."""
    prepare(address)
    ray = ray_library()
    logging.getLogger("ray").setLevel(logging.ERROR)  # what matters is in our log, by our names
    if ray.is_initialized():
        return False
    common: dict[str, Any] = {"configure_logging": False, "log_to_driver": False, "namespace": "cosmic"}
    if address is not None:
        _check_reachable(address)
        common["address"] = address
    else:
        common |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    try:
        ray.init(**common)
    except Exception as error:
        with suppress(Exception):
            ray.shutdown()
        raise EngineError(
            f"Ray: {_first_line(error)}",
            where=address or "a cluster of this machine",
            why=f"{type(error).__name__}, Ray {ray.__version__}",
            remedy="use the same Python, Ray and token on every machine"
            if address
            else "see Ray's logs in /tmp/ray/session_latest/logs",
        ) from error
    if address is None and ray.util.get_node_ip_address() != "127.0.0.1":
        ray.shutdown()
        raise EngineError(
            "Ray would listen on every interface",
            where="a cluster of this machine",
            why="Ray was imported before the engine could say otherwise",
            remedy="set RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 for the coordinator",
        )
    return True


def prepare(address: str | None) -> None:
    """Set what Ray reads from the environment when it is imported."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_enable_metrics_collection", "0")
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # actors that die in a call are no news here
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # it prints to stdout, which is one document's
    if address is not None and _has_token():
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # as the head's: it asks for one where there is one
    if address is None or address.rpartition(":")[0] in LOOPBACK:
        # Whatever its name says: Ray then calls this machine 127.0.0.1, and listens there alone.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


def _has_token() -> bool:
    """Return whether this machine has a token for a Ray cluster, where Ray looks for it."""
    named = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return named or (Path.home() / ".ray" / "auth_token").exists()


def _check_reachable(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S).close()
    except (OSError, ValueError) as error:
        raise EngineError(
            f"the Ray cluster cannot be reached: {error}",
            where=f"engine.ray.address = {address}",
            remedy="start its head (ray start --head --port=6379), or give the head's host:port",
        ) from error


def _free() -> tuple[dict[str, float], int]:
    ray = ray_library()
    machines = sum(bool(node["Alive"]) for node in ray.nodes())
    return dict(ray.available_resources()), machines


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
