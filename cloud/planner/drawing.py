"""A picture of a proposal: cost against runtime of a layer. Needs the `plot` extra."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cloud.planner.candidates import candidates_of
from cloud.planner.compare import STRATEGIES, Proposal
from cloud.planner.spaces import Space
from cosmic.errors import InputError, UsageError

SHOWN_MAX = 5_000
"""Plans of the space that are drawn, taken at random with a fixed seed."""


def draw_proposal(proposal: Proposal, space: Space, path: Path) -> None:
    """Draw the plans of Cosmic's space by their lower bounds, and the best plan of every strategy.

    Raises:
        UsageError: matplotlib is not installed, or the file is of no known kind.
        InputError: the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  optional
    except ImportError as error:
        raise UsageError(
            "matplotlib is not installed", where="--plot", remedy="pip install cosmic-lpbf[cloud,plot]"
        ) from error
    if path.suffix not in {".png", ".svg", ".pdf"}:
        raise UsageError(f"'{path.suffix}' is no kind of picture", where="--plot", remedy="use .png, .svg or .pdf")
    candidates = candidates_of(proposal.model, space)
    count = candidates.cost_usd.size
    shown = np.random.default_rng(0).choice(count, min(count, SHOWN_MAX), replace=False)
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.scatter(
        candidates.runtime_s[shown], candidates.cost_usd[shown], s=2, color="0.75", label="plans (lower bounds)"
    )
    for name in STRATEGIES:
        found = proposal.found[name]
        if found.estimate is not None:
            label = name if found.feasible else f"{name} (late)"
            marker = "o" if found.feasible else "x"
            axes.scatter(found.estimate.runtime_s, found.estimate.cost_usd, marker=marker, label=label)
    axes.axvline(proposal.model.job.layer_s, color="k", linewidth=0.8, linestyle="--", label="layer printed")
    axes.set(xscale="log", yscale="log", xlabel="runtime of a layer, s", ylabel="cost of a layer, USD")
    axes.set_title(proposal.model.job.name)
    axes.legend(fontsize="small")
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}", where=str(path), remedy="check folder and permissions"
        ) from error
