"""What the paper's platform is taken to be, and how many of the thirty jobs that decides. By the model alone.

    python benchmarks/assumptions.py [--folder evaluation/parts/1] [--variants shipped cleanup ...]

Variants are readings of the paper, from our first to the shipped one. Deadlines are the layer's (papers/cosmic.txt,
section 4.2), dimensions those of `cosmic-cloud bench paper`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from cloud.evaluation.systems import THEIRS
from cloud.planner import Found, job_of, read_platform, search
from cloud.planner.compare import comparison
from cloud.planner.job import Job
from cloud.planner.model import Model
from cloud.planner.spaces import Space
from cloud.plans import MEMORY_SHARE_MAX
from cloud.plans.strategies import COMPARISONS
from thermal.jobs import build_jobs

CLEANUP_MS = 24.8 - 10.97 - 0.71
"""Of a cell invoked on demand in section 3.2.1, what delay, map and way do not explain: 24.8 ms of overhead, the
mean delay, and an 80 kB map to one worker."""

TEXT = {"coordinator_bytes_s": 625e6, "message_ms": 0.01}
"""The "roughly 5 Gbps" of section 3.2.2, and a message's work of ours beside it."""

VARIANTS: dict[str, dict[str, Any]] = {
    "5-gbit-own-delays-85-percent": TEXT | {"invocation_per": "function", "memory_share": MEMORY_SHARE_MAX},
    "5-gbit-85-percent": TEXT | {"memory_share": MEMORY_SHARE_MAX},
    "85-percent": {"memory_share": MEMORY_SHARE_MAX},
    "shipped": {},
    "cleanup": {"one_way_ms": 0.25 + CLEANUP_MS / 2},
}
"""`cleanup` makes every window of every system that much longer, so that only invoke-on-demand is run with it."""


def main() -> None:
    """Print a line a variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("evaluation/parts/1"))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    words = parser.parse_args()
    jobs = [job_of(part) for part in build_jobs(words.folder, layers=1, processes=2)]
    platform, _ = read_platform()
    for name in words.variants:
        changes = dict(VARIANTS[name])
        space = replace(THEIRS, memory_share=changes.pop("memory_share", THEIRS.memory_share))
        changed = replace(platform, profile=msgspec.structs.replace(platform.profile, **changes))
        systems = ("invoke-on-demand",) if name == "cleanup" else ("cosmic", *COMPARISONS)
        found = [{system: _best(Model(job, changed, criterion="layer"), system, space) for system in systems}
                 for job in jobs]  # fmt: skip
        print(f"{name:<29} " + "  ".join(_shown(system, jobs, found) for system in systems), flush=True)


def _best(model: Model, system: str, space: Space) -> Found:
    return search(model, space) if system == "cosmic" else comparison(model, system, space=space)


def _shown(system: str, jobs: Sequence[Job], found: Sequence[dict[str, Found]]) -> str:
    kept = [one for one in found if one[system].feasible]
    ratios = [
        one[system].estimate.cost_usd / one["cosmic"].estimate.cost_usd  # type: ignore[union-attr]
        for one in kept
        if system != "cosmic" and "cosmic" in one and one["cosmic"].feasible
    ]
    return f"{system} {len(kept)}/{len(jobs)}" + (f" ({median(ratios):.2f}x)" if ratios else "")


if __name__ == "__main__":
    main()
