"""Whether another job can be served without making the running ones late. Pure: no I/O, no clock.

A job needs `cost / window` of what computes it: a product and the choice of a cell for every window printed.
Where running jobs are late all the same (others use the processors as well), no new one is taken either.
The loop's thread is one; products share the machine's processors with it; and an engine of workers has one product
of its part in work at a time. What does not fit below `load_max` of each is refused: one printer on its fallback
order is better than twenty that all miss windows.

A printer scans one cell at a time, whatever jobs it has open: it needs what its most demanding one does, and a job
that it left for another has no place any more. So one that was taken over cannot fill the coordinator with jobs.
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
    """What one window takes, seconds.

    Attributes:
        product_s: of processors, beside the loop's thread: in other threads and in workers on this machine.
        loop_s: of the loop's thread: the choice, messages, and products that are too short for a thread.
        engine_s: of the part's engine, during which no other product of the part can be in work; 0 where products
            do not wait for one another.
    """

    product_s: float = 0.0
    loop_s: float = 0.0
    engine_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """What jobs need, as shares: of the loop's thread, of the coordinator's processors, of one part's engine."""

    loop: float = 0.0
    cores: float = 0.0
    engine: float = 0.0

    @property
    def most(self) -> float:
        """The share of what is scarcest."""
        return max(self.loop, self.cores, self.engine)

    def exceeds(self, other: Load) -> bool:
        """Return whether it is more in anything."""
        return self.loop > other.loop or self.cores > other.cores or self.engine > other.engine

    def with_other(self, other: Load) -> Load:
        """Return what two printers need together."""
        return Load(self.loop + other.loop, self.cores + other.cores, self.engine + other.engine)

    def at_least(self, other: Load) -> Load:
        """Return what one printer needs that does either."""
        return Load(max(self.loop, other.loop), max(self.cores, other.cores), max(self.engine, other.engine))


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

    A job that lost its connection keeps its place for `rejoin_s`, and a job that has a place is never refused; nor
    is another one of the same printer that needs no more.
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
        self._printers: dict[str, dict[str, _Job]] = {}
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
                known.engine_s + SMOOTHING * (cost.engine_s - known.engine_s),
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
        if new >= WINDOWS_MEASURED or not self._printers:
            self._turns = (given, late)
            self.late_share += ((new_late / new if new else 0.0) - self.late_share) / 4

    def cost(self, part: str) -> Cost:
        """Return what a window of `part` takes, its messages included."""
        known = self._costs.get(part)
        return Cost() if known is None else Cost(known.product_s, known.loop_s + self._beside_s, known.engine_s)

    # --- jobs -------------------------------------------------------------------------------------------------

    def open(self, printer: str, job: str, part: str, window_s: float, now_s: float) -> None:
        """Give `job` of `printer` a place. Raises Overloaded, with figures, where there is none.

        part: digest; its cost was measured.
        window_s: mean window of the part, seconds.
        """
        self._forget(now_s)
        jobs = self._printers.get(printer, {})
        known = jobs.get(job)
        if known is not None:
            known.connections += 1
            known.left_s = None
            return
        open_jobs = {name: one for name, one in jobs.items() if one.left_s is None}
        made = _Job(part, window_s)
        others = {name: of for name, of in self._printers.items() if name != printer}
        needed = self._together(others, part)
        before, after = self._most(jobs, part), self._most({**open_jobs, job: made}, part)
        grows = not jobs or after.exceeds(before)
        late = self.late_share > LATE_MAX
        full = needed.with_other(after).most > self.load_max or late
        beside = self.jobs - len(jobs) + len(open_jobs)
        if (others and grows and full) or beside >= self._jobs_max:
            needs = (
                f"other printers need {needed.loop:.0%} of the loop's thread, {needed.cores:.0%} of "
                f"{self.cores:g} processors and {needed.engine:.0%} of the part's engine"
            )
            more = f"this one {after.loop:.1%}, {after.cores:.1%} and {after.engine:.1%} more"
            limit = (
                f"the limit is {self.load_max:.0%} (limits.load_max), and {self._jobs_max} jobs (limits.jobs_max)"
            )
            lateness = f"; {self.late_share:.0%} of their turns are late" if late else ""
            raise Overloaded(
                f"no room for another job beside {beside}",
                why=f"{needs}, {more}; {limit}{lateness}",
                remedy="wait for a job to end, use more or faster processors, or another coordinator",
            )
        self._printers[printer] = {**open_jobs, job: made}

    def left(self, printer: str, job: str, now_s: float) -> None:
        """Note that a connection of `job` was lost: its place is kept for a while."""
        known = self._printers.get(printer, {}).get(job)
        if known is not None:
            known.connections -= 1
            if known.connections == 0:
                known.left_s = now_s

    def close(self, printer: str, job: str) -> None:
        """Note that `job` is over: its place is free."""
        jobs = self._printers.get(printer, {})
        jobs.pop(job, None)
        if not jobs:
            self._printers.pop(printer, None)

    def load(self) -> Load:
        """Return what all printers with a place need together of the coordinator itself."""
        return self._together(self._printers)

    @property
    def jobs(self) -> int:
        """Jobs that have a place."""
        return sum(len(jobs) for jobs in self._printers.values())

    @property
    def printers(self) -> int:
        """Printers that have jobs with a place."""
        return len(self._printers)

    def _together(self, printers: dict[str, dict[str, _Job]], part: str = "") -> Load:
        """Return what printers need together. `part`: whose engine is meant."""
        load = Load()
        for jobs in printers.values():
            load = load.with_other(self._most(jobs, part))
        return load

    def _most(self, jobs: dict[str, _Job], part: str) -> Load:
        """Return what one printer needs for any of its jobs."""
        load = Load()
        for job in jobs.values():
            load = load.at_least(self._of(job, part))
        return load

    def _of(self, job: _Job, part: str) -> Load:
        cost = self.cost(job.part)
        of_cores = (cost.loop_s + cost.product_s) / job.window_s / self.cores
        of_engine = cost.engine_s / job.window_s if job.part == part else 0.0
        return Load(cost.loop_s / job.window_s, of_cores, of_engine)

    def _forget(self, now_s: float) -> None:
        """Let go of the places of jobs that did not come back."""
        for printer, jobs in list(self._printers.items()):
            for name, job in list(jobs.items()):
                if job.left_s is not None and now_s - job.left_s > self._rejoin_s:
                    self.close(printer, name)
