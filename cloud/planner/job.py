"""What the planner knows of a job: sizes, windows, and one or more orders in which the cells are scanned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cloud.plans.orders import Transitions
from cosmic.errors import PartError
from thermal.order import part_operator
from thermal.part import Part
from thermal.smartscan import SmartScan
from thermal.speculation import make_predictor

RANDOM_ORDERS = 20
"""Orders drawn where the part's own is not known (papers/cosmic.txt, section 4.2)."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One layer of a part, and how often it is printed.

    Attributes:
        name: of the part.
        part: its digest.
        elements: n.
        lengths: int64[cells], elements of every cell.
        step_s: time in which the laser crosses an element, s.
        spreading_s: pause between layers, s.
        layers: of the part.
        orders: int64[S, cells], each row an order of the cells; draw d follows order `d % S`.
        guesses: int64[S, cells], the cell guessed to follow while window w runs; None: not known.
        variant: the operator of the part: `polynomial`, `steps`, `opaque` or `dense`.
        tolerance: of that operator, as a share of the 2-norm of the map.
        hatch_m: distance between hatches, the side of an element, m.
        geometry: number of the layer's geometry in the part.
        transitions: of every geometry of the part how often each cell followed each other one in earlier prints,
            int64[cells, cells], or its number of cells; empty: not known, so that cells cannot be clustered.
    """

    name: str
    part: str
    elements: int
    lengths: NDArray[np.int64]
    step_s: float
    spreading_s: float
    layers: int
    orders: NDArray[np.int64]
    guesses: NDArray[np.int64] | None
    variant: str = "polynomial"
    tolerance: float = 1e-8
    hatch_m: float = 0.2e-3
    geometry: int = 0
    transitions: tuple[Transitions, ...] = ()

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.lengths.size

    @property
    def layer_s(self) -> float:
        """Time of scanning a layer, s."""
        return float(self.lengths.sum()) * self.step_s

    @property
    def dense_bytes(self) -> int:
        """All distinct operators as float64 matrices."""
        return np.unique(self.lengths).size * self.elements**2 * 8

    def with_changes(
        self, speed_mm_s: float | None = None, spreading_s: float | None = None, layer_s: float | None = None
    ) -> Job:
        """Return the job at another speed (the hatch stays) or time of a layer, or with another pause."""
        step_s = self.step_s
        if speed_mm_s is not None:
            step_s = self.hatch_m / (speed_mm_s / 1e3)
        if layer_s is not None:
            step_s = layer_s / float(self.lengths.sum())
        return replace(self, step_s=step_s, spreading_s=self.spreading_s if spreading_s is None else spreading_s)

    @property
    def speed_mm_s(self) -> float:
        """Speed of the laser, mm/s."""
        return self.hatch_m / self.step_s * 1e3


def random_job(
    lengths: Sequence[int] | NDArray[np.int64],
    *,
    name: str = "job",
    part: str = "",
    step_s: float = 0.25e-3,
    spreading_s: float = 15.0,
    layers: int = 1,
    seed: int = 0,
) -> Job:
    """Return a job of which only the cells' lengths are known: orders are random, guesses unknown."""
    lengths = np.asarray(lengths, dtype=np.int64)
    random = np.random.default_rng(seed)
    orders = np.stack([random.permutation(lengths.size) for _ in range(RANDOM_ORDERS)])
    return Job(name, part, int(lengths.sum()), lengths, step_s, spreading_s, layers, orders, None)


def job_of(part: Part, *, smartscan: bool = True, seed: int = 0, predictor: str = "input-only") -> Job:
    """Return the job of a part: its largest layer, whose plan every other layer fits.

    Args:
        part: the part.
        smartscan: compute the order that SmartScan gives from a map at ambient temperature, and the paper's
            guesses along it (section 4.3); False: random orders.
        seed: of random orders.
        predictor: that guesses along SmartScan's order, one of thermal.speculation.PREDICTORS.

    Raises:
        PartError: the largest layer has no cells.
    """
    geometry = part.largest
    if not len(geometry.cells):
        raise PartError("its largest layer has no cells", where=f"part '{part.name}'", remedy="build it again")
    known = random_job(
        geometry.lengths,
        name=part.name,
        part=part.digest,
        step_s=part.process.step_s,
        spreading_s=part.process.spreading_s,
        layers=part.layers,
        seed=seed,
    )
    orders, guesses = known.orders, None
    if smartscan:
        layer = part.manifest.layers.index(geometry.number)
        orders, guesses = _follow(part, layer, predictor)
    return replace(
        known,
        elements=geometry.elements,
        orders=orders,
        guesses=guesses,
        hatch_m=part.process.element_m,
        geometry=geometry.number,
        variant=part.manifest.operator.variant,
        tolerance=part.manifest.operator.tolerance,
    )


def _follow(part: Part, layer: int, guessed_by: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return SmartScan's order of a layer and the guess of each next cell: int64[1, cells] each."""
    geometry = part.geometry_of(layer)
    scan = SmartScan(geometry, part.process)
    carry = part_operator(part, layer)
    predictor = make_predictor(guessed_by, geometry, part.process, carry)
    theta = scan.theta_from_map(np.full(geometry.elements, part.process.ambient_K, dtype=np.float32))
    cells = len(geometry.cells)
    scanned = np.zeros(cells, dtype=np.bool_)
    order, guesses = np.empty((1, cells), dtype=np.int64), np.zeros((1, cells), dtype=np.int64)
    for window in range(cells):
        scores = scan.scores(theta)
        cell = scan.choose(theta, scanned)
        scanned[cell] = True
        order[0, window] = cell
        if window < cells - 1:
            guesses[0, window] = predictor.predict(theta, cell, scanned, scores)[0]
            theta = scan.advance(carry.apply(int(geometry.lengths[cell]), theta), cell)
    return order, guesses
