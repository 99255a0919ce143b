"""Pictures: cost against runtime of plans, and what a varied figure does to both. Need the `plot` extra."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cloud.planner.candidates import candidates_of
from cloud.planner.compare import STRATEGIES, Proposal
from cloud.planner.spaces import Space
from cloud.planner.tradeoff import Range, Tried
from cosmic.errors import InputError, UsageError

SHOWN_MAX = 5_000
"""Plans of the space that are drawn, taken at random with a fixed seed."""

SPREAD = 6.0
"""Costs that are so many times others are drawn on a logarithmic scale."""

COLORS = {
    "cosmic": "#1f77b4", "invoke-on-demand": "#ff7f0e", "all-persistent": "#2ca02c", "all-active": "#d62728",
    "vm": "#9467bd",
}  # fmt: skip


def check_picture(path: Path) -> None:
    """Refuse a picture that cannot be drawn, before the long work begins. Raises UsageError."""
    _figure_class()
    if path.suffix not in {".png", ".svg", ".pdf"}:
        raise UsageError(f"'{path.suffix}' is no kind of picture", where="--plot", remedy="use .png, .svg or .pdf")


def draw_proposal(proposal: Proposal, space: Space, path: Path) -> None:
    """Draw the plans of Cosmic's space by their lower bounds, and the best plan of every strategy.

    Raises:
        UsageError: matplotlib is not installed, or the file is of no known kind.
        InputError: the file cannot be written.
    """
    check_picture(path)
    figure = _figure_class()(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    candidates = candidates_of(proposal.model, space)
    count = candidates.cost_usd.size
    if count:
        shown = np.random.default_rng(0).choice(count, min(count, SHOWN_MAX), replace=False)
        label = f"{count:,} plans of the space (lower bounds)"
        axes.scatter(candidates.runtime_s[shown], candidates.cost_usd[shown], s=2, color="0.75", label=label)
    drawn = False
    for name in STRATEGIES:
        found = proposal.found[name]
        if found.estimate is not None:
            drawn = True
            label = name if found.feasible else f"{name} (late: nearest miss)"
            at = (found.estimate.runtime_s, found.estimate.cost_usd)
            axes.scatter(*at, marker="o" if found.feasible else "x", color=COLORS[name], label=label, zorder=3)
    job = proposal.model.job
    layer_s = job.layer_s
    axes.axvline(layer_s, color="k", linewidth=0.8, linestyle="--", label=f"layer scanned in {layer_s:.2f} s")
    axes.set(xscale="log", yscale="log", xlabel="runtime of a layer's order, s", ylabel="cost of a layer, USD")
    if not (count or drawn):
        axes.text(0.5, 0.5, "no plan fits into memory", transform=axes.transAxes, ha="center")
    axes.set_title(f"{job.name}: {job.cells} cells, {job.elements:,} elements, {job.speed_mm_s:.0f} mm/s")
    axes.legend(fontsize="small")
    axes.grid(visible=True, which="both", linewidth=0.3, alpha=0.5)
    _save(figure, path)


def draw_tradeoff(name: str, over: Range, tried: Sequence[Tried], path: Path) -> None:
    """Draw cost and runtime over a varied figure; values without a feasible plan are shaded.

    name: of the part. Raises as `draw_proposal` does.
    """
    check_picture(path)
    figure = _figure_class()(figsize=(8, 7), layout="constrained")
    cost, runtime = figure.subplots(2, 1, sharex=True)
    words = any(isinstance(one.value, str) for one in tried)
    at = list(range(len(tried))) if words else [float(one.value) for one in tried]
    for strategy in ("cosmic", "vm"):
        answers = [one.found[strategy] for one in tried]
        for axes, values in (
            (cost, [f.estimate.cost_usd if f.estimate and f.feasible else np.nan for f in answers]),
            (runtime, [f.estimate.runtime_s if f.estimate and f.feasible else np.nan for f in answers]),
        ):
            line = "none" if words else "-"
            axes.plot(at, values, marker="o", linestyle=line, color=COLORS[strategy], label=strategy)
        late = [(x, f.estimate) for x, f in zip(at, answers, strict=True) if f.estimate and not f.feasible]
        if late:
            label = f"{strategy}: late, nearest miss"
            xs = [x for x, _ in late]
            cost.scatter(xs, [e.cost_usd for _, e in late], marker="x", color=COLORS[strategy], label=label)
            runtime.scatter(xs, [e.runtime_s for _, e in late], marker="x", color=COLORS[strategy], label=label)
    runtime.plot(at, [one.layer_s for one in tried], "k--", linewidth=0.8, label="layer scanned in")
    _annotate(cost, at, tried)
    _scale(cost, tried)
    for axes in (cost, runtime):
        axes.margins(x=0.12)
    runtime.set(ylabel="runtime of a layer's order, s", xlabel=over.label, ylim=(0, None))
    if words:
        runtime.set_xticks(at, [str(one.value) for one in tried])
    if not any(found.estimate for one in tried for found in one.found.values()):
        cost.text(0.5, 0.5, "no plan fits into memory", transform=cost.transAxes, ha="center")
    for axes in (cost, runtime):
        axes.legend(fontsize="small")
        axes.grid(visible=True, linewidth=0.3, alpha=0.5)
    figure.suptitle(f"{name}: the best plan by {over.name}")
    _save(figure, path)


def _scale(axes: Any, tried: Sequence[Tried]) -> None:
    """Have costs from zero, or logarithmic where some are many times others."""
    costs = [found.estimate.cost_usd for one in tried for found in one.found.values() if found.estimate]
    if costs and max(costs) > SPREAD * min(costs):
        axes.set(yscale="log", ylabel="cost of a layer, USD")
    else:
        axes.set(ylabel="cost of a layer, USD", ylim=(0, None))


def _annotate(axes: Any, at: Sequence[float], tried: Sequence[Tried]) -> None:
    """Write beside a point what plan it is, where that differs from the point before."""
    last = ""
    for x, one in zip(at, tried, strict=True):
        found = one.found["cosmic"]
        if found.point is None or found.estimate is None or not found.feasible:
            last = ""
            continue
        point = found.point
        said = f"{point.pattern.groups} x {point.rows}x{point.columns}\n{point.mode}\n{point.precision}"
        if said != last:
            place = (x, found.estimate.cost_usd)
            axes.annotate(said, place, xytext=(4, 6), textcoords="offset points", fontsize=6)
        last = said


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  optional
    except ImportError as error:
        raise UsageError(
            "matplotlib is not installed", where="--plot", remedy='pip install "cosmic-lpbf[cloud,plot]"'
        ) from error
    return Figure


def _save(figure: Any, path: Path) -> None:
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}", where=str(path), remedy="check folder and permissions"
        ) from error
