"""Where the operator may be computed, and whether a cloud is needed at all.

A polynomial operator has no matrix: one machine carries the map by itself in a few milliseconds. An opaque one, a
user's own matrices, has to be read whole in every window, and that is what functions and machines are for - unless
one machine holds all of them and reads them fast enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud.planner.compare import Proposal
from cloud.planner.model import ROUNDOFF, VALUE_BYTES, Model
from cloud.planner.search import Limits
from cloud.plans import MEMORY_SHARE_MAX, EngineName


@dataclass(frozen=True, slots=True)
class Place:
    """One place to compute.

    Attributes:
        where: `printer`, `coordinator`, `vm` or `serverless`.
        engine: that computes there; None at the printer, which has no coordinator.
        feasible: every decision is in time in 99 % of the draws, and the limits are kept.
        runtime_s: of a layer.
        cost_usd: of a layer, beside the coordinator's own machine.
        total_usd: of a layer, with the coordinator's machine where there is one.
        operator: how maps are carried there.
        why: in words.
    """

    where: str
    engine: EngineName | None
    feasible: bool
    runtime_s: float | None
    cost_usd: float | None
    total_usd: float | None
    operator: str
    why: str


def places_of(proposal: Proposal) -> list[Place]:
    """Return the places to compute, the simplest first."""
    model, limits = proposal.model, proposal.limits
    found = [_printer(model, limits), _coordinator(model, limits)]
    beside_usd = coordinator_usd(model)
    names: tuple[tuple[str, str, EngineName], ...] = (("vm", "vm", "ray"), ("serverless", "cosmic", "lambda"))
    for where, strategy, engine in names:
        answer = proposal.found[strategy]
        estimate = answer.estimate
        found.append(
            Place(
                where,
                engine,
                answer.feasible,
                estimate.runtime_s if estimate else None,
                estimate.cost_usd if estimate else None,
                estimate.cost_usd + beside_usd if estimate else None,
                "dense",
                "holds every deadline" if answer.feasible else "no plan keeps every limit",
            )
        )
    return found


def recommended(places: list[Place]) -> Place | None:
    """Return the feasible place of the lowest total, the simplest of equals; None where none is feasible."""
    return min(
        (place for place in places if place.feasible), key=lambda place: place.total_usd or 0.0, default=None
    )


def coordinator_usd(model: Model) -> float:
    """Return what the coordinator's machine costs a layer and its spreading, whatever the plan, USD."""
    return model.platform.coordinator.machine_hour / 3600 * (model.job.layer_s + model.job.spreading_s)


def inline_s(model: Model) -> float:
    """Return the runtime of a layer whose polynomial operator one machine applies, s: mean over the orders.

    As measured by `cosmic-cloud profile`, or in proportion to the setting `polynomial_ms`.
    """
    return float(_windows_s(model).sum(axis=1).mean())


def _printer(model: Model, limits: Limits) -> Place:
    why = "no cloud is needed: the printer's own computer is fast enough"
    if model.job.variant != "opaque":
        return _inline(model, limits, "printer", None, why)
    settings = model.platform.settings
    return _dense(model, limits, "printer", None, settings.printer_gb, settings.dense_bytes_s, why)


def _coordinator(model: Model, limits: Limits) -> Place:
    platform = model.platform
    if model.job.variant != "opaque":
        why = "no workers are needed: the coordinator applies the operator itself"
        return _inline(model, limits, "coordinator", "inline", why)
    held_gb, rate = platform.coordinator.machine_gb, platform.dense_bytes_s
    why = "no functions are needed: the coordinator's machine holds the matrices and reads them fast enough"
    return _dense(model, limits, "coordinator", "local", held_gb, rate, why)


def _inline(model: Model, limits: Limits, where: str, engine: EngineName | None, why: str) -> Place:
    """Return a place that applies the polynomial operator."""
    windows_s = _windows_s(model)
    job = model.job
    runtime_s = inline_s(model)
    against = _against(model, limits, float(windows_s.mean()), runtime_s)
    if limits.error_max is not None and job.tolerance > limits.error_max:
        against = f"its tolerance is {job.tolerance:g}; build the part with a smaller one"
    elif against:
        against = f"an operator takes {windows_s.mean() * 1e3:.1f} ms: {against}"
    return _place(model, where, engine, runtime_s, job.variant, against, why)


def _dense(
    model: Model, limits: Limits, where: str, engine: EngineName | None, held_gb: float, rate: float, why: str
) -> Place:
    """Return a place that holds all matrices in its memory, in the finest precision that is fast enough."""
    against: list[str] = []
    runtime_s = 0.0
    for precision in ("float64", "float32"):
        if limits.error_max is not None and ROUNDOFF[precision] > limits.error_max:
            continue
        share = VALUE_BYTES[precision] / 8
        gigabytes = model.job.dense_bytes * share / 1e9
        window_s = model.job.elements**2 * 8 * share / rate
        runtime_s = window_s * model.job.cells
        late = _against(model, limits, window_s, runtime_s)
        if gigabytes > MEMORY_SHARE_MAX * held_gb:
            against.append(f"{precision}: {gigabytes:,.0f} GB of matrices, and it has {held_gb:.0f} GB")
        elif late:
            against.append(f"{precision}: a product takes {window_s * 1e3:.0f} ms there, {late}")
        else:
            against = []
            break
    return _place(model, where, engine, runtime_s, "dense", "; ".join(against), why)


def _place(
    model: Model, where: str, engine: EngineName | None, runtime_s: float, operator: str, against: str, why: str
) -> Place:
    total_usd = 0.0 if engine is None else coordinator_usd(model)
    return Place(where, engine, not against, runtime_s, 0.0, total_usd, operator, against or why)


def _against(model: Model, limits: Limits, window_s: float, runtime_s: float) -> str:
    """Return what speaks against windows of such a length, empty for nothing."""
    late = model.lateness_s(np.full(model.draws.count, window_s))
    if float(np.mean(late <= 0.0)) < model.platform.settings.confidence:
        return "too long for the shortest windows"
    if limits.deadline_s is not None and runtime_s > limits.deadline_s:
        return f"the layer's order takes {runtime_s:.2f} s"
    return ""


def _windows_s(model: Model) -> NDArray[np.float64]:
    """Return the time of every window on one machine, float64[S, cells], s."""
    job, platform = model.job, model.platform
    own_s = platform.control_s(job.elements)
    return np.asarray(platform.operator_s(job.elements, job.lengths[job.orders]) + own_s)
