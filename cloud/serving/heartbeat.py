"""What systemd hears of the coordinator: ready once it listens, who is connected, signs of life from its loop."""

from __future__ import annotations

from typing import Self

from cosmic.notify import Notifier
from cosmic.watchdog import Watchdog


class Heartbeat:
    """Keeps the service manager informed: `async with` it around the serving, entered once the port listens."""

    def __init__(self, where: str, notifier: Notifier | None = None) -> None:
        """Prepare. `where`: the address listened on; `notifier` None: the one that the environment names."""
        self._where = where
        self._notifier = Notifier() if notifier is None else notifier
        self._watchdog = Watchdog(self._notifier)

    async def __aenter__(self) -> Self:
        self._notifier.ready()
        self._watchdog.start()
        self.connected([])
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._watchdog.stop()
        self._notifier.close()

    def connected(self, printers: list[str]) -> None:
        """Say which `printers` are connected, a name for each connection."""
        names = ", ".join(sorted(set(printers)))
        self._notifier.status(f"listening on {self._where}; connected: {names or 'no printer'}")

    def stopping(self) -> None:
        """Say that the coordinator takes leave of its printers."""
        self._notifier.stopping()
