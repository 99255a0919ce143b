"""SIGHUP: tokens, certificate and configuration are read again; what can change while printers are served does.

A configuration that cannot be used changes nothing, and says so. What needs a restart is named.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any, Self

import structlog

from cloud.configuration import CoordinatorSettings
from cloud.serving.server import Coordinator
from cosmic import configuration, logs
from cosmic.config_commands import shown
from cosmic.errors import CosmicError

RELOADED = frozenset({"log.level", "limits.load_max"})
"""Settings that take effect without a restart. The files of tokens and certificate are read again as well."""


class Reloader:
    """Answers SIGHUP: `async with` it around the serving."""

    def __init__(self, path: Path | None, settings: CoordinatorSettings, coordinator: Coordinator) -> None:
        """Prepare.

        path: the configuration's file; None: the environment alone.
        settings: what is in force.
        """
        self._path = path
        self._values = _values(settings)
        self._coordinator = coordinator
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.ask)
        return self

    async def __aexit__(self, *_error: object) -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)

    def ask(self) -> None:
        """Read everything again. A request while that is done is that one."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self.read())

    async def read(self) -> None:
        """Read everything again, and say what changed."""
        log = structlog.get_logger()
        self._coordinator.reload()
        try:
            wanted = await asyncio.to_thread(configuration.load, CoordinatorSettings, self._path)
        except CosmicError as error:
            remedy = "mend it and send SIGHUP again; tokens and certificate were read, nothing else was changed"
            log.error("not_reloaded", cause=str(error), remedy=remedy)  # noqa: TRY400  the user's mistake, no trace
            return
        values = _values(wanted)
        changed = {key: value for key, value in values.items() if value != self._values.get(key)}
        now = {key: shown(value) for key, value in changed.items() if key in RELOADED}
        if "log.level" in now:
            logs.set_level(wanted.log.level)
        self._coordinator.admission.load_max = wanted.limits.load_max
        self._values.update({key: changed[key] for key in now})
        log.info("reloaded", changed=now, need_restart=sorted(set(changed) - RELOADED))


def _values(settings: CoordinatorSettings) -> dict[str, Any]:
    """Return every value by its dotted key."""
    return {one.key: one.value for one in configuration.values_of(settings)}
