"""A proposal as a JSON document and as words: the same figures for people and programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec

from cloud.planner.compare import STRATEGIES, Proposal, plan_of, ratio
from cloud.planner.model import ROUNDOFF
from cloud.planner.places import coordinator_usd, places_of, recommended
from cloud.planner.search import Found
from cloud.plans import EngineName


def document(proposal: Proposal, engine: EngineName = "simulated") -> dict[str, Any]:
    """Return what `plan --json` prints."""
    model = proposal.model
    job, platform = model.job, model.platform
    places = places_of(proposal)
    best = recommended(places)
    return {
        "part": job.name,
        "digest": job.part,
        "elements": job.elements,
        "cells": job.cells,
        "layers": job.layers,
        "layer_s": round(job.layer_s, 6),
        "spreading_s": job.spreading_s,
        "dense_float64_bytes": job.dense_bytes,
        "order": "random" if job.guesses is None else "smartscan",
        "feasible": proposal.chosen.feasible,
        "chosen": entry(proposal, proposal.strategy, engine),
        "alternatives": {name: entry(proposal, name, engine) for name in STRATEGIES},
        "remedies": [] if proposal.chosen.feasible else remedies(proposal),
        "where": {
            "recommended": best.where if best else None,
            "cloud_needed": best is None or best.where in {"vm", "serverless"},
            "places": [asdict(place) for place in places],
        },
        "coordinator_usd_per_layer": coordinator_usd(model),
        "profile": platform.profile.name,
        "prices": [
            {"name": price.name, "dated": price.dated, "source": price.source}
            for price in (platform.function, platform.machine, platform.coordinator)
        ],
        "break_even_gb": round(platform.break_even_gb, 3),
    }


def entry(proposal: Proposal, strategy: str, engine: EngineName = "simulated") -> dict[str, Any]:
    """Return the figures of a strategy's best plan; of its nearest miss where `feasible` is False."""
    found = proposal.found[strategy]
    point, estimate = found.point, found.estimate
    names = ("groups", "functions_per_group", "blocks", "mode", "memory_mb", "precision", "runtime_s",
             "cost_usd_per_layer")  # fmt: skip
    head = {"strategy": strategy, "feasible": found.feasible, "searched": found.searched}
    if point is None or estimate is None:
        return head | dict.fromkeys(names)
    return head | {
        "groups": point.pattern.groups,
        "functions_per_group": point.functions,
        "blocks": [point.rows, point.columns],
        "mode": point.mode,
        "memory_mb": point.memory_mb,
        "precision": point.precision,
        "runtime_s": estimate.runtime_s,
        "cost_usd_per_layer": estimate.cost_usd,
        "cost_ratio": ratio(proposal, strategy),
        "dealing": point.pattern.dealing,
        "functions": point.pattern.groups * point.functions,
        "error": ROUNDOFF[point.precision],
        "reuse": point.pattern.reuse,
        "groups_guessed_right": point.pattern.guessed,
        "cost_usd_job": estimate.cost_usd * proposal.model.job.layers,
        "components": asdict(estimate),
        "plan": msgspec.to_builtins(plan_of(proposal.model.job, strategy, point, engine)),
    }


def remedies(proposal: Proposal) -> list[str]:
    """Return what would make a plan feasible, the strategy asked for being not."""
    found, limits, model = proposal.chosen, proposal.limits, proposal.model
    said = []
    estimate = found.estimate
    if estimate is None:
        said.append(
            f"no function holds its share of one operator ({model.job.elements**2 * 8 / 1e9:.0f} GB in float64): "
            "use larger elements, larger functions, or the polynomial operator"
        )
    elif on_time(proposal, found):
        if limits.budget_usd is not None and estimate.cost_usd > limits.budget_usd:
            said.append(f"allow {estimate.cost_usd:.6f} USD a layer")
        if limits.deadline_s is not None and estimate.runtime_p99_s > limits.deadline_s:
            said.append(f"allow a deadline of {estimate.runtime_p99_s * 1e3:.0f} ms")
    else:
        said.append(f"print at {model.job.speed_mm_s / estimate.slowdown:.0f} mm/s or slower")
        if limits.deadline_s is not None and estimate.runtime_p99_s > limits.deadline_s:
            said.append(f"allow a deadline of {estimate.runtime_p99_s * 1e3:.0f} ms")
    wider = proposal.wider
    if proposal.strategy == "cosmic" and wider is not None and wider.feasible and wider.point is not None:
        point = wider.point
        said.append(f"use --space full without --error-max: {point.precision}, {point.rows}x{point.columns} blocks")
    others = [name for name in STRATEGIES if name != proposal.strategy and proposal.found[name].feasible]
    said += [f"use --strategy {name}" for name in others]
    place = recommended([one for one in places_of(proposal) if one.where in {"printer", "coordinator"}])
    if place is not None:
        said.append(f"compute on the {place.where}")
    return said


def on_time(proposal: Proposal, found: Found) -> bool:
    """Return whether a plan holds the deadlines of windows, whatever the other limits say."""
    return found.estimate is not None and found.estimate.on_time >= proposal.model.platform.settings.confidence


def table_rows(proposal: Proposal) -> list[tuple[str, ...]]:
    """Return the table of strategies: the one asked for first."""
    names = [proposal.strategy, *(name for name in STRATEGIES if name != proposal.strategy)]
    rows: list[tuple[str, ...]] = []
    for name in names:
        one = entry(proposal, name)
        if one["groups"] is None:
            rows.append((name, "-", "-", "-", "-", "-", "-", "-", "fits no memory"))
            continue
        rows.append(
            (
                name,
                str(one["groups"]),
                f"{one['blocks'][0]}x{one['blocks'][1]}",
                one["mode"],
                f"{one['memory_mb']:,}",
                one["precision"],
                f"{one['runtime_s']:.2f} s",
                f"{one['cost_usd_per_layer']:.5f}",
                ("" if one["cost_ratio"] is None else f"{one['cost_ratio']:.2f}x") if one["feasible"] else "late",
            )
        )
    return rows


COLUMNS = ("strategy", "groups", "blocks", "mode", "MB", "values", "runtime", "USD a layer", "of cosmic")


def sentences(proposal: Proposal) -> list[str]:
    """Return what the table does not say: what the coordinator costs, and where to compute."""
    model = proposal.model
    places = places_of(proposal)
    best = recommended(places)
    job = model.job
    lines = [
        f"layer {job.layer_s:.2f} s + {job.spreading_s:g} s spreading, {job.cells} cells, {job.elements} elements",
        f"coordinator: {coordinator_usd(model):.5f} USD a layer beside every plan",
    ]
    if best is not None:
        lines.append(f"where to compute: {best.where} - {best.why}")
    return lines
