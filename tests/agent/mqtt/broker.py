"""A mosquitto of the test's own on 127.0.0.1, which can be killed, stopped and continued, and a reader of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

WAIT_S = 10.0
"""Longest wait for a message: only a failing test waits as long."""


class Broker:
    """One broker on a port of its own; it forgets everything when it ends, and ends with the test's process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.folder = folder
        self.more = ["allow_anonymous true"]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start, and return when it listens."""
        config = self.folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "persistence false", "log_dest stderr", *self.more]
        if os.geteuid() == 0:
            lines.append("user root")
        config.write_text("\n".join(lines) + "\n")
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        command = ["setpriv", "--pdeathsig", "KILL", str(program), "-c", str(config)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if line.rstrip().endswith("running"):
                return
        raise AssertionError(f"mosquitto did not start: {said}")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP makes it silent without closing anything."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    async def read(self, topic: str, until: Callable[[Any], bool] = lambda _seen: True, **client: Any) -> Any:
        """Return the first payload on `topic` for which `until` holds: JSON decoded, `online`/`offline` as text."""
        import aiomqtt

        async with (
            asyncio.timeout(WAIT_S),
            aiomqtt.Client("127.0.0.1", self.port, protocol=aiomqtt.ProtocolVersion.V5, **client) as reader,
        ):
            await reader.subscribe(topic, qos=1)
            async for message in reader.messages:
                assert isinstance(message.payload, bytes)
                seen = decoded(message.payload)
                if until(seen):
                    return seen
        raise AssertionError("aiomqtt's messages do not end")


def decoded(payload: bytes) -> Any:
    """Return JSON decoded, other text as it is, None for an empty payload."""
    if not payload:
        return None
    return payload.decode() if payload in (b"online", b"offline") else msgspec.json.decode(payload)
