"""What is compared: the paper's systems, its ablation, and what we add; each a space that the planner searches.

`comparison` systems are searched by the planner's own rules for them; the others in a space given here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cloud.planner.model import Criterion
from cloud.planner.spaces import COLUMNS_MAX, FULL, PAPER, Space
from cloud.plans.strategies import COMPARISONS

PAPER_MEMORY_SHARE = 0.964
"""Of a function's memory: the paper has 1,514 GB in 159 workers of 10 GB (section 3.2.2), 9.52 GB each and 0.09 GB
for the runtime; with 158 it would be 0.968. Ours is 0.85 wherever plans are deployed."""

THEIRS = replace(PAPER, memory_share=PAPER_MEMORY_SHARE)
"""The paper's dimensions, filled as the paper fills its workers."""


@dataclass(frozen=True, slots=True)
class System:
    """What runs.

    Attributes:
        space: searched for the cheapest plan; None for `inline`, which has none.
        comparison: one of the paper's comparison systems, by the planner's rules for it.
        criterion: what a plan has to keep: the layer's time, as in the paper (section 4.2), or every window's.
        predictor: guesses the next cell; the paper's, or ours.
        cold: environments are lost by the profile's shares, and the coordinator helps out; False: none is.
        plan_of: runs the plan of another system.
    """

    space: Space | None = THEIRS
    comparison: bool = False
    criterion: Criterion = "layer"
    predictor: str = "input-only"
    cold: bool = False
    plan_of: str = ""


OURS = "shortlist"

SYSTEMS: Mapping[str, System] = {
    "cosmic": System(),
    **{name: System(comparison=True) for name in COMPARISONS},
    "grouping": System(replace(THEIRS, modes=("on_demand", "reuse"))),
    "speculation": System(replace(THEIRS, modes=("reuse", "speculative"))),
    "cold": System(cold=True, plan_of="cosmic"),
    "guesses": System(predictor=OURS),
    "square": System(replace(THEIRS, columns_max=COLUMNS_MAX), predictor=OURS),
    "float32": System(replace(THEIRS, columns_max=COLUMNS_MAX, precisions=("float64", "float32")), predictor=OURS),
    "ours": System(FULL, criterion="window", predictor=OURS),
    "inline": System(None),
}
"""By name, in the order in which they run: `cold` needs the plan of `cosmic`."""

FIVE = ("cosmic", *COMPARISONS)
"""The paper's systems."""

ABLATION = ("invoke-on-demand", "grouping", "speculation", "cosmic")
"""The paper's ablation: each adds one technique to the one before (figures 16 and 17)."""

BEYOND = ("guesses", "square", "float32", "ours", "inline")
"""What we add: better guesses, square blocks, float32, all dimensions by the stricter rule, no matrices at all."""
