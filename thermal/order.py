"""A whole layer in one process: the order that SmartScan gives, and what other orders would give.

No network, no clock. This is the reference that a controller over any engine must reproduce.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import UsageError
from thermal.operators import Operator, Polynomial, build_operator
from thermal.part import Part
from thermal.smartscan import SmartScan


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a layer's cells and how uniform the layer is on the way.

    Attributes:
        order: every cell of the layer once, in the order of scanning.
        uniformity: R after each window, without unit (divided by T_melt).
        theta: float64[n], K above ambient, after the last window.
    """

    order: list[int]
    uniformity: list[float]
    theta: NDArray[np.float64]


def part_operator(part: Part, layer: int) -> Operator:
    """Return the operator that the part's manifest names, with its tolerance, for a layer."""
    return build_operator(
        part.manifest.operator.variant,
        part.geometry_of(layer),
        part.process,
        tolerance=part.manifest.operator.tolerance,
    )


def order_layer(
    part: Part,
    layer: int,
    map_K: NDArray[np.floating],
    operator: Operator | None = None,
    *,
    rule: str = "input",
    printed: Sequence[int] = (),
) -> Order:
    """Return the order that SmartScan gives a layer from its first map.

    Args:
        part: the part.
        layer: from 0.
        map_K: float32[n], kelvin.
        operator: how a map is carried across a window; None takes the part's own (polynomial).
        rule: `input` or `propagated`.
        printed: cells scanned already, in order; the result begins with them.

    Raises:
        MapError: the map has a wrong length or impossible values.
        UsageError: a printed cell does not exist or occurs twice.
    """
    geometry = part.geometry_of(layer)
    scan = SmartScan(geometry, part.process, rule)
    carry = operator or part_operator(part, layer)
    check_cells(printed, len(geometry.cells))
    theta = scan.theta_from_map(map_K)
    scanned = np.zeros(len(geometry.cells), dtype=np.bool_)
    order: list[int] = []
    uniformity: list[float] = []
    for window in range(len(geometry.cells)):
        cell = printed[window] if window < len(printed) else scan.choose(theta, scanned)
        theta = scan.advance(carry.apply(int(geometry.lengths[cell]), theta), cell)
        scanned[cell] = True
        order.append(int(cell))
        uniformity.append(scan.uniformity(theta))
    return Order(order, uniformity, theta)


def uniformity_of(
    part: Part,
    layer: int,
    map_K: NDArray[np.floating],
    cells_in_order: Sequence[int],
    operator: Operator | None = None,
) -> list[float]:
    """Return R after each window of a given order, complete or not, from the same first map.

    Raises:
        MapError: the map has a wrong length or impossible values.
        UsageError: a cell does not exist or occurs twice.
    """
    states = _follow(part, layer, map_K, cells_in_order, operator)
    return [scan.uniformity(theta) for scan, theta in states][1:]


def predict_map(
    part: Part,
    layer: int,
    map_K: NDArray[np.floating],
    order: Sequence[int],
    operator: Operator | None = None,
) -> NDArray[np.float32]:
    """Return the map after the last window of an order: float32[n], kelvin.

    Raises:
        MapError: the map has a wrong length or impossible values.
        UsageError: a cell does not exist or occurs twice.
    """
    *_, (_, theta) = _follow(part, layer, map_K, order, operator)
    return (theta + part.process.ambient_K).astype(np.float32)


def cool(
    part: Part, layer: int, theta: NDArray[np.float64], seconds: float, operator: Polynomial | None = None
) -> NDArray[np.float64]:
    """Return `theta` after a pause without input, such as spreading: diffusion and losses only.

    Args:
        part: the part.
        layer: from 0.
        theta: float64[n], K above ambient.
        seconds: length of the pause, rounded to whole steps, not negative.
        operator: to be given when it exists already; None makes one with the manifest's tolerance.

    Returns:
        float64[n], K, with a 2-norm error of at most the operator's tolerance times that of `theta`. The
        polynomial's degree grows with the square root of the steps: 15 s at the defaults are 60,000 steps
        and some 240 sparse products.
    """
    carry = operator or Polynomial(part.geometry_of(layer), part.process, part.manifest.operator.tolerance)
    return carry.apply(round(seconds / part.process.step_s), theta)


def check_cells(cells: Sequence[int], count: int) -> None:
    """Check that cells of an order exist and occur once.

    Raises:
        UsageError: one does not.
    """
    seen: set[int] = set()
    for cell in cells:
        if not 0 <= cell < count or cell in seen:
            raise UsageError(
                f"cell {cell} {'occurs twice' if cell in seen else 'does not exist'}",
                where="printed cells",
                why=f"this layer has cells 0 to {count - 1}, each scanned once",
                remedy="correct the list",
            )
        seen.add(cell)


def _follow(
    part: Part,
    layer: int,
    map_K: NDArray[np.floating],
    cells: Sequence[int],
    operator: Operator | None,
) -> Iterator[tuple[SmartScan, NDArray[np.float64]]]:
    """Yield the rule and theta: at the start, then after each window of the cells."""
    geometry = part.geometry_of(layer)
    scan = SmartScan(geometry, part.process)
    carry = operator or part_operator(part, layer)
    check_cells(cells, len(geometry.cells))
    theta = scan.theta_from_map(map_K)
    yield scan, theta
    for cell in cells:
        theta = scan.advance(carry.apply(int(geometry.lengths[cell]), theta), cell)
        yield scan, theta
