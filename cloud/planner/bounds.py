"""Lower bounds of cost and runtime, cheap enough for a million plans.

A bound has the mean of what is certain (products, network, waits, requests, wrong guesses) and leaves out what
only adds: rounding up, and how much slower the slowest of F functions is than that of fewer.
docs/explanation/planner.md proves it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cloud.planner.grid import GRID, grid_place
from cloud.planner.model import Model
from cloud.planner.pattern import Pattern
from cloud.planner.shapes import Shapes
from cloud.planner.spaces import Space
from cloud.plans import Mode

Floats = NDArray[np.float64]


class Bounds:
    """Bounds for the plans of a space.

    model: of the job. space: what is searched. patterns, shapes: of the space.
    """

    def __init__(self, model: Model, space: Space, patterns: Sequence[Pattern], shapes: Shapes) -> None:
        self._model = model
        self._space = space
        self._patterns = patterns
        self._shapes = shapes
        self._functions = shapes.rows * shapes.columns
        self._place = grid_place(self._functions)
        orders = model.job.orders.shape[0]
        used = [model.draws.means(int(functions), orders) for functions in GRID]
        self._delay_s = np.stack([delay for delay, _ in used])
        self._excess_s = np.stack([excess for _, excess in used])
        kinds, self._kind = np.unique(self._functions, return_inverse=True)
        ahead_s = np.array([model.draws.delay_median_s(int(functions)) for functions in kinds])
        # Delays of fewer functions, and invoked no later: late by no more in any draw.
        self._late_s = np.stack([
            model.draws.late_means(int(GRID[place]), float(ahead), orders)
            for place, ahead in zip(grid_place(kinds), ahead_s, strict=True)
        ]) if kinds.size else np.zeros((0, orders, model.job.cells))  # fmt: skip
        self._early_s = model.draws.early_s(np.minimum(ahead_s[self._kind], shapes.window_s))
        # Draw d follows order d % S: the first orders may have one draw more than the others.
        self._weight = np.bincount(np.arange(model.draws.count) % orders, minlength=orders) / model.draws.count

    def of(self, mode: Mode, pattern: NDArray[np.int64], shape: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return lower bounds of cost, USD, and mean runtime, s, of a layer: float64[k] each.

        pattern, shape: int64[k], numbers of the patterns and cuts of the plans.
        """
        model, shapes = self._model, self._shapes
        job, platform = model.job, model.platform
        serve_s = (job.cells * shapes.window_s)[shape]
        masks = [self._masks(one, mode) for one in self._patterns]
        waits = np.stack([wait for wait, _, _ in masks]).astype(np.float64)
        wait_s = np.einsum("psw,fsw->pf", waits, self._delay_s)[pattern, self._place[shape]]
        excess_s = np.einsum("psw,fsw->pf", waits, self._excess_s)[pattern, self._place[shape]]
        runtime_s = serve_s + wait_s
        if mode == "speculative":
            guessed = np.stack([right for _, right, _ in masks]).astype(np.float64)
            runtime_s += np.einsum("psw,fsw->pf", guessed, self._late_s)[pattern, self._kind[shape]]
        functions = self._functions[shape]
        memory_gb = shapes.memory_mb[shape] / 1024
        if self._space.machines:
            usd = platform.machine.machine_hour / 3600 * (job.layer_s + job.spreading_s)
            return functions * memory_gb / platform.machine.machine_gb * usd, runtime_s
        profile, request_usd = platform.profile, platform.function.request
        groups = np.array([one.groups for one in self._patterns])[pattern]
        second_usd = memory_gb * platform.function.gb_second
        step_s = profile.billing_step_ms / 1e3
        warm = int(job.spreading_s / platform.settings.warm_interval_s) * groups * functions
        cost_usd = warm * (step_s * second_usd + request_usd)
        if mode == "persistent":
            return cost_usd + groups * functions * (runtime_s * second_usd + request_usd), runtime_s
        right = np.array([float(self._weight @ one.sum(axis=1)) for _, one, _ in masks])[pattern]
        wasted = np.array([float(self._weight @ one.sum(axis=1)) for _, _, one in masks])[pattern]
        waited = np.array([float(self._weight @ one.sum(axis=1)) for one, _, _ in masks])[pattern]
        early_s = self._early_s[shape]
        billed_s = serve_s + excess_s + (right + wasted) * early_s
        cost_usd += functions * (billed_s * second_usd + (waited + right + wasted) * request_usd)
        return cost_usd, runtime_s

    def rooms_s(self, mode: Mode) -> Floats:
        """Return the longest mean window with which a plan of each pattern can be in time in any draw, s.

        float64[P]: as `Model.window_s_max`, less the waits that are certain, each as long as the shortest delay.
        """
        model = self._model
        job = model.job
        if job.cells == 1:
            return np.full(len(self._patterns), np.inf)
        least_s = model.platform.profile.invocation_least_ms / 1e3
        orders = min(job.orders.shape[0], model.draws.count)
        allowed_s = model.due_s[:orders] + model.platform.settings.start_wait_ms / 1e3
        if model.criterion == "layer":
            allowed_s = np.full((orders, 1), model.job.layer_s)
        rooms = []
        for pattern in self._patterns:
            waits = np.cumsum(self._masks(pattern, mode)[0][:orders], axis=1)
            if model.criterion == "layer":
                rooms.append(float(((allowed_s[:, 0] - least_s * waits[:, -1]) / job.cells).max()))
                continue
            room_s = (allowed_s - least_s * waits[:, :-1]) / np.arange(1, job.cells)
            rooms.append(float(room_s.min(axis=1).max()))
        return np.array(rooms)

    def _masks(
        self, pattern: Pattern, mode: Mode
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Return, bool[S, cells]: windows that wait in any case, that were guessed, that wasted a guess."""
        none = np.zeros_like(pattern.switches)
        if mode == "persistent":
            return none, none, none
        if mode == "on_demand":
            return ~none, none, none
        if mode == "reuse" or pattern.groups == 1:
            return pattern.switches, none, none
        if pattern.right is None or pattern.wasted is None:
            first = none.copy()
            first[:, 0] = True
            return first, none, none
        return pattern.switches & ~pattern.right, pattern.right, pattern.wasted
