"""Makes an operator from the name of its variant."""

from __future__ import annotations

from pathlib import Path

from cosmic.errors import ConfigurationError
from thermal.geometry import Geometry
from thermal.operators.blockfiles import dense_from_files
from thermal.operators.dense import dense_in_memory
from thermal.operators.interface import Operator
from thermal.operators.polynomial import DEFAULT_TOLERANCE, Polynomial
from thermal.operators.steps import Steps
from thermal.process import Process

VARIANTS = ("polynomial", "steps", "dense")


def build_operator(
    variant: str,
    geometry: Geometry,
    process: Process,
    tolerance: float = DEFAULT_TOLERANCE,
    *,
    part_folder: Path | None = None,
    blocks: tuple[int, int] = (1, 1),
    precision: str = "float64",
) -> Operator:
    """Return the operator of a geometry.

    Args:
        variant: `polynomial`, `steps` or `dense`.
        geometry: the layer geometry.
        process: the part's process settings.
        tolerance: for `polynomial`; the other variants have one of their own.
        part_folder: for `dense`: the part whose block files are mapped; None computes the matrices in memory.
        blocks: for `dense`: (r, c).
        precision: for `dense` and `polynomial`: `float64` or `float32`.

    Raises:
        ConfigurationError: no such variant, tolerance, precision or cut.
        PartError: the block files are missing or do not belong to this part.
    """
    if variant == "polynomial":
        return Polynomial(geometry, process, tolerance, precision=precision)
    if variant == "steps":
        return Steps(geometry, process)
    if variant == "dense":
        if part_folder is None:
            return dense_in_memory(geometry, process, blocks, precision)
        return dense_from_files(part_folder, geometry, blocks, precision)
    raise ConfigurationError(
        f"there is no operator '{variant}'", where="operator", remedy=f"use one of: {', '.join(VARIANTS)}"
    )
