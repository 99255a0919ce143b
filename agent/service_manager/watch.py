"""Signs of life from the loop that keeps the deadlines, and the status in words, for `systemctl status`.

The watchdog is fed by a timer of that very loop, never from a thread: a loop that is stuck stops feeding it, and
systemd starts the agent anew.
"""

from __future__ import annotations

import asyncio
from typing import Self

from agent.service_manager.notify import Notifier
from agent.status import State, Status, StatusEvent, Subject

FEEDS_PER_LIMIT = 4
"""How often the watchdog is fed within the time in which it must be fed once."""


class Heartbeat:
    """Keeps the service manager informed of `status`: `async with` it around the printing.

    The service is ready when its coordinator first has the job, or when the printer begins without.
    """

    def __init__(self, status: Status, notifier: Notifier | None = None) -> None:
        """Prepare. `notifier` None: the one that the environment names."""
        self._status = status
        self._notifier = Notifier() if notifier is None else notifier
        self._timer: asyncio.TimerHandle | None = None
        self._ready = False
        self._stopping = False
        self._told = ""
        if self._notifier.listened_to:
            status.listen(self._take_note)

    async def __aenter__(self) -> Self:
        self._feed()
        self._tell()
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._say_stopping()
        self._notifier.close()

    def _feed(self) -> None:
        """Feed the watchdog, and come back in time to do it again."""
        if self._notifier.watchdog_s is None or not self._notifier.listened_to:
            return
        self._notifier.alive()
        self._tell()  # should the manager's queue have been full when the service became ready
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._notifier.watchdog_s / FEEDS_PER_LIMIT, self._feed)

    def _take_note(self, what: Subject | StatusEvent) -> None:
        if isinstance(what, Subject):
            self._tell()
        elif what.kind in ("stopping", "job_done"):
            self._say_stopping()

    def _say_stopping(self) -> None:
        if not self._stopping:
            self._stopping = True
            self._notifier.stopping()

    def _tell(self) -> None:
        if not self._ready and (self._status.link.up or self._status.job is not None):
            self._ready = self._notifier.ready()
        text = words(self._status)
        if text != self._told:  # the manager's queue is short: what it knows must not push out a sign of life
            self._told = text
            self._notifier.status(text)


def words(status: Status) -> str:
    """Return the status as one line for a reader."""
    parts = [status.state.value]
    if status.state is State.FAULT:
        parts.append(status.fault)
    elif status.state is State.LOADING:
        parts.append(f"the coordinator has loaded {status.loading:.0%}")
    job = status.job
    if job is not None:
        parts.append(f"job {job.name}: {job.layers_done} of {job.layers} layers, {job.fallbacks} fallbacks")
    if status.link.configured:
        parts.append("link up" if status.link.up else "link down")
    return "; ".join(parts)
