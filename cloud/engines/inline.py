"""The engine without workers: the coordinator applies the operator that the part's manifest names itself.

A product that takes long leaves the event loop's thread; a short one does not, since the way to a thread
and back costs more than it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from cloud.engines.interface import LayerWork, Progress, SharedLayer, WarmReport
from cosmic.errors import ConfigurationError, EngineError
from thermal.operators import Operator, build_operator
from thermal.part import Part

THREAD_MS = 1.0
"""A product that takes longer leaves the loop's thread; the way there and back takes some 0.2 ms."""

OPERATORS_MAX = 16
"""Operators held at a time: one a layer geometry, some 100 bytes an element each."""


class InlineEngine:
    """The operators of `part`, polynomial or steps as its manifest says: nothing is approximated silently.

    executor: threads shared by all engines of the coordinator.
    tolerance: of the operators, as a share of the 2-norm of theta; None: the manifest's.

    Attributes:
        tolerance: as it is used.
    """

    def __init__(self, part: Part, executor: ThreadPoolExecutor, tolerance: float | None = None) -> None:
        self.tolerance = tolerance or part.manifest.operator.tolerance
        self._part = part
        self._executor = executor
        self._operators: OrderedDict[int, tuple[Operator, bool]] = OrderedDict()

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

    def begin_layer(self, geometry: int, job: str = "") -> LayerWork:
        """Return what applies the operators of one layer; see Engine."""
        del job
        return SharedLayer(self, geometry)

    async def apply(self, geometry: int, cell: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `M_c theta`, float64[n]; see LayerWork."""
        length = int(self._part.geometries[geometry].lengths[cell])
        operator, in_thread = await self._operator(geometry)
        if in_thread:
            loop = asyncio.get_running_loop()
            y = await loop.run_in_executor(self._executor, operator.apply, length, theta)
        else:
            y = operator.apply(length, theta)
        if not np.isfinite(y).all():
            raise EngineError(
                "the operator's result is not finite",
                where=f"geometry {geometry}, cells of {length} elements",
                remedy="check the map and the part's process settings",
            )
        return y

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

    async def _operator(self, geometry: int) -> tuple[Operator, bool]:
        """Return the operator of a geometry, and whether a product belongs in a thread."""
        known = self._operators.get(geometry)
        if known is None:
            loop = asyncio.get_running_loop()
            known = await loop.run_in_executor(self._executor, self._build, geometry)
            self._operators[geometry] = known
            while len(self._operators) > OPERATORS_MAX:
                self._operators.popitem(last=False)
        self._operators.move_to_end(geometry)
        return known

    def _build(self, geometry: int) -> tuple[Operator, bool]:
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
        for _ in range(3):  # the least of them: others may have the processor meanwhile
            started_s = perf_counter()
            operator.apply(outline.distinct_lengths[-1], theta)
            taken_s.append(perf_counter() - started_s)
        return operator, min(taken_s) * 1e3 > THREAD_MS
