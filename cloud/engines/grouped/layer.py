"""One layer over groups of functions: follows its schedule, asks windows, moves on when a worker is at fault."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from cloud.engines.interface import Guess
from cloud.invocation import Invoke, LayerSchedule, Timing
from cloud.invocation.schedule import Action
from cloud.plans import Mode
from cosmic.errors import EngineError

THROTTLED_S = 0.005
"""First wait before a platform that had too much to do is asked again, seconds; doubled every time."""


class WorkerFault(EngineError):
    """A window could not be computed because of a worker.

    Attributes:
        cause: what is wrong, as one word: `lost`, `cold`, `throttled`, `late`, `wrong`, ...
    """

    def __init__(self, what: str, *, cause: str, where: str = "") -> None:
        super().__init__(what, where=where, remedy="see the log for the worker's function")
        self.cause = cause


class Groups(Protocol):
    """What a layer needs of the engine."""

    def group_of(self, geometry: int, cell: int) -> int:
        """Return the group of a cell."""
        ...

    def hold(self, layer: object, group: int, job: str) -> None:
        """Invoke the functions of a group that do not run, and keep them for this layer."""
        ...

    def let_go(self, layer: object, group: int) -> None:
        """Release a group that no other layer holds."""
        ...

    def ready_s(self, group: int) -> float | None:
        """Return since when a group is ready, loop time in seconds; None where it is not."""
        ...

    async def ready(self, group: int) -> None:
        """Wait until a group is ready. Raises WorkerFault."""
        ...

    async def ask(
        self,
        group: int,
        geometry: int,
        cell: int,
        theta: NDArray[np.float64],
        sent: Callable[[], None],
    ) -> NDArray[np.float64]:
        """Return a product of a group that is ready; `sent` is called when theta is out. Raises WorkerFault."""
        ...

    async def spare(self, geometry: int, cell: int, theta: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return the product as the spare computes it; None where there is no spare."""
        ...


class GroupedLayer:
    """A LayerWork over groups.

    job: whose bill it is on.
    tries_max: how often a window is asked for.

    Attributes:
        leads_ms: for every window whose group was invoked ahead: when it was ready minus when it was needed.
        causes: how often a worker was at fault, by cause.
        spared: windows that the spare computed.
    """

    def __init__(
        self,
        groups: Groups,
        geometry: int,
        group_numbers: Sequence[int],
        mode: Mode,
        timing: Timing,
        *,
        job: str,
        tries_max: int,
    ) -> None:
        self.leads_ms: list[float] = []
        self.causes: Counter[str] = Counter()
        self.spared = 0
        self.windows = 0
        self.schedule = LayerSchedule(mode, group_numbers, timing)
        self._groups = groups
        self._geometry = geometry
        self._timing = timing
        self._job = job
        self._tries_max = tries_max
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._ahead: int | None = None
        self._ended_s: float | None = None
        self._over = False
        self._waited_s = 0.0
        self._log = structlog.get_logger().bind(geometry=geometry)
        self._perform(self.schedule.layer_begins(self._now_s()))

    async def apply(self, cell: int, theta: NDArray[np.float64], guess: Guess | None = None) -> NDArray[np.float64]:
        """Return `M_c theta`; see LayerWork."""
        group = self._groups.group_of(self._geometry, cell)
        needed_s = self._now_s()
        ahead = self._ahead == group
        ended_s, self._ended_s, self._ahead = self._ended_s, None, None
        self._perform(self.schedule.window_begins(group, needed_s))
        self._cancel_timer(group)  # needed now, whatever time was set
        faults: list[WorkerFault] = []
        for _ in range(self._tries_max):
            try:
                self._groups.hold(self, group, self._job)  # whom a fault took away is invoked again
                await self._groups.ready(group)
                self._waited_s += self._now_s() - needed_s
                if ahead and ended_s is not None:
                    self._note_lead(group, ended_s)
                    ahead = False
                y = await self._window(group, cell, theta, guess)
            except WorkerFault as fault:
                faults.append(fault)
                self.causes[fault.cause] += 1
                self._log.warning("worker_fault", job=self._job, cause=fault.cause, what=fault.what)
                spared = await self._groups.spare(self._geometry, cell, theta)
                if spared is None:
                    if fault.cause == "throttled":
                        await asyncio.sleep(THROTTLED_S * 2 ** len(faults))
                    continue
                self.spared += 1
                y = spared
            self._ended_s = self._now_s()
            self.windows += 1
            self._perform(self.schedule.window_ended())
            return y
        raise EngineError(
            f"no product for cell {cell}: {faults[-1].what}",
            where=f"group {group}",
            why=f"tried {self._tries_max} times",
            remedy="see the log for the functions at fault",
        )

    def rest(self, *, done: bool) -> None:
        """Release what only waits; see LayerWork."""
        self._ahead = self._ended_s = None
        self._perform(self.schedule.rests(done=done))

    def end(self) -> None:
        """Release everything; see LayerWork."""
        if not self._over:
            self._over = True
            self.rest(done=True)

    def figures(self) -> dict[str, Any]:
        """Return what the layer's log line says; times in ms."""
        schedule = self.schedule
        return {
            "guesses": schedule.guesses,
            "guesses_right": schedule.guesses_right,
            "invoked_in_vain": schedule.wrong_invoked,
            "ready_minus_needed_ms": [round(lead, 3) for lead in quantiles(self.leads_ms)],
            "waited_ms": round(self._waited_s * 1e3, 3),
            "faults": dict(sorted(self.causes.items())),
            "windows_spared": self.spared,
        }

    def suspects(self, cell: int) -> str:
        """Return nobody: what a worker answers is looked at when it comes."""
        del cell
        return ""

    async def _window(
        self, group: int, cell: int, theta: NDArray[np.float64], guess: Guess | None
    ) -> NDArray[np.float64]:
        started_s = self._now_s()

        def sent() -> None:
            guessed = guess() if guess is not None else ()
            if guessed:
                following = self._groups.group_of(self._geometry, guessed[0])
                actions = self.schedule.guessed(following, started_s, self._now_s())
                self._ahead = following if actions else None
                self._perform(actions)

        y = await self._groups.ask(group, self._geometry, cell, theta, sent)
        self._timing.window.add(self._now_s() - started_s)
        return y

    def _note_lead(self, group: int, ended_s: float) -> None:
        ready_s = self._groups.ready_s(group)
        assert ready_s is not None
        self.leads_ms.append((ready_s - ended_s) * 1e3)

    def _perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            self._cancel_timer(action.group)
            if not isinstance(action, Invoke):
                self._groups.let_go(self, action.group)
            elif action.at_s <= self._now_s():
                self._groups.hold(self, action.group, self._job)
            else:
                loop = asyncio.get_running_loop()
                self._timers[action.group] = loop.call_at(action.at_s, self._invoke_ahead, action.group)

    def _cancel_timer(self, group: int) -> None:
        timer = self._timers.pop(group, None)
        if timer is not None:
            timer.cancel()

    def _invoke_ahead(self, group: int) -> None:
        self._timers.pop(group, None)
        self._groups.hold(self, group, self._job)

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()


def quantiles(values: Sequence[float]) -> list[float]:
    """Return the 5th, 50th and 95th percentile of `values`; nothing for none."""
    if not values:
        return []
    low, high = np.percentile(values, [5, 95])
    return [float(low), float(median(values)), float(high)]
