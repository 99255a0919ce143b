"""The evaluation's figures as numbers: deadlines, costs against each other, the planner against the simulation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import mean, median
from typing import Any

from cloud.evaluation.records import Record
from cloud.evaluation.systems import FIVE, SYSTEMS

PAPER_IN_TIME = {"cosmic": 30, "invoke-on-demand": 7, "all-persistent": 30, "all-active": 19, "vm": 30}
"""Jobs in time of thirty (papers/cosmic.txt, section 5.2)."""

PART_LAYERS = 200
"""Of a part 1 cm thick, 50 um a layer, for which the paper gives savings (section 5.3)."""


class Records:
    """Records by job and system."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.of: dict[str, dict[str, Record]] = {}
        for record in records:
            self.of.setdefault(record.job, {})[record.system] = record

    @property
    def all(self) -> list[Record]:
        """Every record, job by job."""
        return [record for systems in self.of.values() for record in systems.values()]

    def system(self, name: str) -> list[Record]:
        """Return the records of a system."""
        return [systems[name] for systems in self.of.values() if name in systems]

    def cost(self, job: str, system: str) -> float | None:
        """Return what a layer costs; None unless the system kept the layer's time."""
        record = self.of[job].get(system)
        return record.cost_usd if record is not None and record.in_time else None

    def ratio(self, job: str, system: str, over: str = "cosmic") -> float | None:
        """Return the cost of one system over that of another; None unless both kept the layer's time."""
        one, other = self.cost(job, system), self.cost(job, over)
        return None if one is None or other is None or other == 0 else one / other

    def ratios(self, system: str, over: str = "cosmic") -> list[float]:
        """Return the cost of one system over that of another, of every job where both kept the layer's time."""
        found = [self.ratio(job, system, over) for job in self.of]
        return [one for one in found if one is not None]


def summary(records: Records) -> dict[str, Any]:
    """Return every figure; shares and ratios without unit, times in s or ms, costs in USD."""
    present = [name for name in SYSTEMS if records.system(name)]
    return {
        "jobs": len(records.of),
        "in_time": {name: _in_time(records, name) for name in present},
        "cost_over_cosmic": {name: spread(records.ratios(name)) for name in present if name != "cosmic"},
        "cheapest": _cheapest(records),
        "prediction": prediction([r for r in records.all if r.system in FIVE]),
        "prediction_all": prediction(records.all),
        "savings_usd_per_cm": _savings(records),
        "chosen": _chosen(records),
        "speculation": _speculation(records),
        "inline": _inline(records),
        "cpu_s": round(sum(record.cpu_s for record in records.all), 1),
    }


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Return how many, the median and the ends."""
    if not values:
        return None
    return {"jobs": len(values), "median": median(values), "least": min(values), "most": max(values)}


def prediction(records: Iterable[Record]) -> dict[str, float]:
    """Return how far the planner's figures are from the simulated ones: shares of the simulated."""
    pairs = [(r, r.predicted) for r in records if r.predicted is not None and r.layers and r.system != "cold"]
    if not pairs:
        return {}
    runtime = [abs(p.runtime_s / r.runtime_s - 1) for r, p in pairs]
    cost = [abs(p.cost_usd / r.cost_usd - 1) for r, p in pairs if r.cost_usd]
    agreed = sum(p.feasible == r.in_time for r, p in pairs if SYSTEMS[r.system].criterion == "layer")
    return {
        "plans": len(pairs),
        "runtime_mean_error": mean(runtime),
        "runtime_worst_error": max(runtime),
        "cost_mean_error": mean(cost),
        "cost_worst_error": max(cost),
        "feasibility_agreed": agreed,
        "plans_by_the_layer": sum(SYSTEMS[r.system].criterion == "layer" for r, _ in pairs),
        "another_plan_tried": sum(r.tries > 1 for r, _ in pairs),
    }


def _in_time(records: Records, name: str) -> dict[str, Any]:
    found = records.system(name)
    areas = sorted({record.area_cm2 for record in found})
    return {
        "layer": sum(record.in_time for record in found),
        "every_window": sum(record.every_window for record in found),
        "predicted": sum(record.predicted is not None and record.predicted.feasible for record in found),
        "of": len(found),
        "by_area_cm2": {f"{area:g}": sum(r.in_time for r in found if r.area_cm2 == area) for area in areas},
        "paper": PAPER_IN_TIME.get(name),
    }


