"""The part that is printed, and its numerics made cheap: a product is one small matrix, the same for everybody.

The operators are the real ones, applied once to every unit vector; agent, plant, workers and reference order share
the matrices. What is simulated is who computes what, and when, not how long a product takes this machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import box

from cloud.plans import Plan
from cloud.simulation import platform as simulated_platform
from cloud.simulation.products import PartProducts
from thermal.building import build_from_outline
from thermal.operators import Polynomial
from thermal.part import Part
from thermal.process import Process

LAYERS = 4
WINDOW_S = 0.04
"""Time of a whole cell: 4 elements of 10 ms."""

CELLS = 24
"""Cells of a layer."""

SCANNING_S = 0.84
"""Time of a layer without spreading: 18 whole cells and 6 halves."""

_matrices: dict[tuple[int, int], NDArray[np.float64]] = {}
_products: dict[tuple[str, str], PartProducts] = {}
_apply = Polynomial.apply


@lru_cache(maxsize=1)
def plate() -> Part:
    """Return a plate of 84 elements: 18 cells of 2 x 2, six of 2 x 1. Its products are too small for threads."""
    process = Process(element_m=4e-4, speed_m_s=4e-4 / (WINDOW_S / 4), spreading_s=15.0)
    return build_from_outline(box(0, 0, 4.8, 2.8), "plate", process, layers=LAYERS, island_mm=0.8)


@contextmanager
def cheap_numerics() -> Iterator[None]:
    """Have every polynomial operator of the plate apply its matrix, and all platforms share theirs."""
    with (
        patch.object(Polynomial, "apply", _by_matrix),
        patch.object(simulated_platform, "PartProducts", _shared_products),
    ):
        yield


def _by_matrix(operator: Polynomial, length: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `M theta`; the matrix is made at its first use."""
    key = (operator._elements, length)
    matrix = _matrices.get(key)
    if matrix is None:
        units = np.eye(operator._elements)
        matrix = np.ascontiguousarray(np.array([_apply(operator, length, unit) for unit in units]).T)
        _matrices[key] = matrix
    product: NDArray[np.float64] = matrix @ theta
    return product


def _shared_products(part: Part, precision: str, *, dense: bool | None = None) -> PartProducts:
    known = _products.get((part.digest, precision))
    if known is None:
        known = _products[part.digest, precision] = PartProducts(part, precision, dense=dense)
    return known


def no_progress(_done: int, _total: int, _what: str) -> None:
    """Take how far loading is."""


def plan_of(part: Part, groups: int, rows: int, columns: int, mode: str) -> Plan:
    """Return a plan of the plate over simulated functions."""
    return Plan(
        part=part.digest,
        engine="simulated",
        groups=groups,
        rows=rows,
        columns=columns,
        mode=mode,  # type: ignore[arg-type]
        memory_mb=1769,
    )


__all__ = ["CELLS", "LAYERS", "SCANNING_S", "WINDOW_S", "cheap_numerics", "no_progress", "plan_of", "plate"]
