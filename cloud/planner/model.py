"""Runtime and cost of one layer under one plan (design: serverless.md, The planner). Pure.

    window       = invocation + coordination + compute
    invocation   = 0 if persistent, or if the group is the previous window's; if speculated right, what the group's
                   delay exceeds the time that it was invoked ahead; else the slowest of the group's delays
    coordination = the maps leave the coordinator one after the other, the last way to a worker, the last answer
    compute      = from the last map's arrival to the last product's end: the first products run meanwhile
    runtime      = sum over windows
    billed       = per worker from ready to released, rounded up to the platform's step

Sums over draws are Monte Carlo; nothing is fitted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cloud.planner.draws import Draws, FloatArray
from cloud.planner.job import Job
from cloud.planner.pattern import Pattern
from cloud.planner.platform import Platform
from cloud.plans import Mode, Precision

Criterion = Literal["window", "layer"]
VALUE_BYTES = {"float64": 8, "float32": 4}
ROUNDOFF = {"float64": 2.0**-53, "float32": 2.0**-24}


@dataclass(frozen=True, slots=True)
class Point:
    """One plan of the search.

    Attributes:
        pattern: groups and dealing.
        rows: row ranges r of an operator.
        columns: column ranges c.
        mode: when functions are invoked.
        precision: of blocks and vectors.
        memory_mb: size of a function (of a machine), MiB.
        machines: True for a fleet that always runs.
    """

    pattern: Pattern
    rows: int
    columns: int
    mode: Mode
    precision: Precision
    memory_mb: int
    machines: bool = False

    @property
    def functions(self) -> int:
        """F = r x c."""
        return self.rows * self.columns


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a layer takes and costs under a plan. Means over the draws unless said otherwise.

    Attributes:
        on_time: share of the draws in which every decision was in time.
        runtime_s: from the map to the last decision's product.
        runtime_p99_s: 99th percentile of it over the draws.
        invocation_s: of the runtime, waiting for functions.
        transfer_s: of the runtime, vectors on the network.
        message_s: of the runtime, work on messages and their way.
        compute_s: of the runtime, products.
        lateness_s: 99th percentile over the draws of the latest decision's lateness, negative where in time.
        slowdown: by what printing would have to be slower to be in time in 99 % of the draws, 1 or less: not.
        cost_usd: of a layer with its spreading.
        serving_usd: of it, windows, from ready to released.
        waiting_usd: of `serving_usd`, functions that wait for slower ones or were invoked early.
        wasted_usd: of `cost_usd`, groups invoked on wrong guesses.
        requests_usd: of `cost_usd`, invocations that serve.
        warm_usd: of `cost_usd`, warm requests while powder is spread.
        invocations: of a layer, without warm requests.
    """

    on_time: float
    runtime_s: float
    runtime_p99_s: float
    invocation_s: float
    transfer_s: float
    message_s: float
    compute_s: float
    lateness_s: float
    slowdown: float
    cost_usd: float
    serving_usd: float
    waiting_usd: float
    wasted_usd: float
    requests_usd: float
    warm_usd: float
    invocations: float


