"""How often a predictor is right along the order that SmartScan really gives, and what a guess costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from thermal.operators import Operator
from thermal.order import part_operator
from thermal.part import Part
from thermal.smartscan import SmartScan
from thermal.speculation.groups import contiguous_groups
from thermal.speculation.predictors import PREDICTORS, make_predictor


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How one predictor did over a layer. Shares are of all windows but the last, without unit.

    Attributes:
        predictor: its name.
        cells_right: share in which the guess was the cell chosen.
        groups_right: share in which its group was the chosen cell's group.
        best_two_cells: share in which the cell was among the best two guesses.
        best_two_groups: share in which the group was that of one of the best two.
        cost_ratio: median time of a guess over the median time of the operator.
        groups: number of groups.
    """

    predictor: str
    cells_right: float
    groups_right: float
    best_two_cells: float
    best_two_groups: float
    cost_ratio: float
    groups: int


def measure_accuracy(
    part: Part,
    layer: int,
    map_K: NDArray[np.floating],
    *,
    groups: int,
    operator: Operator | None = None,
    predictors: Sequence[str] = PREDICTORS,
) -> list[Accuracy]:
    """Return how often each predictor is right on the order that rule `input` gives a layer.

    Args:
        part: the part.
        layer: from 0.
        map_K: float32[n], kelvin, first map of the layer.
        groups: number of groups that the cells are dealt to, neighbours together.
        operator: how maps are carried; None takes the part's own.
        predictors: names.

    Raises:
        ConfigurationError: a predictor is unknown.
        MapError: the map has a wrong length or impossible values.
        UsageError: so many groups are not possible.
    """
    geometry = part.geometry_of(layer)
    scan = SmartScan(geometry, part.process)
    carry = operator or part_operator(part, layer)
    group = contiguous_groups(len(geometry.cells), groups)
    made = {name: make_predictor(name, geometry, part.process, carry) for name in predictors}
    guessed: dict[str, list[NDArray[np.int64]]] = {name: [] for name in predictors}
    spent_s: dict[str, list[float]] = {name: [] for name in predictors}
    operator_s: list[float] = []
    chosen: list[int] = []
    theta = scan.theta_from_map(map_K)
    scanned = np.zeros(len(geometry.cells), dtype=np.bool_)
    for window in range(len(geometry.cells)):
        scores = scan.scores(theta)
        cell = scan.choose(theta, scanned)
        scanned[cell] = True
        chosen.append(cell)
        if window < len(geometry.cells) - 1:
            for name, predictor in made.items():
                began_s = perf_counter()
                guessed[name].append(predictor.predict(theta, cell, scanned, scores))
                spent_s[name].append(perf_counter() - began_s)
        began_s = perf_counter()
        y = carry.apply(int(geometry.lengths[cell]), theta)
        operator_s.append(perf_counter() - began_s)
        theta = scan.advance(y, cell)
    results = []
    for name in predictors:
        pairs = list(zip(guessed[name], chosen[1:], strict=True))
        results.append(
            Accuracy(
                predictor=name,
                cells_right=_share([guess[0] == cell for guess, cell in pairs]),
                groups_right=_share([group[guess[0]] == group[cell] for guess, cell in pairs]),
                best_two_cells=_share([cell in guess for guess, cell in pairs]),
                best_two_groups=_share([group[cell] in group[guess] for guess, cell in pairs]),
                cost_ratio=float(np.median(spent_s[name] or [0.0]) / np.median(operator_s)),
                groups=groups,
            )
        )
    return results


def _share(right: Sequence[bool]) -> float:
    return float(np.mean(right)) if right else 1.0
