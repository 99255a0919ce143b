"""Tells systemd how the service is: the sd_notify protocol, one datagram a message.

Source: sd_notify(3), sd_watchdog_enabled(3). Where no service manager listens, nothing is sent.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

STATUS_BYTES_MAX = 500
"""Longest `STATUS=` text, bytes of UTF-8; longer ones are cut."""


class Notifier:
    """Sends to the socket that the service manager names in `NOTIFY_SOCKET`. Never waits and never fails.

    Attributes:
        watchdog_s: how often a sign of life is expected at least, seconds; None where no watchdog is set.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, pid: int | None = None) -> None:
        """Read the environment (None: this process's); `pid`: whom the watchdog is meant for (None: this one)."""
        environment = os.environ if environment is None else environment
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog_s = _watchdog_s(environment, os.getpid() if pid is None else pid)
        self._socket: socket.socket | None = None
        if self._address is not None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    @property
    def listened_to(self) -> bool:
        """Whether a service manager asked to be told."""
        return self._socket is not None

    def ready(self) -> bool:
        """The service does what it is there for. Return whether that was heard: it must be, once."""
        return self._send("READY=1")

    def status(self, text: str) -> None:
        """Show `text` in `systemctl status`."""
        line = " ".join(text.split()).encode()[:STATUS_BYTES_MAX].decode(errors="ignore")
        self._send(f"STATUS={line}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The service begins to end."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Send nothing any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, text: str) -> bool:
        if self._socket is None or self._address is None:
            return False
        try:
            self._socket.sendto(text.encode(), self._address)
        except OSError:  # full, or gone: systemd restarts what it does not hear of; printing must not wait for it
            return False
        return True


def _address(name: str) -> str | None:
    """Return the socket's address: a path, or a name in the abstract namespace, written with a leading `@`."""
    if name.startswith("/"):
        return name
    return f"\0{name[1:]}" if name.startswith("@") and len(name) > 1 else None


def _watchdog_s(environment: Mapping[str, str], pid: int) -> float | None:
    if environment.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isdecimal() and int(text) > 0 else None
