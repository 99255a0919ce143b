"""Where the operator may be computed, and whether a cloud is needed at all.

A polynomial operator has no matrix: one machine carries the map by itself in a few milliseconds. An opaque one, a
user's own matrices, has to be read whole in every window, and that is what functions and machines are for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud.planner.compare import Proposal
from cloud.planner.model import Model


@dataclass(frozen=True, slots=True)
class Place:
    """One place to compute.

    Attributes:
        where: `printer`, `coordinator`, `vm` or `serverless`.
        feasible: every decision is in time in 99 % of the draws.
        runtime_s: of a layer.
        cost_usd: of a layer, beside the coordinator's own machine.
        operator: how maps are carried there.
        why: in words.
    """

    where: str
    feasible: bool
    runtime_s: float | None
    cost_usd: float | None
    operator: str
    why: str


def places_of(proposal: Proposal) -> list[Place]:
    """Return the places to compute, the simplest first."""
    model = proposal.model
    found = [_printer(model), _coordinator(model)]
    for where, strategy in (("vm", "vm"), ("serverless", "cosmic")):
        answer = proposal.found[strategy]
        estimate = answer.estimate
        found.append(
            Place(
                where,
                answer.feasible,
                estimate.runtime_s if estimate else None,
                estimate.cost_usd if estimate else None,
                "dense",
                "holds every deadline" if answer.feasible else "no plan keeps every limit",
            )
        )
    return found


def recommended(places: list[Place]) -> Place | None:
    """Return the cheapest feasible place, the simplest of equals; None where none is feasible."""
    return min((place for place in places if place.feasible), key=lambda place: place.cost_usd or 0.0, default=None)


def coordinator_usd(model: Model) -> float:
    """Return what the coordinator's machine costs a layer and its spreading, whatever the plan, USD."""
    return model.platform.coordinator.machine_hour / 3600 * (model.job.layer_s + model.job.spreading_s)


def _printer(model: Model) -> Place:
    if model.job.variant != "opaque":
        return _alone(model, "printer", "no cloud is needed: the printer's own computer is fast enough")
    window_s = model.job.elements**2 * 8 / model.platform.settings.dense_bytes_s
    feasible = _in_time(model, window_s)
    why = "the printer's own computer is fast enough" if feasible else (
        f"a product takes {window_s * 1e3:.0f} ms there, longer than a window"
    )  # fmt: skip
    return Place("printer", feasible, window_s * model.job.cells, 0.0, "dense", why)


def _coordinator(model: Model) -> Place:
    if model.job.variant != "opaque":
        return _alone(model, "coordinator", "no workers are needed: the coordinator applies the operator itself")
    gigabytes = model.job.dense_bytes / 1e9
    held = model.platform.coordinator.machine_gb
    why = f"{gigabytes:.0f} GB of matrices, and its machine has {held:.0f} GB and one memory to read them"
    return Place("coordinator", False, None, 0.0, "dense", why)


def inline_s(model: Model) -> float:
    """Return the runtime of a layer whose polynomial operator one machine applies, s: mean over the orders.

    As measured by `cosmic-cloud profile`, or in proportion to the setting `polynomial_ms`.
    """
    return float(_windows_s(model).sum(axis=1).mean())


def _windows_s(model: Model) -> NDArray[np.float64]:
    """Return the time of every window on one machine, float64[S, cells], s."""
    job, platform = model.job, model.platform
    own_s = platform.control_s(job.elements)
    return platform.operator_s(job.elements, job.lengths[job.orders]) + own_s


def _alone(model: Model, where: str, why: str) -> Place:
    windows_s = _windows_s(model)
    feasible = _in_time(model, float(windows_s.mean()))
    if not feasible:
        why = f"an operator takes {windows_s.mean() * 1e3:.1f} ms, too long for the shortest windows"
    return Place(where, feasible, inline_s(model), 0.0, model.job.variant, why)


def _in_time(model: Model, window_s: float) -> bool:
    late = model.lateness_s(np.full(model.due_s.shape[0], window_s))
    return float(np.mean(late <= 0.0)) >= model.platform.settings.confidence
