"""Signs of life from the loop that keeps the deadlines, and the status in words, for `systemctl status`."""

from __future__ import annotations

from typing import Self

from agent.status import State, Status, StatusEvent, Subject
from cosmic.notify import Notifier
from cosmic.watchdog import Watchdog


class Heartbeat:
    """Keeps the service manager informed of `status`: `async with` it around the printing.

    The service is ready when its coordinator first has the job, or when the printer begins without.
    """

    def __init__(self, status: Status, notifier: Notifier | None = None) -> None:
        """Prepare. `notifier` None: the one that the environment names."""
        self._status = status
        self._notifier = Notifier() if notifier is None else notifier
        # Told again beside each feed: the manager's queue may have been full when the service became ready.
        self._watchdog = Watchdog(self._notifier, self._tell)
        self._ready = False
        self._stopping = False
        self._told = ""
        if self._notifier.listened_to:
            status.listen(self._take_note)

    async def __aenter__(self) -> Self:
        self._watchdog.start()
        self._tell()
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._watchdog.stop()
        self._say_stopping()
        self._notifier.close()

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
