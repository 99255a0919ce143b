"""Whether another job can be served without making the running ones late. Pure: no I/O, no clock.

A job needs `cost / window` of what computes it: a product and the choice of a cell for every window printed.
Where running jobs are late all the same (others use the processors as well), no new one is taken either.
The loop's thread is one; products share the machine's processors with it. What does not fit below `load_max` of
either is refused: one printer on its fallback order is better than twenty that all miss windows.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from cosmic.errors import CosmicError

SMOOTHING = 1 / 64
"""Weight of the latest window in a learned cost."""

MESSAGES_S = 0.0003
"""What the loop's thread spends on a window beside choice and product (messages, turns), before it was measured."""

WINDOWS_MEASURED = 50
"""Windows between two looks at the loop's thread below which nothing is concluded."""

LATE_MAX = 0.01
"""Share of turns given too late above which no job is taken, whatever the figures say."""

PARTS_MAX = 256
"""Parts whose costs are remembered; the one used longest ago is forgotten first."""


class Overloaded(CosmicError):
    """Another job would make those late that run."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds for one window.

    Attributes:
        product_s: in threads beside the loop.
        loop_s: on the loop's thread: the choice, messages, and products that are too short for a thread.
    """

    product_s: float = 0.0
    loop_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """What jobs need, as shares: `loop` of the loop's thread, `cores` of all processors of the coordinator."""

    loop: float = 0.0
    cores: float = 0.0

    @property
    def most(self) -> float:
        """The share of what is scarcer."""
        return max(self.loop, self.cores)


@dataclass(slots=True)
class _Job:
    part: str
    window_s: float
    connections: int = 1
    left_s: float | None = None


class Admission:
    """The jobs of one coordinator and what they need.

    Attributes:
        cores: processors that the coordinator has.
        load_max: share of them, and of the loop's thread, that jobs may need together.
        late_share: share of turns that were given too late, of late.

    A job that lost its connection keeps its place for `rejoin_s`, and a job that has a place is never refused.
    """

    def __init__(self, cores: float, load_max: float, rejoin_s: float, jobs_max: int = 1000) -> None:
        """Begin without jobs.

        cores: processors that the coordinator has.
        load_max: share of the loop's thread, and of the processors, that jobs may need together.
        rejoin_s: how long a lost job's place is kept, seconds.
        jobs_max: most jobs that have a place.
        """
        self.cores = cores
        self.load_max = load_max
        self._rejoin_s = rejoin_s
        self._jobs_max = jobs_max
        self._jobs: dict[str, _Job] = {}
        self._costs: OrderedDict[str, Cost] = OrderedDict()
        self._beside_s = MESSAGES_S
        self._windows = 0
        self._told_s = 0.0
        self._loop_s: float | None = None
        self._turns = (0, 0)
        self.late_share = 0.0

    # --- costs ------------------------------------------------------------------------------------------------

    def measured(self, part: str, cost: Cost) -> None:
        """Take what a window of `part` took when it was loaded; what has been learned meanwhile is better."""
        self._costs.setdefault(part, cost)
        self._costs.move_to_end(part)
        while len(self._costs) > PARTS_MAX:
            self._costs.popitem(last=False)

    def learned(self, part: str, cost: Cost) -> None:
        """Take what one window of `part` took while it was printed."""
        self._windows += 1
        self._told_s += cost.loop_s
        known = self._costs.get(part)
        if known is not None:
            self._costs[part] = Cost(
                known.product_s + SMOOTHING * (cost.product_s - known.product_s),
                known.loop_s + SMOOTHING * (cost.loop_s - known.loop_s),
            )

    def loop_used(self, loop_s: float) -> None:
        """Take how long the loop's thread has been running in all, seconds of its processor: now and then.

        What windows have not told of is spent on their messages, and on whoever else keeps the loop busy.
        """
        if self._loop_s is not None and self._windows >= WINDOWS_MEASURED:
            beside_s = max(0.0, loop_s - self._loop_s - self._told_s) / self._windows
            self._beside_s += (beside_s - self._beside_s) / 4
        if self._loop_s is None or self._windows >= WINDOWS_MEASURED:
            self._loop_s, self._windows, self._told_s = loop_s, 0, 0.0

    def turns_given(self, given: int, late: int) -> None:
        """Take how many turns were given in all, and how many of them too late: now and then."""
        new, new_late = given - self._turns[0], late - self._turns[1]
        if new >= WINDOWS_MEASURED or not self._jobs:
            self._turns = (given, late)
            self.late_share += ((new_late / new if new else 0.0) - self.late_share) / 4

    def cost(self, part: str) -> Cost:
        """Return what a window of `part` takes, its messages included."""
        known = self._costs.get(part)
        return Cost() if known is None else Cost(known.product_s, known.loop_s + self._beside_s)

    # --- jobs -------------------------------------------------------------------------------------------------

    def open(self, job: str, part: str, window_s: float, now_s: float) -> None:
        """Give `job` a place. Raises Overloaded, with figures, where there is none.

        part: digest; its cost was measured.
        window_s: mean window of the part, seconds.
        """
        self._forget(now_s)
        known = self._jobs.get(job)
        if known is not None:
            known.connections += 1
            known.left_s = None
            return
        own, load = self._of(part, window_s), self.load()
        most = max(load.loop + own.loop, load.cores + own.cores)
        late = self.late_share > LATE_MAX
        if self._jobs and (late or most > self.load_max or len(self._jobs) >= self._jobs_max):
            needs = (
                f"they need {load.loop:.0%} of the loop's thread and {load.cores:.0%} of {self.cores:g} processors"
            )
            more = f"this job {own.loop:.1%} and {own.cores:.1%} more"
            limit = (
                f"the limit is {self.load_max:.0%} (limits.load_max), and {self._jobs_max} jobs (limits.jobs_max)"
            )
            lateness = f"; {self.late_share:.0%} of their turns are late" if late else ""
            raise Overloaded(
                f"no room for another job beside {len(self._jobs)}",
                why=f"{needs}, {more}; {limit}{lateness}",
                remedy="wait for a job to end, use more or faster processors, or another coordinator",
            )
        self._jobs[job] = _Job(part, window_s)

    def left(self, job: str, now_s: float) -> None:
        """Note that a connection of `job` was lost: its place is kept for a while."""
        known = self._jobs.get(job)
        if known is not None:
            known.connections -= 1
            if known.connections == 0:
                known.left_s = now_s

    def close(self, job: str) -> None:
        """Note that `job` is over: its place is free."""
        self._jobs.pop(job, None)

    def load(self) -> Load:
        """Return what all jobs with a place need together."""
        each = [self._of(job.part, job.window_s) for job in self._jobs.values()]
        return Load(sum(one.loop for one in each), sum(one.cores for one in each))

    @property
    def jobs(self) -> int:
        """Jobs that have a place."""
        return len(self._jobs)

    def _of(self, part: str, window_s: float) -> Load:
        cost = self.cost(part)
        return Load(cost.loop_s / window_s, (cost.loop_s + cost.product_s) / window_s / self.cores)

    def _forget(self, now_s: float) -> None:
        """Let go of the places of jobs that did not come back."""
        gone = [
            name
            for name, job in self._jobs.items()
            if job.left_s is not None and now_s - job.left_s > self._rejoin_s
        ]
        for name in gone:
            del self._jobs[name]
