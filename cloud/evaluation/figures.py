"""The paper's figures 14 to 18, and ours, as tables: for the terminal, CSV and pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cloud.evaluation.records import Record
from cloud.evaluation.summary import PAPER_IN_TIME, Records
from cloud.evaluation.systems import ABLATION, BEYOND, FIVE, SYSTEMS

Cell = str | int | float | bool | None

SHOWN_CM2 = 16.0
"""Area of the jobs in the paper's figures 14, 17 and 18; all areas where none of these was run."""

GEAR = "segmented-gear"
"""Shape of the paper's figure 18."""

QUANTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True, slots=True)
class Figure:
    """A table.

    Attributes:
        name: of its files.
        title: what it shows.
        columns, rows: None is for what does not exist: a system that was late, or did not run.
        missing: what stands for None in the terminal.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    missing: str = "X"


def figures(records: Records) -> list[Figure]:
    """Return all figures that the records allow."""
    made = [
        _deadlines(records), _costs(records), _operators(records), _ablation(records), _ablation_costs(records),
        _timing(records), _beyond(records), _predicted(records),
    ]  # fmt: skip
    return [figure for figure in made if figure.rows]


def _deadlines(records: Records) -> Figure:
    rows: list[tuple[Cell, ...]] = []
    for name in SYSTEMS:
        found = records.system(name)
        if not found:
            continue
        by_area = [sum(r.in_time for r in found if r.area_cm2 == area) for area in (9.0, 16.0, 25.0)]
        kept, strict = sum(r.in_time for r in found), sum(r.every_window for r in found)
        rows.append((name, kept, *by_area, strict, len(found), PAPER_IN_TIME.get(name)))
    return Figure(
        "deadlines",
        "jobs in time: the order takes no longer than the layer (the paper's rule); strictly: before every window",
        ("system", "in time", "9 cm2", "16 cm2", "25 cm2", "strictly", "of", "paper"),
        tuple(rows),
        "-",
    )


def _costs(records: Records) -> Figure:
    rows: list[tuple[Cell, ...]] = []
    for job in _shown(records):
        ratios = [records.ratio(job, name) for name in FIVE]
        known = {name: ratio for name, ratio in zip(FIVE, ratios, strict=True) if ratio is not None}
        rows.append((job, *ratios, min(known, key=lambda name: known[name]) if known else None))
    return Figure(
        "figure-14",
        "cost of a layer, normalised to cosmic's; nothing where a system was late (the paper's figure 14)",
        ("job", *FIVE, "cheapest"),
        tuple(rows),
    )


def _operators(records: Records) -> Figure:
    rows: list[tuple[Cell, ...]] = []
    for record in sorted(records.system("cosmic"), key=lambda r: (r.dense_gb, r.job)):
        ratio = records.ratio(record.job, "vm")
        rows.append((record.job, record.area_cm2, record.operators, round(record.dense_gb, 1), ratio))
    return Figure(
        "figure-15",
        "cost of machines over cosmic's against distinct operators (the paper's figure 15)",
        ("job", "cm2", "operators", "GiB", "vm / cosmic"),
        tuple(rows),
    )


def _ablation(records: Records) -> Figure:
    rows: list[tuple[Cell, ...]] = []
    for name, label in zip(ABLATION, ("on demand", "+ grouping", "+ speculation", "+ kept alive"), strict=True):
        found = records.system(name)
        if found:
            by_area = [sum(r.in_time for r in found if r.area_cm2 == area) for area in (9.0, 16.0, 25.0)]
            rows.append((label, *by_area, sum(r.in_time for r in found)))
    return Figure(
        "figure-16",
        "jobs in time as techniques are added (the paper's figure 16)",
        ("technique", "9 cm2", "16 cm2", "25 cm2", "all"),
        tuple(rows),
    )


def _ablation_costs(records: Records) -> Figure:
    names = ABLATION[:3]
    rows = [
        (job, *(records.ratio(job, name, over="speculation") for name in names))
        for job in _shown(records)
        if "speculation" in records.of[job]
    ]
    return Figure(
        "figure-17",
        "cost as techniques are added, normalised to on demand + grouping + speculation (the paper's figure 17)",
        ("job", "on demand", "+ grouping", "+ speculation"),
        tuple(rows),
    )


def _timing(records: Records) -> Figure:
    rows: list[tuple[Cell, ...]] = []
    for name in ("cosmic", "guesses"):
        found = [r for r in records.system(name) if r.leads_ms]
        gear = [r for r in found if r.shape == GEAR and r.area_cm2 == SHOWN_CM2]
        for label, some in ((f"{GEAR} {SHOWN_CM2:g} cm2", gear), ("all jobs", found)):
            leads = [lead for record in some for lead in record.leads_ms]
            if leads:
                right = sum(r.guesses_right for r in some) / sum(r.guesses for r in some)
                rows.append((name, label, len(leads), *np.percentile(leads, QUANTILES).tolist(), right))
    return Figure(
        "figure-18",
        "when groups invoked ahead were ready, less when they were needed, ms (the paper's figure 18)",
        ("system", "jobs", "groups", *(f"p{share}" for share in QUANTILES), "guessed right"),
        tuple(rows),
    )


def _beyond(records: Records) -> Figure:
    rows = [
        (
            job,
            *(records.ratio(job, name) for name in BEYOND),
            *(_alike(systems.get(n)) for n in ("float32", "ours")),
        )
        for job, systems in records.of.items()
        if any(name in systems for name in BEYOND)
    ]
    return Figure(
        "beyond",
        "cost over cosmic's in the paper's dimensions, and the share of cells that float32 decides alike",
        ("job", *BEYOND, "float32 alike", "ours alike"),
        tuple(rows),
    )


def _alike(record: Record | None) -> float | None:
    if record is None or not record.layers:
        return None
    return min(run.equal_share for run in record.layers)


def _predicted(records: Records) -> Figure:
    rows: list[tuple[Cell, ...]] = []
    for record in records.all:
        predicted, plan = record.predicted, record.plan
        if predicted is None or plan is None or not record.layers:
            continue
        rows.append((
            record.job, record.system, plan.groups, f"{plan.rows}x{plan.columns}", plan.mode, plan.precision,
            plan.memory_mb, predicted.runtime_s, record.runtime_s, predicted.cost_usd, record.cost_usd,
            predicted.feasible, record.in_time, record.every_window,
        ))  # fmt: skip
    return Figure(
        "predicted",
        "what the planner predicts of every plan, and what the simulation finds",
        ("job", "system", "groups", "blocks", "mode", "values", "MB", "predicted s", "simulated s",
         "predicted USD", "simulated USD", "predicted feasible", "in time", "strictly"),
        tuple(rows),
    )  # fmt: skip


def _shown(records: Records) -> list[str]:
    shown = [job for job, systems in records.of.items() if next(iter(systems.values())).area_cm2 == SHOWN_CM2]
    return shown or list(records.of)
