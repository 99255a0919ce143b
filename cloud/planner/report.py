"""A proposal as a JSON document and as words: the same figures for people and programs."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import msgspec

from cloud.planner.compare import STRATEGIES, Proposal, plan_of, ratio
from cloud.planner.model import ROUNDOFF
from cloud.planner.places import coordinator_usd, places_of, recommended
from cloud.planner.search import Found
from cloud.planner.shapes import ROWS_MAX
from cloud.planner.spaces import COLUMNS_MAX, FULL
from cloud.plans import MEMORY_SHARE_MAX, EngineName


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
        "nearest_miss": nearest_miss(proposal) or None,
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
    head = plan_entry(strategy, found)
    if point is None or estimate is None:
        return head
    return head | {
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


def plan_entry(strategy: str, found: Found) -> dict[str, Any]:
    """Return what every plan says of itself; without values where nothing fits into memory."""
    point, estimate = found.point, found.estimate
    head: dict[str, Any] = {"strategy": strategy, "feasible": found.feasible, "searched": found.searched}
    if point is None or estimate is None:
        return head | dict.fromkeys(PLAN_FIELDS)
    return head | {
        "groups": point.pattern.groups,
        "functions_per_group": point.functions,
        "blocks": [point.rows, point.columns],
        "mode": point.mode,
        "memory_mb": point.memory_mb,
        "precision": point.precision,
        "runtime_s": estimate.runtime_s,
        "cost_usd_per_layer": estimate.cost_usd,
    }


PLAN_FIELDS = ("groups", "functions_per_group", "blocks", "mode", "memory_mb", "precision", "runtime_s",
               "cost_usd_per_layer")  # fmt: skip
"""Of every plan, chosen or alternative."""


def remedies(proposal: Proposal) -> list[str]:
    """Return what would make a plan feasible, the strategy asked for being not."""
    found, limits, model = proposal.chosen, proposal.limits, proposal.model
    said = []
    estimate = found.estimate
    if estimate is None:
        said.append(_too_large(proposal))
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


def nearest_miss(proposal: Proposal) -> str:
    """Return the plan that comes nearest where none is feasible, and by how much it misses; empty for none."""
    found, limits = proposal.chosen, proposal.limits
    point, estimate = found.point, found.estimate
    if found.feasible or point is None or estimate is None:
        return ""
    misses = []
    if not on_time(proposal, found):
        misses.append(f"decisions {max(0.0, estimate.lateness_s) * 1e3:.0f} ms late")
    if limits.deadline_s is not None and estimate.runtime_p99_s > limits.deadline_s:
        misses.append(f"{estimate.runtime_p99_s * 1e3:.0f} ms where {limits.deadline_s * 1e3:.0f} ms are allowed")
    if limits.budget_usd is not None and estimate.cost_usd > limits.budget_usd:
        misses.append(f"{estimate.cost_usd:.6f} USD where {limits.budget_usd:.6f} USD are allowed")
    plan = f"{point.pattern.groups} x {point.rows}x{point.columns} {point.mode} {point.precision}"
    return f"nearest is {plan}: {', '.join(misses)}"


def _too_large(proposal: Proposal) -> str:
    """Return what would let functions hold the layer's operators, none of which fits into any."""
    job, platform = proposal.model.job, proposal.model.platform
    memory_mb = max(FULL.memories_mb)
    cut = min(ROWS_MAX * COLUMNS_MAX, platform.settings.concurrency_max)
    needed_mb = job.elements**2 * 4 / cut / 2**20
    held_mb = MEMORY_SHARE_MAX * memory_mb - platform.settings.runtime_mb
    side_mm = job.hatch_m * 1e3 * (needed_mb / held_mb) ** 0.25
    said = f"no function holds its share of one operator ({job.elements**2 * 8 / 1e9:,.0f} GB in float64)"
    if needed_mb > held_mb:
        said += (
            f": {needed_mb:,.0f} MB in float32 over {cut} functions, {held_mb:,.0f} are what {memory_mb:,} MB hold"
        )
        return f"{said}: use elements of at least {math.ceil(side_mm * 100) / 100:g} mm, or the polynomial operator"
    return f"{said}: use --space full (float32, blocks of columns), or the polynomial operator"


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
            rows.append((name, "-", "-", "-", "-", "-", "-", "-", "-", "fits no memory"))
            continue
        rows.append(
            (
                name,
                str(one["groups"]),
                f"{one['blocks'][0]}x{one['blocks'][1]}",
                one["dealing"],
                one["mode"],
                f"{one['memory_mb']:,}",
                one["precision"],
                f"{one['runtime_s']:.2f} s",
                f"{one['cost_usd_per_layer']:.5f}",
                ("" if one["cost_ratio"] is None else f"{one['cost_ratio']:.2f}x") if one["feasible"] else "late",
            )
        )
    return rows


COLUMNS = ("strategy", "groups", "blocks", "dealing", "mode", "MB", "values", "runtime", "USD a layer", "of cosmic")


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
    lines.append("where to compute (USD a layer with the coordinator's machine):")
    for place in places:
        mark = "->" if place is best else "  "
        if place.feasible and place.runtime_s is not None and place.total_usd is not None:
            figures = f"{place.total_usd:.5f} USD, {place.runtime_s:.2f} s"
        else:
            figures = "not feasible"
        lines.append(f"{mark} {place.where:<12} {place.engine or '-':<7} {figures:<22} {place.why}")
    return lines
