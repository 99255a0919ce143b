"""Several processes on one event loop of virtual time: each can be killed, stopped and continued like a real one.

Nothing is waited for, nothing runs beside: the clock jumps to the next timer, and what asks for a thread is run by
the loop itself when the thread would have answered. So one seed gives one order of events, always.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import threading
from asyncio import base_events
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")

THREAD_S = 0.0002
"""What the way to a thread and back takes, seconds."""

_current: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class Process:
    """What runs under one name. A task, a timer or a callback belongs to the process that made it.

    Attributes:
        name: for logs.
        alive: False once killed: nothing of it runs any more, not even what cleans up.
        stopped_until_s: it stands still until then, as behind a blocked event loop.
    """

    def __init__(self, loop: ProcessLoop, name: str) -> None:
        self.name = name
        self.alive = True
        self.stopped_until_s = 0.0
        self.at_death: list[Callable[[], None]] = []
        self.context = contextvars.copy_context()
        self.context.run(_current.set, self)
        self._loop = loop
        self._held: list[Any] = []

    def start(self, main: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
        """Run `main` in this process."""
        return self._loop.create_task(main, context=self.context)

    def call(self, function: Callable[..., object], *args: object, after_s: float = 0.0) -> None:
        """Have the process call `function` after so many seconds."""
        if after_s <= 0.0:
            self._loop.call_soon(function, *args, context=self.context)  # type: ignore[call-arg, arg-type]
        else:
            self._loop.call_later(after_s, function, *args, context=self.context)  # type: ignore[arg-type]

    def kill(self) -> None:
        """End it as a power cut does."""
        if self.alive:
            self.alive = False
            self._held.clear()
            for function in self.at_death:
                function()

    def stop(self, seconds: float) -> None:
        """Hold everything of it for so many seconds."""
        now_s = self._loop.time()
        self.stopped_until_s = max(self.stopped_until_s, now_s + seconds)
        self._loop.call_at(self.stopped_until_s, self._continue, context=contextvars.Context())

    def hold(self, handle: Any) -> None:
        """Keep what cannot run now for later, where it ever will."""
        if self.alive:
            self._held.append(handle)

    def _continue(self) -> None:
        if self._loop.time() >= self.stopped_until_s:
            held, self._held = self._held, []
            self._loop.again(held)


def current() -> Process | None:
    """Return the process that runs now, None outside of any."""
    return _current.get()


class Stuck(RuntimeError):
    """Nothing is left to run, and the main task has not ended."""


class ProcessLoop(base_events.BaseEventLoop):
    """Runs on virtual seconds from 0, without files and threads.

    Attributes:
        thread_s: what a call in a thread takes, seconds.
        steps: how often the loop looked for what is due.
    """

    def __init__(self) -> None:
        super().__init__()
        self.thread_s = THREAD_S
        self.steps = 0
        self._now_s = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timer_count = 0
        self.kept: list[asyncio.Task[Any]] = []
        self.set_task_factory(self._keep)
        self.set_exception_handler(lambda _loop, _context: None)

    def time(self) -> float:
        """Return the virtual time, seconds."""
        return self._now_s

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        """Run `callback` next, as every loop does; without the checks that cost as much."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        """Run `callback` at loop time `when`; timers of one time run in the order in which they were set."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, timer))
        return timer

    def again(self, handles: list[Any]) -> None:
        """Run what was held back."""
        self._ready.extend(handles)  # type: ignore[attr-defined]

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Call `func` when a thread would have answered. One that returns a future is waited for."""
        del executor
        future = self.create_future()
        self.call_later(self.thread_s, self._answer, future, func, args)
        return future

    def run(self, main: Coroutine[Any, Any, _Result]) -> _Result:
        """Run `main` to its end, and close the loop."""
        try:
            asyncio.set_event_loop(self)
            return self.run_until_complete(main)
        finally:
            asyncio.set_event_loop(None)
            self.close()

    def _answer(self, future: asyncio.Future[Any], func: Any, args: Any) -> None:
        try:
            result = func(*args)
        except Exception as error:  # noqa: BLE001  as an executor does
            if not future.cancelled():
                future.set_exception(error)
            return
        if isinstance(result, asyncio.Future):
            result.add_done_callback(lambda done: None if future.done() else future.set_result(done.result()))
        elif not future.cancelled():
            future.set_result(result)

    def _keep(self, loop: Any, work: Any, context: Any = None) -> asyncio.Task[Any]:
        """Make a task and keep it: what a killed process leaves must not be collected meanwhile, and cleaned up."""
        task = asyncio.Task(work, loop=loop, context=context)
        self.kept.append(task)
        return task

    def _run_once(self) -> None:
        ready, timers = self._ready, self._timers  # type: ignore[attr-defined]
        self.steps += 1
        if not ready:
            while timers and timers[0][2]._cancelled:  # type: ignore[attr-defined]
                heapq.heappop(timers)
            if not timers:
                raise Stuck("nothing is left to run")
            self._now_s = max(self._now_s, timers[0][0])
        now_s = self._now_s
        while timers and timers[0][0] <= now_s:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            context = handle._context
            process = context.get(_current)
            if process is not None and (now_s < process.stopped_until_s or not process.alive):
                process.hold(handle)
                continue
            try:
                context.run(handle._callback, *handle._args)
            except Exception as error:  # noqa: BLE001  as a handle does
                what = f"Exception in callback {handle._callback}"
                self.call_exception_handler({"message": what, "exception": error, "handle": handle})

    def _write_to_self(self) -> None:
        """Nobody sleeps."""

    def _process_events(self, event_list: object) -> None:
        """There are none."""


class TurnThread(threading.Thread):
    """A real thread that runs only while the loop stands still: both take turns, so nothing depends on the system.

    It waits with `pause` for virtual seconds, and with `Signal` for what the loop sets.
    """

    def __init__(self, loop: ProcessLoop, process: Process, target: Callable[[], None]) -> None:
        super().__init__(name="turn", daemon=True)
        self.over: asyncio.Future[bool] = loop.create_future()
        self._loop = loop
        self._process = process
        self._work = target
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._killed = False
        self._running = False
        process.at_death.append(self.kill)

    def start(self) -> None:
        """Begin with the first turn."""
        self._running = True
        super().start()
        self._turn()

    def run(self) -> None:
        """Work in turns."""
        self._go.acquire()
        try:
            if not self._killed:
                self._work()
        except _Killed:
            pass
        finally:
            self._running = False
            self._back.release()

    def pause(self, seconds: float) -> None:
        """In the thread: let the loop go on for so many virtual seconds."""
        self._loop.call_later(seconds, self._turn, context=self._process.context)
        self._back.release()
        self._go.acquire()
        if self._killed:
            raise _Killed

    def join(self, timeout: float | None = None) -> Any:  # type: ignore[override]
        """On the loop: return a future that is done when the thread is, or after `timeout` seconds."""
        return self.signal(self.over, timeout)

    def is_alive(self) -> bool:
        """True until the work is over."""
        return self._running

    def kill(self) -> None:
        """End it where it stands."""
        if self._running:
            self._killed = True
            self._go.release()
            self._back.acquire()

    def signal(self, future: asyncio.Future[bool], timeout: float | None) -> asyncio.Future[bool]:
        """Return a future that follows `future`, False after `timeout` seconds."""
        either: asyncio.Future[bool] = self._loop.create_future()

        def settle(value: bool) -> None:
            if not either.done():
                either.set_result(value)

        future.add_done_callback(lambda _done: settle(True))
        if timeout is not None:
            self._loop.call_later(timeout, settle, False)
        return either

    def _turn(self) -> None:
        if not self._running:
            return
        self._go.release()
        self._back.acquire()
        if not self._running and not self.over.done():
            self.over.set_result(True)


class _Killed(BaseException):
    """The thread's process is gone."""


class Signal:
    """Stands where a thread's `threading.Event` stands; `wait` in the thread takes virtual time."""

    def __init__(self, loop: ProcessLoop, thread: TurnThread, step_s: float = 0.05) -> None:
        self._set: asyncio.Future[bool] = loop.create_future()
        self._thread = thread
        self._step_s = step_s

    def set(self) -> None:
        """Set it."""
        if not self._set.done():
            self._set.set_result(True)

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._set.done()

    def wait(self, timeout: float | None = None) -> Any:
        """In the thread: wait and return whether it is set. On the loop: return a future of that."""
        if threading.current_thread() is not self._thread:
            return self._thread.signal(self._set, timeout)
        left_s = timeout or 0.0
        while not self._set.done() and left_s > 0.0:
            step_s = min(self._step_s, left_s)
            self._thread.pause(step_s)
            left_s -= step_s
        return self._set.done()