class Model:
    """The model of one job on one platform; holds the draws.

    job: the job. platform: the platform. seed: of the draws.
    criterion: `window`: every decision is there before its window; `layer`: the whole order takes no longer
        than scanning the layer, as the paper's search has it (papers/cosmic.txt, section 4.2).
    """

    def __init__(self, job: Job, platform: Platform, seed: int = 0, *, criterion: Criterion = "window") -> None:
        self.job = job
        self.criterion = criterion
        self.platform = platform
        self.draws = Draws(platform, job.cells, seed)
        orders = job.orders[np.arange(self.draws.count) % job.orders.shape[0]]
        ends_s = np.cumsum(job.lengths[orders] * job.step_s, axis=1)
        # Decision w has to be there before cell w-1 ends; counted from when the first cell starts.
        self.due_s: FloatArray = ends_s[:, :-1] - platform.settings.guard_ms / 1e3

    def transfer_s(self, rows: NDArray[np.int64], columns: NDArray[np.int64], precision: str) -> FloatArray:
        """Return the time that a window's vectors take beside products, s.

        F maps leave the coordinator one after the other (`n r` values); the last one comes in at the worker's rate
        where that is lower; of the answers, which come while products still run, the last one counts.
        """
        size, profile = VALUE_BYTES[precision], self.platform.profile
        block_rows, block_columns = -(-self.job.elements // rows), -(-self.job.elements // columns)
        sent_s = block_columns * size / profile.coordinator_bytes_s
        slower_s = np.maximum(block_columns * size / profile.worker_bytes_s - sent_s, 0.0)
        return np.asarray(rows * columns * sent_s + slower_s + block_rows * size / profile.coordinator_bytes_s)

    def message_s(self, functions: NDArray[np.int64] | int) -> FloatArray:
        """Return the time of a window's messages, s: one a function, the last answer, the way there and back.

        With them the coordinator's own work, where the profile has it.
        """
        profile = self.platform.profile
        own_s = self.platform.control_s(self.job.elements)
        return np.asarray((functions + 1) * profile.message_ms + 2 * profile.one_way_ms) / 1e3 + own_s

    def spacing_s(self, columns: NDArray[np.int64], precision: str) -> FloatArray:
        """Return the time between two maps that leave the coordinator, s: products begin one after the other."""
        profile = self.platform.profile
        sent_s = -(-self.job.elements // columns) * VALUE_BYTES[precision] / profile.coordinator_bytes_s
        return np.asarray(sent_s + profile.message_ms / 1e3)

    def product_s(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64], precision: str, memory_mb: int, machines: bool
    ) -> FloatArray:
        """Return the median time of a product, s; NaN where the profile has no such shape."""
        settings = self.platform.settings
        size: float = memory_mb
        if machines:  # a product is as fast as there are processors: count them as a function would have them
            vcpus = memory_mb / (self.platform.machine.machine_gb * 1024) * settings.machine_vcpus
            size = self.platform.profile.product_memory_mb * vcpus / settings.function_vcpus
        block_rows, block_columns = -(-self.job.elements // rows), -(-self.job.elements // columns)
        median_s = self.platform.product_s(block_rows, block_columns, precision, size)
        return np.asarray(median_s * (1.0 if machines else self.platform.crowding(rows * columns)))

    def window_s_max(self) -> float:
        """Return the longest mean window with which no decision need be late, s: a necessary condition.

        The start waits `start_wait_ms` at most, so that the first w windows must end within that time and the
        scanning of as many cells: `w t <= start_wait + due_w` for every w in a draw's order.
        """
        cells = self.job.cells
        if self.criterion == "layer" or cells == 1:
            return self.job.layer_s / cells if self.criterion == "layer" else math.inf
        allowed_s = self.due_s + self.platform.settings.start_wait_ms / 1e3
        return float((allowed_s / np.arange(1, cells)).min(axis=1).max())

    def warm_requests(self, point: Point) -> int:
        """Return the warm requests of a layer's spreading."""
        if point.machines:
            return 0
        each = int(self.job.spreading_s / self.platform.settings.warm_interval_s)
        return each * point.pattern.groups * point.functions

    def second_usd(self, point: Point) -> float:
        """Return what one function costs a second, USD."""
        return float(point.memory_mb / 1024 * self.platform.function.gb_second)

    def estimate(self, point: Point) -> Estimate:
        """Return runtime and cost of a layer."""
        rows, columns = np.array([point.rows]), np.array([point.columns])
        transfer_s = float(self.transfer_s(rows, columns, point.precision)[0])
        message_s = float(self.message_s(point.functions))
        product_s = float(self.product_s(rows, columns, point.precision, point.memory_mb, point.machines)[0])
        spacing = float(self.spacing_s(columns, point.precision)[0]) / product_s
        compute_s = product_s * self.draws.slowest(point.functions, spacing)
        serve_s = compute_s + (transfer_s + message_s)
        waits, right, wasted = self._masks(point)
        ahead_s = min(self.draws.delay_median_s(point.functions), float(serve_s.mean()))
        invocation_s = self._invocation_s(point, waits, right, ahead_s)
        ends_s = np.cumsum(invocation_s + serve_s, axis=1)
        lateness_s, slowdown = self._lateness(ends_s)
        on_time = float(np.mean(lateness_s <= 0.0))
        bill = self._bill(point, serve_s, invocation_s, waits, right, wasted, ends_s[:, -1], ahead_s)
        cells = self.job.cells
        share = self.platform.settings.confidence
        return Estimate(
            on_time=on_time,
            runtime_s=float(ends_s[:, -1].mean()),
            runtime_p99_s=float(np.quantile(ends_s[:, -1], share)),
            invocation_s=float(invocation_s.sum(axis=1).mean()),
            transfer_s=transfer_s * cells,
            message_s=message_s * cells,
            compute_s=float(compute_s.sum(axis=1).mean()),
            lateness_s=float(np.quantile(lateness_s, share)),
            slowdown=float(np.quantile(slowdown, share)),
            **bill,
        )

    def hopeless(self, point: Point, first: int, late_max: int, deadline_s: float | None) -> bool:
        """Return whether the first draws alone show that a plan is late in more than so many; for a quick no."""
        rows, columns = np.array([point.rows]), np.array([point.columns])
        fixed_s = float(self.transfer_s(rows, columns, point.precision)[0] + self.message_s(point.functions))
        product_s = self.product_s(rows, columns, point.precision, point.memory_mb, point.machines)[0]
        waits, right, _ = self._masks(point, first)
        spacing = float(self.spacing_s(columns, point.precision)[0] / product_s)
        spent_s = fixed_s + product_s * self.draws.slowest(point.functions, spacing, first)
        if point.mode != "persistent":
            ahead_s = self.draws.delay_median_s(point.functions)  # no shorter than `estimate` has it
            spent_s += self._invocation_s(point, waits, right, ahead_s)
        ends_s = np.cumsum(spent_s, axis=1)
        lateness_s, _ = self._lateness(ends_s, scale=False)
        if np.count_nonzero(lateness_s > 0.0) > late_max:
            return True
        # One more: the 99th percentile of the runtime may lie between two draws.
        return deadline_s is not None and int(np.count_nonzero(ends_s[:, -1] > deadline_s)) > late_max + 1

    def _invocation_s(
        self, point: Point, waits: NDArray[np.bool_], right: NDArray[np.bool_], ahead_s: float
    ) -> FloatArray:
        """Return how long every window waits for its group, float64[D, cells], s."""
        if point.mode == "persistent":
            return np.zeros(waits.shape)
        delay_s = self.draws.delay_s(point.functions)[: waits.shape[0]]
        waited_s = np.where(waits, delay_s, 0.0)
        if point.mode == "speculative":
            waited_s = np.where(right, np.maximum(delay_s - ahead_s, 0.0), waited_s)
        return np.asarray(waited_s)

    def lateness_s(self, window_s: FloatArray) -> FloatArray:
        """Return how late the latest decision is when every window takes the same time: float64[D], s.

        window_s: float64[D], time of a window in each draw.
        """
        return self._lateness(np.cumsum(np.repeat(window_s[:, None], self.job.cells, axis=1), axis=1), scale=False)[
            0
        ]

    def _lateness(self, ends_s: FloatArray, *, scale: bool = True) -> tuple[FloatArray, FloatArray]:
        """Return for every draw how late its latest decision is, s, and by what printing is too fast."""
        draws, cells = ends_s.shape
        if self.criterion == "layer":
            return ends_s[:, -1] - self.job.layer_s, ends_s[:, -1] / self.job.layer_s
        if cells == 1:
            return np.full(draws, -math.inf), np.zeros(draws)
        settings = self.platform.settings
        due_s = self.due_s[:draws]
        ready = ends_s[:, min(settings.start_windows, cells) - 2] if settings.start_windows > 1 else np.zeros(draws)
        start_s = np.minimum(ready, settings.start_wait_ms / 1e3)[:, None]
        spent_s = ends_s[:, :-1] - start_s
        lateness_s: FloatArray = (spent_s - due_s).max(axis=1)
        if not scale:
            return lateness_s, lateness_s
        guard_s = settings.guard_ms / 1e3
        slowdown: FloatArray = ((spent_s + guard_s) / (due_s + guard_s)).max(axis=1)
        return lateness_s, slowdown

    def _masks(
        self, point: Point, first: int | None = None
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Return, bool[D, cells]: windows that wait for their group, that were guessed, that wasted a guess."""
        count = self.draws.count if first is None else first
        pattern = point.pattern
        shape = (count, self.job.cells)
        none = np.broadcast_to(np.False_, shape)
        if point.mode == "persistent":
            return none, none, none
        if point.mode == "on_demand":
            return np.broadcast_to(np.True_, shape), none, none
        of_draw = np.arange(count) % pattern.switches.shape[0]
        switches = pattern.switches[of_draw]
        if point.mode == "reuse" or pattern.groups == 1:
            return switches, none, none
        if pattern.right is not None and pattern.wasted is not None:
            right = pattern.right[of_draw]
            return switches & ~right, right, pattern.wasted[of_draw]
        hit = self.draws.guess[:count] < self.platform.settings.accuracy
        hit[:, 0] = False
        right = switches & hit
        wasted = np.zeros(shape, dtype=np.bool_)
        # A wrong guess is taken to name another group that is not needed: the dearest case.
        wasted[:, :-1] = ~hit[:, 1:]
        return switches & ~right, right, wasted

    def _bill(
        self,
        point: Point,
        serve_s: FloatArray,
        invocation_s: FloatArray,
        waits: NDArray[np.bool_],
        right: NDArray[np.bool_],
        wasted: NDArray[np.bool_],
        runtime_s: FloatArray,
        ahead_s: float,
    ) -> dict[str, float]:
        platform, functions = self.platform, point.functions
        if point.machines:
            factor = point.memory_mb / (platform.machine.machine_gb * 1024)
            usd = functions * factor * platform.machine.machine_hour / 3600
            total = usd * (self.job.layer_s + self.job.spreading_s)
            waiting = total - usd * float(runtime_s.mean())
            return {"cost_usd": total, "serving_usd": total, "waiting_usd": waiting, "wasted_usd": 0.0,
                    "requests_usd": 0.0, "warm_usd": 0.0, "invocations": 0.0}  # fmt: skip
        step_s = platform.profile.billing_step_ms / 1e3
        second_usd, request_usd = self.second_usd(point), platform.function.request
        waiting_s = 0.0
        wasted_s = wasted_count = 0.0
        if point.mode == "persistent":
            billed_s = point.pattern.groups * float(_rounded(runtime_s, step_s).mean())
            invoked = float(point.pattern.groups)
        else:
            # A function is ready at its own delay and billed while it waits for the slowest of its group.
            early_s = float(self.draws.early_s(np.array([ahead_s]))[0])
            idle_s = np.where(waits, self.draws.excess_s(functions), 0.0)
            idle_s = np.where(right, early_s + (0.0 if self.draws.together else invocation_s), idle_s)
            waiting_s = float(idle_s.sum(axis=1).mean())
            starts = waits | right
            billed_s = _billed(idle_s + serve_s, starts, step_s)
            invoked = float(starts.sum(axis=1).mean())
            wasted_count = float(wasted.sum(axis=1).mean())
            wasted_s = wasted_count * float(_rounded(np.array([early_s]), step_s)[0])
        warm = self.warm_requests(point)
        wasted_usd = functions * (wasted_s * second_usd + wasted_count * request_usd)
        serving_usd = functions * billed_s * second_usd
        requests_usd = functions * invoked * request_usd
        warm_usd = warm * (step_s * second_usd + request_usd)
        return {
            "cost_usd": serving_usd + wasted_usd + requests_usd + warm_usd,
            "serving_usd": serving_usd,
            "waiting_usd": functions * waiting_s * second_usd,
            "wasted_usd": wasted_usd,
            "requests_usd": requests_usd,
            "warm_usd": warm_usd,
            "invocations": functions * (invoked + wasted_count),
        }


def _rounded(seconds: FloatArray, step_s: float) -> FloatArray:
    return np.ceil(np.round(seconds / step_s, 6)) * step_s


def _billed(busy_s: FloatArray, starts: NDArray[np.bool_], step_s: float) -> float:
    """Return the mean over draws of the time billed a function, s: every run of windows rounded up by itself.

    busy_s: float64[D, cells]. starts: bool[D, cells], the window's functions were invoked for it; column 0 is set.
    """
    runs = np.add.reduceat(busy_s.ravel(), np.flatnonzero(starts))
    return float(_rounded(runs, step_s).sum() / busy_s.shape[0])
