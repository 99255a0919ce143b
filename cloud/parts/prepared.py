"""A part ready to be decided on: its geometries, its engine and its rule, shared by all printers that print it.

The only module of the serving path that brings the numerics (scipy) with it: the pool imports it when the
first part is wanted, so that the coordinator listens at once.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import thread_time

import numpy as np

from cloud.configuration import EngineSettings
from cloud.deciding.controller import Predictor
from cloud.deciding.guesses import Guesses, InputGuess
from cloud.engines import Engine, Progress, TellsCost
from cloud.engines.choosing import make_engine, plan_of
from cloud.sharing.admission import Cost
from thermal.part import Part, load_part
from thermal.smartscan import SmartScan

GUESSES_MAX = 16
"""Layer geometries whose guesses are prepared with the part."""


SCANS_MAX = 8
"""Layer geometries whose rule is kept ready, those used last: 1 to 2 MB each."""


class PreparedPart:
    """A loaded `part` and its loaded `engine`.

    Attributes:
        cost: what a window takes of this machine's processors, measured; nothing where it was not.
    """

    def __init__(
        self, part: Part, engine: Engine, guesses: Mapping[int, Guesses] | None = None, cost: Cost | None = None
    ) -> None:
        self.cost = Cost() if cost is None else cost
        self.part = part
        self.engine = engine
        self._guesses = guesses or {}
        self._scans: OrderedDict[tuple[int, str | None], SmartScan] = OrderedDict()

    def size(self, layer: int) -> tuple[int, int] | None:
        """Return (elements, cells) of a layer, None where the part has no such layer."""
        if not 0 <= layer < self.part.layers:
            return None
        return self.part.size_of(layer)

    @property
    def largest(self) -> tuple[int, int]:
        """Most elements and most cells of a layer."""
        sizes = [(entry.elements, entry.cells) for entry in self.part.manifest.geometries]
        return max(elements for elements, _ in sizes), max(cells for _, cells in sizes)

    @property
    def window_s(self) -> float:
        """Mean window of the part's densest layer geometry, the one with the shortest mean window, seconds."""
        sizes = [(entry.elements, entry.cells) for entry in self.part.manifest.geometries]
        return min(elements / cells for elements, cells in sizes) * self.part.process.step_s

    def scan(self, layer: int, rule: str | None) -> SmartScan:
        """Return the rule for a layer. Raises ConfigurationError where there is no such rule."""
        geometry = self.part.geometry_of(layer)
        place = geometry.number, rule
        known = self._scans.pop(place, None)
        if known is None:  # half of the time that beginning a layer takes
            process = self.part.process
            known = SmartScan(geometry, process) if rule is None else SmartScan(geometry, process, rule)
        self._scans[place] = known
        while len(self._scans) > SCANS_MAX:
            self._scans.popitem(last=False)
        return known

    def predictor(self, scan: SmartScan) -> Predictor:
        """Return what guesses the next cell of a layer decided by `scan`."""
        known = self._guesses.get(scan.geometry.number) if scan.rule == "input" else None
        return known or InputGuess(scan)


async def prepare(
    folder: Path, settings: EngineSettings, executor: ThreadPoolExecutor, progress: Progress
) -> PreparedPart:
    """Load the part in `folder` and its engine.

    Raises PartError where the part is damaged, EngineError where the engine cannot be loaded.
    """
    part = await asyncio.to_thread(load_part, folder)
    engine = await make_engine(part, settings, executor)
    await engine.load(progress)
    guesses = await asyncio.to_thread(make_guesses, part) if _speculates(part, settings) else {}
    return PreparedPart(part, engine, guesses, await asyncio.to_thread(measure_cost, part, engine))


def measure_cost(part: Part, engine: Engine) -> Cost:
    """Return what a window takes of this machine: the choice of a cell, and the product where it is made here.

    Measured on the largest of the first layers' geometries; the least of three, since others compute as well.
    """
    first = list(dict.fromkeys(part.manifest.layers))[:GUESSES_MAX]
    geometry = max((part.geometries[number] for number in first), key=lambda one: one.elements)
    scan = SmartScan(geometry, part.process)
    theta, scanned = np.zeros(geometry.elements), np.zeros(len(geometry.cells), dtype=np.bool_)
    taken_s = []
    for _ in range(3):
        began_s = thread_time()
        cell = scan.choose(theta, scanned)
        scan.uniformity(scan.advance(theta, cell))
        taken_s.append(thread_time() - began_s)
    product = engine.cost(geometry.number) if isinstance(engine, TellsCost) else Cost()
    return replace(product, loop_s=product.loop_s + min(taken_s))


def _speculates(part: Part, settings: EngineSettings) -> bool:
    return settings.name not in {"inline", "local"} and plan_of(part, settings).mode == "speculative"


def make_guesses(part: Part) -> dict[int, Guesses]:
    """Return the guesses of the first layers' geometries, by number; later ones take the paper's, made at once."""
    first = list(dict.fromkeys(part.manifest.layers))[:GUESSES_MAX]
    return {number: Guesses(SmartScan(part.geometries[number], part.process)) for number in first}
