# ruff: noqa: PLC0415  the server is imported when the command runs, so that --help is quick
"""`cosmic-cloud serve`: the coordinator as a service."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosmic.commands import DebugOption, JsonOption, print_json, use_uvloop

if TYPE_CHECKING:
    from cloud.configuration import CoordinatorSettings
    from cloud.http.page import Page
    from cloud.serving.server import Coordinator

Config = Annotated[Path | None, typer.Option(metavar="FILE", help="TOML file; unset: defaults and environment.")]
ReadyFile = Annotated[
    Path | None, typer.Option(metavar="PATH", help="Written when listening: JSON with host, port and pid.")
]


SWITCH_S = 0.0003
"""Longest wait of a product's thread for the interpreter, seconds: Python's own 5 ms are several products long."""


def serve(
    config: Config = None,
    ready_file: ReadyFile = None,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Serve printers until SIGTERM or ^C. With --json, stdout says where it listens and logs go to stderr.

    SIGHUP reads tokens, certificate and configuration again, and says what needs a restart.
    """
    from cloud.configuration import load_settings
    from cosmic import logs

    settings = load_settings(config)
    pretty = {"auto": None, "json": False, "pretty": True}[settings.log.format]
    logs.configure(sys.stderr if json else sys.stdout, pretty=pretty, level=settings.log.level)
    use_uvloop()
    sys.setswitchinterval(SWITCH_S)
    asyncio.run(_serve(config, settings, ready_file, json))


async def _serve(config: Path | None, settings: CoordinatorSettings, ready_file: Path | None, json: bool) -> None:
    from cloud.serving.reloading import Reloader
    from cloud.serving.server import Coordinator

    loop = asyncio.get_running_loop()
    asked_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_end.set)
    coordinator = Coordinator(settings)
    async with contextlib.AsyncExitStack() as beside:
        if settings.http.port is not None:
            await beside.enter_async_context(_page(settings, coordinator))
        await coordinator.start()
        await beside.enter_async_context(Reloader(config, settings, coordinator))
        await _until(asked_to_end, coordinator, ready_file, json)


def _page(settings: CoordinatorSettings, coordinator: Coordinator) -> Page:
    """Return the live page. Raises ConfigurationError where the extra `http` is missing or its settings are off."""
    from cosmic.web.missing import check_libraries

    check_libraries()
    from cloud.http.page import Page

    return Page(settings, coordinator)


async def _until(
    asked_to_end: asyncio.Event, coordinator: Coordinator, ready_file: Path | None, json: bool
) -> None:
    """Say where the coordinator listens, and serve until asked to end."""
    from cloud.serving.heartbeat import Heartbeat

    address = {"event": "listening", "host": coordinator.host, "port": coordinator.port, "pid": os.getpid()}
    if ready_file is not None:
        _write(ready_file, address)
    if json:
        print_json(address)
    async with Heartbeat(f"{coordinator.host}:{coordinator.port}") as heartbeat:
        coordinator.on_connections = heartbeat.connected
        await asked_to_end.wait()
        heartbeat.stopping()
        await coordinator.stop()


def _write(path: Path, document: dict[str, Any]) -> None:
    """Make the ready file appear whole. Raises ConfigurationError where it cannot be written."""
    import msgspec

    from cosmic.errors import ConfigurationError

    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(msgspec.json.encode(document) + b"\n")
        partial.replace(path)
    except OSError as error:
        raise ConfigurationError(
            f"cannot be written: {error.strerror}", where=f"--ready-file {path}", remedy="name another place"
        ) from error
