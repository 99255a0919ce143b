"""Cosmic's plan beside the systems that the paper compares it with, each with its own best number of functions.

The comparison systems are searched in the paper's dimensions (`r x 1`, float64, 10,240 MB); they are points of
the space that Cosmic searches (papers/cosmic.txt, section 5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cloud.planner.job import Job
from cloud.planner.model import Criterion, Estimate, Model, Point
from cloud.planner.platform import Platform
from cloud.planner.search import Found, Limits, Objective, search
from cloud.planner.spaces import FULL, PAPER, Space
from cloud.plans import EngineName, Plan
from cloud.plans.dealings import listed_groups
from cloud.plans.strategies import COMPARISONS
from cosmic.errors import UsageError

STRATEGIES = ("cosmic", *COMPARISONS)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the planner proposes.

    Attributes:
        model: by which everything was estimated.
        strategy: the one asked for.
        found: the answer of every strategy, by name.
        limits: that plans had to keep.
        wider: Cosmic's answer in the full space with any rounding, where it has none in the space asked for;
            None where that was not looked for.
    """

    model: Model
    strategy: str
    found: dict[str, Found]
    limits: Limits
    wider: Found | None = None

    @property
    def chosen(self) -> Found:
        """The answer of the strategy asked for."""
        return self.found[self.strategy]


def propose(
    job: Job,
    platform: Platform,
    *,
    strategy: str = "cosmic",
    objective: Objective = "cost",
    limits: Limits | None = None,
    space: Space = FULL,
    seed: int = 0,
    criterion: Criterion = "window",
) -> Proposal:
    """Return the best plan of every strategy.

    Args:
        job: the job.
        platform: profile, prices, settings.
        strategy: the one asked for, of `STRATEGIES`.
        objective: what is best.
        limits: beside the deadlines of windows.
        space: that Cosmic searches.
        seed: of the draws.
        criterion: what a plan has to keep up with.

    Raises:
        UsageError: there is no such strategy.
        ConfigurationError: the limits or the profile leave nothing to search.
    """
    if strategy not in STRATEGIES:
        raise UsageError(
            f"there is no strategy '{strategy}'", where="strategy", remedy=f"use one of: {', '.join(STRATEGIES)}"
        )
    limits = limits or Limits()
    if job.transitions and "clustered" not in space.dealings:
        space = replace(space, dealings=(*space.dealings, "clustered"))
    model = Model(job, platform, seed, criterion=criterion)
    found = {"cosmic": search(model, space, objective, limits)}
    for name in COMPARISONS:
        found[name] = comparison(model, name, objective, limits)
    wider = None
    if not found["cosmic"].feasible and (space != FULL or limits.error_max is not None):
        wider = search(model, FULL, objective, replace(limits, error_max=None))
    return Proposal(model, strategy, found, limits, wider)


def comparison(
    model: Model,
    strategy: str,
    objective: Objective = "cost",
    limits: Limits | None = None,
    space: Space = PAPER,
) -> Found:
    """Return the best plan of a comparison system: its own best number of functions (or machines).

    space: whose dimensions are searched; modes, groups and machines are the system's own.
    """
    limits = limits or Limits()
    if strategy == "vm":
        machine_mb = int(model.platform.machine.machine_gb * 1024)
        sizes, factor = [], 1
        while factor <= model.platform.settings.machine_factor_max:
            sizes.append(factor * machine_mb)
            factor *= 2
        space = replace(space, modes=("persistent",), groups=(1,), machines=True, memories_mb=tuple(sizes))
    elif strategy == "invoke-on-demand":
        space = replace(space, modes=("on_demand",), groups=(model.job.cells,))
    elif strategy == "all-active":
        space = replace(space, modes=("persistent",), groups=(1,))
    else:
        # As few groups as memory allows for a number of functions: with fewer registered it is always cheaper,
        # so that the cheapest persistent plan with any grouping is the one.
        space = replace(space, modes=("persistent",))
    return search(model, space, objective, limits)


def plan_of(job: Job, strategy: str, point: Point, engine: EngineName) -> Plan:
    """Return the plan that engines and `deploy` follow."""
    groups, dealing = point.pattern.groups, point.pattern.dealing
    return Plan(
        part=job.part or "0" * 64,
        engine=engine,
        strategy=strategy,
        groups=groups,
        dealing=dealing,
        listed=listed_groups(job.transitions, groups) if dealing == "clustered" else None,
        rows=point.rows,
        columns=point.columns,
        mode=point.mode,
        precision=point.precision,
        memory_mb=point.memory_mb,
        always_on=point.machines,
    )


def ratio(proposal: Proposal, strategy: str) -> float | None:
    """Return the cost of a strategy over that of Cosmic; None unless both are feasible."""
    own, other = proposal.found["cosmic"], proposal.found[strategy]
    if not (own.feasible and other.feasible):
        return None
    return _cost(other.estimate) / _cost(own.estimate)


def _cost(estimate: Estimate | None) -> float:
    assert estimate is not None
    return estimate.cost_usd
