"""Windows of several sizes and numbers of workers, taken apart: network, messages, products, and crowding.

With `T_k` the time of a window with k workers, `P_k` that of their products, and maps of n values that leave the
coordinator one after the other, as the planner's model has it:

    T_k - P_k = 2 one_way + (k + 1) message + (k n + n/r - n) bytes / coordinator's bandwidth
                                            + n bytes / a worker's bandwidth

The four are fitted to all windows (least squares of relative errors, none below 0). Workers that share the
coordinator's memory copy instead, at a rate measured by itself; then the smallest size, whose product is nothing,
gives the two times.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
from scipy.optimize import nnls

from cloud.profiling.figures import Crowd, Figures, Product
from cloud.profiling.interface import Bench
from cloud.profiling.sampling import Interval, Samples, quantile

RESAMPLED = 200
"""Bootstrap samples behind the interval of a fitted value (Efron 1979)."""

BYTES_S_MAX = 1e11
"""A bandwidth that is not felt at the sizes measured."""

P90 = 1.2815515655446004
RESOLVED = 0.5
"""A product that is a smaller share of the rest of its window is not told from it."""

LEAST_SMALLEST = 50
"""Windows of the smallest size at least: from them come the constants of all."""

Advanced = Callable[[], None]


@dataclass(slots=True)
class Timed:
    """Windows of one size with so many workers.

    Attributes:
        samples: of the window's time, s.
        product_s: of a product, as workers say; 0 where they do not.
    """

    samples: Samples
    product_s: float = 0.0


@dataclass(slots=True)
class Windows:
    """All windows measured on a bench.

    Attributes:
        timed: by (number of the geometry, number of workers).
    """

    bench: Bench
    timed: dict[tuple[int, int], Timed] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of a value."""
        return 8 if self.bench.precision == "float64" else 4

    def block(self, geometry: int, workers: int) -> tuple[int, int]:
        """Rows and columns of a block."""
        n = self.bench.part.geometries[geometry].elements
        return -(-n // self.bench.rows(workers)), n

    def copied_s(self, geometry: int) -> float:
        """Time of a window's copies, s; 0 where vectors travel."""
        rate = self.bench.copy_bytes_s
        return 0.0 if rate is None else 2 * self.bench.part.geometries[geometry].elements * self.size / rate


async def measure_windows(bench: Bench, samples: Callable[[], Samples], advanced: Advanced) -> Windows:
    """Measure windows of every size with one worker, some, and all."""
    found = Windows(bench)
    counts = bench.workers
    keys = [(geometry, workers) for geometry in range(len(bench.part.geometries)) for workers in counts]
    found.timed = {key: Timed(samples()) for key in keys}
    for workers in counts:
        few = found.timed[0, workers].samples
        few.least = min(few.most, max(few.least, LEAST_SMALLEST))
    if bench.copy_bytes_s is None:
        for key, timed in found.timed.items():
            await bench.begin()
            await bench.window(*key)
            while not timed.samples.enough:
                timed.samples.add(await bench.window(*key))
            seconds, products = await bench.end()
            timed.product_s = seconds / products if products else 0.0
            advanced()
        return found
    for key in keys:
        await bench.window(*key)
    pending = list(keys)
    while pending:  # in turn, so that caches hold none of them, as in a job with many operators
        for key in pending:
            found.timed[key].samples.add(await bench.window(*key))
        left = [key for key in pending if not found.timed[key].samples.enough]
        for _ in range(len(pending) - len(left)):
            advanced()
        pending = left
    return found


def take_apart(windows: Windows, figures: Figures, source: str) -> None:
    """Write network, messages, products and crowding into `figures`."""
    copies = windows.bench.copy_bytes_s
    medians = {key: timed.samples.median for key, timed in windows.timed.items()}
    found = _constants(windows, medians)
    random = np.random.default_rng(0)
    again = [
        _constants(windows, {
            key: float(np.median(random.choice(timed.samples.taken, len(timed.samples.taken))))
            for key, timed in windows.timed.items()
        })
        for _ in range(RESAMPLED)
    ]  # fmt: skip
    count = sum(len(timed.samples.taken) for timed in windows.timed.values())
    for name, value in found.items():
        low, high = np.percentile([one[name] for one in again], [2.5, 97.5])
        interval = Interval(value, min(value, float(low)), max(value, float(high)), count)
        how = "copies in shared memory" if copies is not None and name.endswith("bytes_s") else "fitted to windows"
        figures.note(name, interval, f"{source}: {how}")
    _products(windows, found, figures)
    _crowding(windows, found, figures)


def _constants(windows: Windows, medians: dict[tuple[int, int], float]) -> dict[str, float]:
    """Return bandwidths, bytes/s, message and way, ms, from the medians of windows, s."""
    copies = windows.bench.copy_bytes_s
    keys = [key for key in medians if copies is None or key[0] == 0]
    seconds = np.array([medians[key] - windows.timed[key].product_s for key in keys])
    terms = np.array([_terms(windows, *key) for key in keys])
    if copies is not None:
        seconds -= windows.copied_s(0)
        terms[:, 2:] = 0.0
    weights = 1 / np.array([medians[key] for key in keys])
    found, _ = nnls(terms * weights[:, None] * UNIT, np.maximum(seconds, 0.0) * weights)
    way_s, message_s, coordinator, worker = found * UNIT
    if copies is not None:  # the model counts n values a worker and a block's rows: all of it is one way here
        worker = coordinator = 1 / copies
    return {
        "coordinator_bytes_s": 1 / max(coordinator, 1 / BYTES_S_MAX),
        "worker_bytes_s": 1 / max(worker, 1 / BYTES_S_MAX),
        "message_ms": message_s * 1e3,
        "one_way_ms": way_s * 1e3,
    }


UNIT = np.array([1e-3, 1e-3, 1e-9, 1e-9])
"""Scale of the fitted values, so that they are of one order."""


def _terms(windows: Windows, geometry: int, workers: int) -> list[float]:
    """Return how often a window has a way, a message, a byte at the coordinator and a byte at a worker."""
    rows, columns = windows.block(geometry, workers)
    at_coordinator = ((workers - 1) * columns + rows) * windows.size
    return [2.0, workers + 1.0, float(at_coordinator), float(columns * windows.size)]


def _over_s(windows: Windows, constants: dict[str, float], geometry: int, workers: int) -> float:
    """Return what of a window is not its products, s."""
    ways, messages, at_coordinator, at_worker = _terms(windows, geometry, workers)
    spent_s = (ways * constants["one_way_ms"] + messages * constants["message_ms"]) / 1e3
    if windows.bench.copy_bytes_s is not None:
        return spent_s + windows.copied_s(geometry)
    return spent_s + at_coordinator / constants["coordinator_bytes_s"] + at_worker / constants["worker_bytes_s"]


def _products(windows: Windows, constants: dict[str, float], figures: Figures) -> None:
    largest = max(geometry for geometry, _ in windows.timed)
    own = windows.bench.copy_bytes_s is None
    for geometry in range(0 if own else 1, largest + 1):
        timed = windows.timed[geometry, 1]
        over_s = _over_s(windows, constants, geometry, 1)
        window = timed.samples.quantile(0.5)
        middle_s = timed.product_s if own else max(1e-7, window.value - over_s)
        ms = Interval(
            middle_s * 1e3,
            max(1e-4, (middle_s - (window.value - window.low)) * 1e3),
            (middle_s + (window.high - window.value)) * 1e3,
            window.samples,
        )
        rows, columns = windows.block(geometry, 1)
        if middle_s > RESOLVED * over_s or geometry == largest:  # a smaller one drowns in the messages
            figures.products.append(Product(rows, columns, windows.bench.precision, ms))
        if geometry == largest:
            shift = window.value - middle_s
            scatter = quantile([max(1e-7, one - shift) / middle_s for one in timed.samples.taken], 0.9)
            factor = Interval(
                max(1.0, scatter.value), max(1.0, scatter.low), max(1.0, scatter.high), scatter.samples
            )
            figures.note("product_p90_factor", factor, "windows of the largest block, one worker")
            size = rows * columns * windows.size / 1e-3
            rate = Interval(size / ms.value, size / ms.high, size / ms.low, ms.samples)
            figures.note("product_bytes_s", rate, "the largest block's bytes over the time of its product")


def _crowding(windows: Windows, constants: dict[str, float], figures: Figures) -> None:
    """Note how products slow down when workers compute at a time, beyond the slowest of as many alone."""
    sigma = math.log(figures.values["product_p90_factor"][0].value) / P90
    geometry = max(number for number, _ in windows.timed)
    whole = figures.products[-1]
    for workers in windows.bench.workers:
        timed = windows.timed[geometry, workers]
        rows, columns = windows.block(geometry, workers)
        # Large blocks take their time by bytes: a block of fewer rows takes its share of a larger one's.
        alone_s = whole.ms.value / 1e3 * rows * columns / (whole.rows * whole.columns)
        if windows.bench.copy_bytes_s is None:
            slowest = [timed.product_s / alone_s]
        else:
            over_s = _over_s(windows, constants, geometry, workers)
            expected = math.exp(sigma * NormalDist().inv_cdf(0.5 ** (1.0 / workers)))
            slowest = [(one - over_s) / alone_s / expected for one in timed.samples.taken]
        found = quantile(slowest, 0.5)
        interval = Interval(max(1.0, found.value), max(1.0, found.low), max(1.0, found.high), found.samples)
        figures.crowd.append(Crowd(workers, interval))
