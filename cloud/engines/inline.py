"""The engine without workers: the coordinator applies the operator that the part's manifest names itself.

A product that takes long leaves the event loop's thread; a short one does not, since the way to a thread
and back costs more than it. Among printers, the one whose next undecided window is due first has its product first.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import thread_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloud.engines.interface import Guess, Progress, WarmReport
from cloud.engines.turns import ProductThreads, ProductTurns, Turns
from cloud.sharing.admission import Cost
from cosmic.errors import ConfigurationError, EngineError
from thermal.operators import Operator, build_operator
from thermal.part import Part

THREAD_MS = 1.0
"""A product that takes longer leaves the loop's thread; the way there and back takes some 0.2 ms."""

THREAD_SHARED_MS = 0.4
"""The same where several layers are in progress: others have the loop's thread meanwhile."""

OPERATORS_MAX = 16
"""Operators held at a time: one a layer geometry, some 100 bytes an element each."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """An operator with its coefficients made, and the time of its longest product."""

    operator: Operator
    product_s: float


class InlineEngine:
    """The operators of `part`, polynomial or steps as its manifest says: nothing is approximated silently.

    executor: threads shared by all engines of the coordinator.
    tolerance: of the operators, as a share of the 2-norm of theta; None: the manifest's.

    Attributes:
        tolerance: as it is used.
        spent: processor's time for the product returned last.
    """

    def __init__(self, part: Part, executor: ThreadPoolExecutor, tolerance: float | None = None) -> None:
        self.tolerance = tolerance or part.manifest.operator.tolerance
        self.spent = Cost()
        self._part = part
        self._executor = executor
        self._operators: OrderedDict[int, _Ready] = OrderedDict()
        self._building: dict[int, asyncio.Task[_Ready]] = {}
        self._turns = executor.turns if isinstance(executor, ProductThreads) else ProductTurns(1)

    @property
    def name(self) -> str:
        """`inline`."""
        return "inline"

    async def load(self, progress: Progress) -> None:
        """Prepare the operators of the first layers' geometries; those of later layers when they come."""
        wanted = list(dict.fromkeys(self._part.manifest.layers))[:OPERATORS_MAX]
        for done, geometry in enumerate(wanted, 1):
            await self._operator(geometry)
            progress(done, len(wanted), "operators")

    def begin_layer(self, geometry: int, job: str = "") -> InlineLayer:
        """Return what applies the operators of one layer; see Engine."""
        del job
        return InlineLayer(self, geometry, self._turns)

    async def apply(self, geometry: int, cell: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `M_c theta`, float64[n]; see LayerWork. Takes no turn: whoever needs it at once has it."""
        length = int(self._part.geometries[geometry].lengths[cell])
        ready = await self._operator(geometry)
        if self._in_thread(ready):
            loop = asyncio.get_running_loop()
            y, taken_s = await loop.run_in_executor(self._executor, _timed, ready.operator, length, theta)
            spent = Cost(product_s=taken_s)
        else:
            y, taken_s = _timed(ready.operator, length, theta)
            spent = Cost(loop_s=taken_s)
        self.spent = spent
        return y

    async def turns_of(self, geometry: int) -> Turns:
        """Return where a layer of this geometry waits for its turn."""
        return self._turns.threads if self._in_thread(await self._operator(geometry)) else self._turns.loop

    def cost(self, geometry: int) -> Cost:
        """Return what the longest product of a geometry takes; nothing where its operator is not made."""
        ready = self._operators.get(geometry)
        return Cost() if ready is None else Cost(product_s=ready.product_s)

    async def warm(self, job: str = "") -> WarmReport:
        """Return that there are no workers."""
        del job
        return WarmReport(workers=0, cold=0, reloaded=0)

    def bill(self, job: str) -> None:
        """Return None: the coordinator's own machine is paid for whatever it does."""
        del job

    async def close(self) -> None:
        """Forget the operators."""
        self._operators.clear()

    def _in_thread(self, ready: _Ready) -> bool:
        limit_ms = THREAD_MS if self._turns.layers < 2 else min(THREAD_MS, THREAD_SHARED_MS)
        return ready.product_s * 1e3 > limit_ms

    async def _operator(self, geometry: int) -> _Ready:
        """Return the operator of a geometry; made in a thread beside those for products, once for all who wait."""
        known = self._operators.get(geometry)
        if known is None:
            building = self._building.get(geometry)
            if building is None:
                building = asyncio.get_running_loop().create_task(asyncio.to_thread(self._build, geometry))
                self._building[geometry] = building
                building.add_done_callback(lambda _: self._building.pop(geometry, None))
            known = await asyncio.shield(building)
            self._operators[geometry] = known
            while len(self._operators) > OPERATORS_MAX:
                self._operators.popitem(last=False)
        self._operators.move_to_end(geometry)
        return known

    def _build(self, geometry: int) -> _Ready:
        try:
            outline = self._part.geometries[geometry]
            variant = self._part.manifest.operator.variant
            operator = build_operator(variant, outline, self._part.process, tolerance=self.tolerance)
        except ConfigurationError as error:
            raise EngineError(error.what, where=error.where, why=error.why, remedy=error.remedy) from error
        theta = np.zeros(outline.elements)
        for length in outline.distinct_lengths:  # makes the coefficients, which takes longer than a product
            operator.apply(length, theta)
        taken_s = []
        for _ in range(3):  # the least of them, in the processor's time: others may have the processor meanwhile
            started_s = thread_time()
            operator.apply(outline.distinct_lengths[-1], theta)
            taken_s.append(thread_time() - started_s)
        return _Ready(operator, min(taken_s))


def _timed(operator: Operator, length: int, theta: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    began_s = thread_time()
    y = operator.apply(length, theta)
    return y, thread_time() - began_s


class InlineLayer:
    """One layer: its products wait for their turns.

    Attributes:
        due_s: when the next product is due, loop time; set by whoever knows the printer's progress.
        spent: processor's time for the last product.
    """

    def __init__(self, engine: InlineEngine, geometry: int, turns: ProductTurns) -> None:
        self.due_s = 0.0
        self.spent = Cost()
        self._engine = engine
        self._geometry = geometry
        self._turns = turns
        self._over = False
        turns.layers += 1

    async def apply(self, cell: int, theta: NDArray[np.float64], guess: Guess | None = None) -> NDArray[np.float64]:
        """See LayerWork."""
        del guess
        turns = await self._engine.turns_of(self._geometry)
        await turns.take(self.due_s)
        try:
            y = await self._engine.apply(self._geometry, cell, theta)
            self.spent = self._engine.spent  # nobody was asked in between
        finally:
            turns.give_back()
        return y

    def rest(self, *, done: bool) -> None:
        """Nothing is held that could be let go of."""

    def end(self) -> None:
        """The layer counts no more as one in progress."""
        if not self._over:
            self._over = True
            self._turns.layers -= 1

    def figures(self) -> dict[str, Any]:
        """Return nothing: the layer's own line says all."""
        return {}

    def suspects(self, cell: int) -> str:
        """Return nobody: there are no workers."""
        del cell
        return ""
