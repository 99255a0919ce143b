"""The plan of a system on a job: the planner's best, or the nearest miss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import msgspec

from cloud.evaluation.records import Predicted
from cloud.evaluation.systems import System
from cloud.planner.compare import comparison, plan_of
from cloud.planner.job import Job
from cloud.planner.model import Model
from cloud.planner.platform import Platform
from cloud.planner.search import Found, Limits, search
from cloud.plans import Plan


@dataclass(frozen=True, slots=True, eq=False)
class Chooser:
    """Chooses plans of one job.

    jobs: the job with the guesses of each predictor. platform: as the planner sees it. seed: of the draws.
    """

    jobs: Mapping[str, Job]
    platform: Platform
    seed: int

    def choose(self, name: str, system: System, deadline_s: float | None = None) -> tuple[Plan, Predicted] | None:
        """Return a system's best plan and what is predicted of it; None where nothing fits into memory.

        deadline_s: the layer's order takes no longer in 99 % of the draws, beside the system's own rule.
        """
        assert system.space is not None
        job = self.jobs[system.predictor]
        model = Model(job, self.platform, self.seed, criterion=system.criterion)
        limits = Limits(deadline_s)
        if system.comparison:
            found = comparison(model, name, limits=limits, space=system.space)
        else:
            found = search(model, system.space, limits=limits)
        if found.point is None:
            return None
        plan = plan_of(job, name, found.point, "simulated")
        return msgspec.structs.replace(plan, memory_share=system.space.memory_share), _predicted(found)


def _predicted(found: Found) -> Predicted:
    estimate = found.estimate
    assert estimate is not None
    return Predicted(
        feasible=found.feasible,
        runtime_s=estimate.runtime_s,
        cost_usd=estimate.cost_usd,
        components=asdict(estimate),
    )
