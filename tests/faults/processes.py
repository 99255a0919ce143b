"""Real processes whose log lines can be waited for: the agent, the coordinator, a machine."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

WAIT_S = 60.0
"""Longest wait for a line: only what has failed waits as long."""

LINE_BYTES_MAX = 1 << 24

Line = dict[str, Any]


def command(name: str) -> str:
    """Return the path of one of our commands."""
    return str(Path(sys.executable).parent / name)


class Ended(AssertionError):
    """A process ended, or was silent, before it said what was waited for."""


class Process:
    """One process; its JSON lines are kept with the moment at which they came.

    Attributes:
        lines: the lines so far.
        times: when each of them came, loop time.
        counted: how many lines of every event there were.
        returncode: how it ended, None while it runs.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.lines: list[Line] = []
        self.times: list[float] = []
        self.counted: Counter[str] = Counter()
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """How it ended, None while it runs."""
        return None if self._process is None else self._process.returncode

    @property
    def stderr(self) -> str:
        """What it said beside its log."""
        return (self._folder / f"{self.name}.stderr").read_text(errors="replace").strip()

    async def start(self, words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start it, anew where it has ended: `words` of the command, `environment` beside ours."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("COSMIC_")}
        with (self._folder / f"{self.name}.stderr").open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL"),  # whatever happens to the test, nothing stays behind
                *words,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env={**clean, **(environment or {})},
                limit=LINE_BYTES_MAX,
            )
        self._reading = asyncio.create_task(self._read(self._process))

    async def until(self, wanted: Callable[[Line], bool], *, after: int = 0, wait_s: float = WAIT_S) -> Line:
        """Return the first line from number `after` on for which `wanted` holds.

        Raises Ended when the process ends, or `wait_s` is over, without one.
        """
        number = after
        async with asyncio.timeout(wait_s):
            while True:
                while number < len(self.lines):
                    if wanted(self.lines[number]):
                        return self.lines[number]
                    number += 1
                if self._reading is None or self._reading.done():
                    raise Ended(f"{self.name} ended with {self.returncode}: {self.stderr[-400:]}")
                news = self._news
                await news.wait()

    async def event(self, name: str, *, after: int = 0, **fields: Any) -> Line:
        """Return the first line of `name` with these fields."""
        return await self.until(
            lambda line: line["event"] == name and all(line.get(key) == value for key, value in fields.items()),
            after=after,
        )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """Kill it at once (SIGKILL), and read what it had said."""
        self.signal(signal.SIGKILL)
        await self.ended()

    async def ended(self) -> int:
        """Wait for its end; return how it ended."""
        assert self._process is not None
        assert self._reading is not None
        await self._reading
        return await self._process.wait()

    async def end(self, wait_s: float = 10.0) -> None:
        """Ask it to end, and kill it where it does not."""
        if self._process is None or self._process.returncode is not None:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(asyncio.shield(self.ended()), wait_s)
        except TimeoutError:
            await self.kill()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        loop = asyncio.get_running_loop()
        with (self._folder / f"{self.name}.log").open("ab") as log:
            async for text in process.stdout:
                log.write(text)
                if text.startswith(b"{") and text.endswith(b"\n"):
                    self.lines.append(msgspec.json.decode(text, type=Line))
                    self.times.append(loop.time())
                    self.counted[self.lines[-1]["event"]] += 1
                    self._tell()
        await process.wait()
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
