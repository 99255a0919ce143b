"""The best plan of a space: candidates in the order of a lower bound, each estimated, until no bound can win.

The result is that of estimating every plan: a candidate is left out only where its bound proves that it is late,
too dear, or worse than the best one found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from cloud.planner.candidates import Candidates, candidates_of
from cloud.planner.model import Estimate, Model, Point
from cloud.planner.platform import LARGER
from cloud.planner.spaces import Space
from cloud.plans import Precision
from cosmic.errors import ConfigurationError

Objective = Literal["cost", "runtime", "accuracy"]
PROBED = 20
"""Draws looked at first: with too many late ones among them a plan is out, whatever the others say."""
NEAREST = 60
"""Plans estimated to find the nearest miss, the fastest by their bounds."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plan has to keep, beside every decision being in time.

    Attributes:
        deadline_s: the layer's order takes no longer in 99 % of the draws; None: no such limit.
        budget_usd: a layer costs no more; None: no limit.
        error_max: relative rounding of blocks and vectors, 2^-53 for float64 and 2^-24 for float32; None: any.
    """

    deadline_s: float | None = None
    budget_usd: float | None = None
    error_max: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The answer of a search.

    Attributes:
        point: the best plan; where nothing is feasible the nearest miss; None where nothing fits into memory.
        estimate: of `point`.
        feasible: the plan keeps every limit.
        searched: plans in the space that memory allows.
        estimated: of these, plans that had to be estimated in full.
    """

    point: Point | None
    estimate: Estimate | None
    feasible: bool
    searched: int
    estimated: int


def search(
    model: Model, space: Space, objective: Objective = "cost", limits: Limits | None = None, *, prune: bool = True
) -> Found:
    """Return the best plan of a space: the cheapest feasible, ties to the lower runtime.

    Args:
        model: of the job.
        space: what is searched.
        objective: `cost`; `runtime`, ties to the lower cost; `accuracy`: the finest precision that has a
            feasible plan, and of that the cheapest.
        limits: beside the deadlines of windows.
        prune: False estimates every plan, for tests.

    Raises:
        ConfigurationError: the profile has no product times for any shape that the job needs.
    """
    limits = limits or Limits()
    if objective == "accuracy":
        return _finest(model, space, limits, prune=prune)
    allowed = tuple(p for p in space.precisions if _error(p) <= (limits.error_max or np.inf))
    if not allowed:
        finest = min(_error(p) for p in space.precisions)
        raise ConfigurationError(
            f"no precision rounds to {limits.error_max:g}",
            where="accuracy",
            why=f"the finest here rounds to {finest:.1e}",
            remedy="allow more, or use --space full",
        )
    space = _with_precisions(space, allowed)
    window_s_max = min(model.window_s_max(), (limits.deadline_s or np.inf) / model.job.cells)
    candidates = candidates_of(model, space, window_s_max if prune else np.inf)
    found = _best(model, candidates, objective, limits, prune=prune)
    if found.feasible:
        return found
    if limits.budget_usd is not None:
        within = search(model, space, "cost", replace(limits, budget_usd=None), prune=prune)
        if within.feasible:
            return replace(within, feasible=False)
    return _nearest(model, space, limits, found.estimated)


def _best(model: Model, candidates: Candidates, objective: Objective, limits: Limits, *, prune: bool) -> Found:
    bound = candidates.cost_usd if objective == "cost" else candidates.runtime_s
    numbers = np.arange(bound.size)
    if prune:
        possible = candidates.cost_usd <= (np.inf if limits.budget_usd is None else limits.budget_usd)
        numbers = numbers[possible]
    draws = model.draws.count
    late_max = int(np.floor((1.0 - model.platform.settings.confidence) * draws + 1e-9))
    probed = min(PROBED, draws)
    best: tuple[float, float] | None = None
    chosen: tuple[Point, Estimate] | None = None
    estimated = 0
    hopeless: dict[int, bool] = {}
    for number in numbers[np.argsort(bound[numbers], kind="stable")].tolist():
        if prune and best is not None and bound[number] > best[0]:
            break
        point = candidates.point(number)
        if prune:
            # A cut that is late where nobody waits for functions is late in every mode and with every dealing.
            cut = int(candidates.shape[number])
            if cut not in hopeless:
                nobody_waits = replace(point, mode="persistent")
                hopeless[cut] = model.hopeless(nobody_waits, probed, late_max, limits.deadline_s)
            if hopeless[cut] or (
                point.mode != "persistent" and model.hopeless(point, probed, late_max, limits.deadline_s)
            ):
                continue
        estimate = model.estimate(point)
        estimated += 1
        key = (estimate.cost_usd, estimate.runtime_s) if objective == "cost" else (
            estimate.runtime_s, estimate.cost_usd
        )  # fmt: skip
        if keeps(model, estimate, limits) and (best is None or key < best):
            best, chosen = key, (point, estimate)
    if chosen is not None:
        return Found(*chosen, True, bound.size, estimated)
    return Found(None, None, False, bound.size, estimated)


