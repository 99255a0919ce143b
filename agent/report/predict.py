"""What the part's operator makes of a recorded layer: R after every window, the map after the last, other orders.

The same sums as `thermal.order`, which the tests hold it to; layers side by side in a few threads, which the
compiled kernel and numpy allow.
"""

from __future__ import annotations

import math
import os
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from thermal.operators import Polynomial
from thermal.order import check_cells
from thermal.part import Geometry, Part

RANDOM_ORDERS = 3
SEED = 0
"""Random order `i` of layer `l`: `numpy.random.default_rng([SEED, l, i]).permutation(cells)`."""

WORK_EXACT = 5e8
"""Windows times elements up to which maps are carried as the part says: some seconds. Beyond, in float32."""

TOLERANCE_FLOAT32 = 1e-6
"""Below it a float32's own rounding begins. After 60 windows of a 16 cm2 layer: 0.001 K apart."""

WORK_ORDERS = 2.5e8
"""The same, of all other orders together: beyond, they are computed for some of the layers, evenly spread."""

THREADS_MAX = 8


@dataclass(frozen=True, slots=True)
class Task:
    """A layer to be predicted.

    Attributes:
        layer: the layer.
        order: cells as they were printed, complete or not.
        map_K: gives its first map, float32[n], kelvin; decoded when it is needed.
    """

    layer: int
    order: Sequence[int]
    map_K: Callable[[], NDArray[np.float32]]


@dataclass(slots=True)
class Predicted:
    """What became of a task.

    Attributes:
        layer: the layer.
        before_K: its first map, float32[n].
        after_K: the map after the last window printed, float32[n].
        printed: R after each window.
        random: R after each window of random orders, an order each.
        sequential: R after each window in the order of the cells' numbers.
    """

    layer: int
    before_K: NDArray[np.float32]
    after_K: NDArray[np.float32]
    printed: list[float]
    random: list[list[float]] = field(default_factory=list)
    sequential: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Method:
    """How it is computed.

    Attributes:
        precision: `float64` or `float32`, of the operator's recurrence.
        tolerance: of the operator.
        compared: layers for which other orders are computed.
    """

    precision: str
    tolerance: float
    compared: frozenset[int]


def choose_method(part: Part, tasks: Sequence[Task], compare_layers: int | None = None) -> Method:
    """Return how tasks are computed: the same for the same job on any machine.

    compare_layers: how many layers other orders are computed for; None: as many as `WORK_ORDERS` allows.
    """
    work = {task.layer: part.size_of(task.layer)[0] * len(task.order) for task in tasks}
    whole = [task.layer for task in tasks if len(task.order) == part.size_of(task.layer)[1]]
    count = len(whole)
    each = max((work[layer] for layer in whole), default=0) * (RANDOM_ORDERS + 1)
    if compare_layers is not None:
        count = min(count, compare_layers)
    elif each:
        count = min(count, max(2, int(WORK_ORDERS / each)))
    spread: list[int] = (
        np.unique(np.linspace(0, len(whole) - 1, count).round().astype(int)).tolist() if count else []
    )
    exact = sum(work.values()) <= WORK_EXACT
    tolerance = part.manifest.operator.tolerance
    return Method(
        "float64" if exact else "float32",
        tolerance if exact else max(tolerance, TOLERANCE_FLOAT32),
        frozenset(whole[place] for place in spread),
    )


def predict(
    part: Part, tasks: Sequence[Task], method: Method, told: Callable[[Task], None] | None = None
) -> Iterator[Predicted | tuple[Task, Exception]]:
    """Yield what becomes of every task, in order; a task that cannot be computed comes with its error.

    told: called after every layer, in the thread that asks for the next one.
    """
    operators = _Operators(part, method)
    threads = min(os.cpu_count() or 1, THREADS_MAX, max(len(tasks), 1))
    with ThreadPoolExecutor(threads, thread_name_prefix="predict") as pool:
        running = deque((task, pool.submit(_predict, part, task, operators, method)) for task in tasks)
        try:
            while running:
                task, each = running.popleft()
                error = each.exception()
                if error is not None and not isinstance(error, Exception):
                    raise error
                yield (task, error) if error is not None else each.result()
                if told is not None:
                    told(task)
        finally:
            for _, each in running:
                each.cancel()


class _Operators:
    """An operator a geometry, shared by all layers that have it; the last used are kept."""

    def __init__(self, part: Part, method: Method) -> None:
        self._part = part
        self._method = method
        self._known: OrderedDict[int, tuple[Geometry, Polynomial]] = OrderedDict()
        self._making = Lock()

    def of(self, layer: int) -> tuple[Geometry, Polynomial]:
        with self._making:
            geometry = self._part.geometry_of(layer)
            found = self._known.pop(geometry.number, None)
            if found is None:
                method = self._method
                operator = Polynomial(geometry, self._part.process, method.tolerance, precision=method.precision)
                found = (geometry, operator)
            self._known[geometry.number] = found
            if len(self._known) > THREADS_MAX:
                self._known.popitem(last=False)
            return found


def _predict(part: Part, task: Task, operators: _Operators, method: Method) -> Predicted:
    geometry, operator = operators.of(task.layer)
    map_K = task.map_K()
    theta = map_K.astype(np.float64) - part.process.ambient_K
    walk = _Walk(geometry, operator, part.process.melt_K)
    after, printed = walk.along(theta, task.order)
    found = Predicted(task.layer, map_K, (after + part.process.ambient_K).astype(np.float32), printed)
    if task.layer in method.compared:
        orders = random_orders(task.layer, len(geometry.cells))
        found.random = [walk.along(theta, order)[1] for order in orders]
        found.sequential = walk.along(theta, range(len(geometry.cells)))[1]
    return found


def random_orders(layer: int, cells: int) -> list[list[int]]:
    """Return the random orders that a layer's own is compared with: the same ones every time."""
    return [
        np.random.default_rng([SEED, layer, number]).permutation(cells).tolist() for number in range(RANDOM_ORDERS)
    ]


class _Walk:
    """Carries maps along orders."""

    def __init__(self, geometry: Geometry, operator: Polynomial, melt_K: float) -> None:
        self._operator = operator
        self._melt_K = melt_K
        inputs = geometry.inputs
        self._starts = inputs.indptr.tolist()
        self._places, self._heat_K = inputs.indices, inputs.data
        self._lengths: list[int] = geometry.lengths.tolist()

    def along(self, theta: NDArray[np.float64], order: Sequence[int]) -> tuple[NDArray[np.float64], list[float]]:
        """Return theta after the last window, K above ambient, and R after each. Raises UsageError."""
        check_cells(order, len(self._lengths))
        uniformity = []
        for cell in order:
            theta = self._operator.apply(self._lengths[cell], theta)  # a new array each time
            span = slice(self._starts[cell], self._starts[cell + 1])
            theta[self._places[span]] += self._heat_K[span]
            # In float64 the difference of squares loses nothing that matters, and saves a pass. Not
            # `theta @ theta`: BLAS would wake threads of its own for every window, beside ours.
            variance_K2 = float(np.einsum("i,i->", theta, theta)) / theta.size - float(theta.mean()) ** 2
            uniformity.append(math.sqrt(max(variance_K2, 0.0)) / self._melt_K)
        return theta, uniformity


def means_of_cells(
    cell_of_element: NDArray[np.int32], cells: int, map_K: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the mean of a map over each cell, kelvin: float64[cells].

    cell_of_element: int32[n].
    """
    sums = np.bincount(cell_of_element, weights=map_K, minlength=cells)
    return sums / np.bincount(cell_of_element, minlength=cells)
