"""The plans of a space that memory allows, with lower bounds of what each costs and takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud.planner.bounds import Bounds
from cloud.planner.model import Model, Point
from cloud.planner.pattern import Pattern, group_counts, pattern_of
from cloud.planner.shapes import Shapes, shapes_of
from cloud.planner.spaces import Space


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The plans of a space that memory allows.

    Attributes:
        pattern: int64[k], number of the pattern in `patterns`.
        shape: int64[k], number of the cut in `shapes`.
        mode: int64[k], number of the mode in the space.
        cost_usd: float64[k], a lower bound of the cost of a layer.
        runtime_s: float64[k], a lower bound of its mean runtime.
    """

    space: Space
    patterns: Sequence[Pattern]
    shapes: Shapes
    pattern: NDArray[np.int64]
    shape: NDArray[np.int64]
    mode: NDArray[np.int64]
    cost_usd: NDArray[np.float64]
    runtime_s: NDArray[np.float64]

    def point(self, number: int) -> Point:
        """Return a plan."""
        k = self.shape[number]
        return Point(
            self.patterns[self.pattern[number]],
            int(self.shapes.rows[k]),
            int(self.shapes.columns[k]),
            self.space.modes[self.mode[number]],
            self.space.precisions[self.shapes.precision[k]],
            int(self.shapes.memory_mb[k]),
            self.space.machines,
        )


def candidates_of(model: Model, space: Space, window_s_max: float = np.inf) -> Candidates:
    """Return every plan of a space that fits into memory and the platform's concurrency, with bounds.

    window_s_max: plans are left out whose windows take longer than this in every draw.
    """
    job, shapes = model.job, shapes_of(model, space)
    shapes = shapes.where(shapes.least_s <= window_s_max)
    counts = group_counts(job.cells) if space.groups is None else list(space.groups)
    patterns = [pattern_of(job, groups, dealing) for dealing in space.dealings for groups in counts]
    groups = np.array([one.groups for one in patterns])
    held = np.array([one.operators for one in patterns])
    functions = shapes.rows * shapes.columns
    concurrency = model.platform.settings.concurrency_max
    fits = held[:, None] <= shapes.held[None, :]
    bounds = Bounds(model, space, patterns, shapes)
    found = []
    for number, mode in enumerate(space.modes):
        allowed = fits
        if mode == "persistent" and not space.machines:
            allowed = fits & (groups[:, None] * functions[None, :] <= concurrency)
        if np.isfinite(window_s_max):
            allowed = allowed & (shapes.least_s[None, :] <= bounds.rooms_s(mode)[:, None])
        pattern, shape = np.nonzero(allowed)
        found.append((pattern, shape, np.full(pattern.size, number), *bounds.of(mode, pattern, shape)))
    pattern, shape, modes, cost_usd, runtime_s = (np.concatenate(column) for column in zip(*found, strict=True))
    return Candidates(space, patterns, shapes, pattern, shape, modes, cost_usd, runtime_s)
