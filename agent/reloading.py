"""SIGHUP: the configuration is read again, and what can be changed while a job runs is, between two layers.

A configuration that cannot be used changes nothing, and says so. What needs a restart is named.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import structlog

from agent.configuration import AgentConfiguration
from agent.observers import Happening, JobEnded, LayerBegan, LayerEnded, Observers
from cosmic import configuration, logs
from cosmic.config_commands import shown
from cosmic.errors import CosmicError

_log = structlog.get_logger()

RELOADED = frozenset(
    {
        "printer.start_windows",
        "printer.start_wait_ms",
        "printer.first_cell_limit_ms",
        "printer.sequence_limit_ms",
        "printer.overdue_ms",
        "printer.on_stop",
        "capture.limit_ms",
        "capture.on_fault",
        "log.level",
    }
)
"""What takes effect without a restart. Files with tokens and certificates are read anew at every connection."""


class Reloader:
    """Answers SIGHUP: `async with` it around the printing."""

    def __init__(
        self,
        path: Path | None,
        settings: AgentConfiguration,
        apply: Callable[[AgentConfiguration], None],
        observers: Observers,
    ) -> None:
        """Prepare.

        path: the configuration's file; None: the environment alone.
        settings: what is in force.
        apply: brings new settings into force; called between two layers, on the event loop.
        """
        self._path = path
        self._values = _values(settings)
        self._apply = apply
        self._in_layer = False
        self._wanted: AgentConfiguration | None = None
        self._reading: asyncio.Task[None] | None = None
        observers.add(self)

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.ask)
        return self

    async def __aexit__(self, *_error: object) -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)

    def ask(self) -> None:
        """Read the configuration again. A request while one is being read is that one."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())

    def observe(self, happening: Happening) -> None:
        """Take note of where layers begin and end."""
        match happening:
            case LayerBegan():
                self._in_layer = True
            case LayerEnded() | JobEnded():
                self._in_layer = False
                self._settle()
            case _:
                pass

    async def _read(self) -> None:
        try:
            self._wanted = await asyncio.to_thread(configuration.load, AgentConfiguration, self._path)
        except CosmicError as error:
            _log.error(
                "not_reloaded", cause=str(error), remedy="mend it and send SIGHUP again; nothing was changed"
            )
            return
        if self._in_layer:
            _log.info("reloading", when="after this layer")
        self._settle()

    def _settle(self) -> None:
        """Bring what was read into force, where no layer is in progress."""
        if self._wanted is None or self._in_layer:
            return
        wanted, self._wanted = self._wanted, None
        values = _values(wanted)
        changed = {key: value for key, value in values.items() if value != self._values.get(key)}
        now = {key: shown(value) for key, value in changed.items() if key in RELOADED}
        later = sorted(set(changed) - RELOADED)
        if now:
            self._apply(wanted)
            if "log.level" in now:
                logs.set_level(wanted.log.level)
            self._values.update({key: changed[key] for key in now})
        _log.info("reloaded", changed=now, need_restart=later)


def _values(settings: AgentConfiguration) -> dict[str, Any]:
    """Return every value by its dotted key."""
    return {one.key: one.value for one in configuration.values_of(settings)}
