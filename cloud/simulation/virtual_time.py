"""An event loop whose clock jumps: nothing is waited for, and timers run at exactly their time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Runs on virtual seconds from 0.

    When nothing is ready to run, the clock is set to the next timer. Work in threads is real: while some is under
    way, the loop waits for it and the clock stands still.
    """

    def __init__(self) -> None:
        self._now_s = 0.0
        self._in_threads = 0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Return the virtual time, seconds."""
        return self._now_s

    def jump(self, by_s: float) -> None:
        """Set the clock forward."""
        self._now_s += by_s

    @property
    def in_threads(self) -> int:
        """How many calls are under way in threads."""
        return self._in_threads

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Run `func` in a thread, and hold the clock until it has answered."""
        self._in_threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _future: object) -> None:
        self._in_threads -= 1


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout <= 0:  # something is ready to run
            return super().select(0)
        if timeout is None or self._loop.in_threads:  # a thread or a signal has to wake the loop
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self._loop.jump(timeout)
        return ready


def run(main: Coroutine[Any, Any, _Result]) -> _Result:
    """Run `main` to its end on virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