def _cheapest(records: Records) -> dict[str, Any]:
    """Return who is cheapest, whether the planner says so, and whether Cosmic undercuts the serverless systems."""
    by_system = dict.fromkeys(FIVE, 0)
    agreed = subsumes = compared = 0
    seconds, held = [], []
    for job, systems in records.of.items():
        if not all(name in systems for name in FIVE):
            continue
        compared += 1
        costs = {name: records.cost(job, name) for name in FIVE}
        simulated = {name: cost for name, cost in costs.items() if cost is not None}
        predicted = {name: p.cost_usd for name in FIVE if (p := systems[name].predicted) is not None and p.feasible}
        if simulated:
            best = min(simulated, key=lambda name: simulated[name])
            by_system[best] += 1
            agreed += bool(predicted) and min(predicted, key=lambda name: predicted[name]) == best
        others = [cost for name, cost in simulated.items() if name not in {"cosmic", "vm"}]
        own = simulated.get("cosmic")
        # Where both run the very same plan, times are drawn alike: no tolerance is needed.
        subsumes += own is not None and all(own <= other for other in others)
        if own is not None and others:
            seconds.append(min(others) / own)
        active = [cost for name, cost in simulated.items() if name in {"all-persistent", "all-active"}]
        if own is not None and active:
            held.append(min(active) / own)
    return {
        "jobs": compared,
        "by_system": by_system,
        "planner_agrees": agreed,
        "cosmic_at_most_as_dear_as_serverless": subsumes,
        "next_serverless_over_cosmic": spread(seconds),
        "next_but_on_demand_over_cosmic": spread(held),
    }


def _savings(records: Records) -> dict[str, dict[str, float | None]]:
    """Return the mean savings of a part 1 cm thick against machines and the next serverless system, by area."""
    found: dict[str, dict[str, float | None]] = {}
    for area in sorted({record.area_cm2 for record in records.all}):
        jobs = [job for job, systems in records.of.items() if next(iter(systems.values())).area_cm2 == area]
        machines, serverless = [], []
        for job in jobs:
            own, fleet = records.cost(job, "cosmic"), records.cost(job, "vm")
            if own is None:
                continue
            if fleet is not None:
                machines.append(PART_LAYERS * (fleet - own))
            costs = [records.cost(job, name) for name in FIVE if name not in {"cosmic", "vm"}]
            known = [cost for cost in costs if cost is not None]
            if known:
                serverless.append(PART_LAYERS * (min(known) - own))
        found[f"{area:g}"] = {
            "machines": mean(machines) if machines else None,
            "next_serverless": mean(serverless) if serverless else None,
        }
    return found


def _chosen(records: Records) -> dict[str, Any]:
    """Return the configurations that Cosmic runs in time: groups, functions a group, modes."""
    plans = [record.plan for record in records.system("cosmic") if record.plan is not None and record.in_time]
    if not plans:
        return {}
    modes = [plan.mode for plan in plans]
    return {
        "groups": [min(plan.groups for plan in plans), max(plan.groups for plan in plans)],
        "functions_per_group": [
            min(plan.functions_per_group for plan in plans),
            max(plan.functions_per_group for plan in plans),
        ],
        "modes": {mode: modes.count(mode) for mode in sorted(set(modes))},
    }


def _speculation(records: Records) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("cosmic", "guesses", "ours"):
        shares = [r.guesses_right / r.guesses for r in records.system(name) if r.guesses and r.leads_ms]
        if shares:
            found[name] = spread(shares)
    return found


def _inline(records: Records) -> dict[str, Any] | None:
    """Return what a processor of the coordinator costs over Cosmic: rented for the layer, and while it computes."""
    rented, used = [], []
    for job, systems in records.of.items():
        own, alone = records.cost(job, "cosmic"), systems.get("inline")
        if own is not None and alone is not None and alone.in_time:
            processor_usd = coordinator_processor_usd(alone)
            rented.append(processor_usd / own)
            used.append(processor_usd * alone.runtime_s / (alone.layer_s + alone.spreading_s) / own)
    if not rented:
        return None
    return {"rented_processor_over_cosmic": spread(rented), "processor_time_over_cosmic": spread(used)}


def coordinator_processor_usd(record: Record) -> float:
    """Return what one of the 32 processors of the coordinator costs for a layer and its spreading, USD."""
    from cloud.bills import price_of  # noqa: PLC0415  small, and only here
    from cloud.planner.platform import COORDINATOR  # noqa: PLC0415  likewise

    return price_of(COORDINATOR).machine_hour / 32 / 3600 * (record.layer_s + record.spreading_s)