def keeps(model: Model, estimate: Estimate, limits: Limits) -> bool:
    """Return whether an estimate keeps the deadlines of windows and the limits."""
    return (
        estimate.on_time >= model.platform.settings.confidence - 1e-12
        and (limits.deadline_s is None or estimate.runtime_p99_s <= limits.deadline_s)
        and (limits.budget_usd is None or estimate.cost_usd <= limits.budget_usd)
    )


def _nearest(model: Model, space: Space, limits: Limits, estimated: int) -> Found:
    """Return the plan for which printing would have to slow down least."""
    candidates = candidates_of(model, space)
    if candidates.shape.size == 0:
        _check_shapes(model, space)
        return Found(None, None, False, 0, 0)
    fastest = np.argsort(candidates.runtime_s, kind="stable")[:NEAREST]
    tried = [(point, model.estimate(point)) for point in map(candidates.point, fastest.tolist())]

    def distance(one: tuple[Point, Estimate]) -> tuple[float, float]:
        over = 0.0 if limits.deadline_s is None else one[1].runtime_p99_s / limits.deadline_s
        return max(one[1].slowdown, over), one[1].cost_usd

    point, estimate = min(tried, key=distance)
    return Found(point, estimate, False, candidates.shape.size, estimated + len(tried))


def _finest(model: Model, space: Space, limits: Limits, *, prune: bool) -> Found:
    nearest: Found | None = None
    for precision in sorted(space.precisions, key=_error):
        found = search(model, _with_precisions(space, (precision,)), "cost", limits, prune=prune)
        if found.feasible:
            return found
        nearest = nearest or found
    assert nearest is not None
    return nearest


def _error(precision: str) -> float:
    return 2.0**-53 if precision == "float64" else 2.0**-24


def _with_precisions(space: Space, precisions: tuple[Precision, ...]) -> Space:
    return replace(space, precisions=precisions)


def _check_shapes(model: Model, space: Space) -> None:
    """Refuse a profile that measured no shape near the job's; say nothing where it is the memory that fails."""
    platform, n = model.platform, model.job.elements
    rows = np.arange(1, min(n, 256) + 1)
    blocks, columns = -(-n // rows), np.full(rows.size, n)
    if any(np.isfinite(platform.product_s(blocks, columns, p, 10_240)).any() for p in space.precisions):
        return
    needed = n * -(-n // 256)
    shapes = [row.rows * row.columns for row in platform.extra.product if row.precision in space.precisions]
    has = f"the largest has {max(shapes):,} values" if shapes else "it has none in this precision"
    # A profile's layer of so many elements, cut over 4 workers, gives blocks large enough to be trusted here.
    elements = math.sqrt(4 * needed / LARGER)
    area_cm2 = max(0.5, elements * (model.job.hatch_m * 100) ** 2)
    raise ConfigurationError(
        f"the profile has no product times for {' or '.join(space.precisions)} blocks of {n} columns",
        where=f"profile {platform.profile.name}",
        why=f"blocks have {needed:,} values or more, and {has}; up to {LARGER:.0f} times as many are trusted",
        remedy=f"measure them: cosmic-cloud profile --area {math.ceil(area_cm2 * 10) / 10:g},"
        " or leave [[product]] away and give product_bytes_s",
    )
