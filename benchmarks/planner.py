"""How fast the planner is, and what its model alone says of the paper's thirty jobs.

    python benchmarks/planner.py [--areas 9 16 25] [--shapes segmented-gear ...] [--csv out.csv]

For every job and for both criteria - every decision before its window, and the paper's (the whole order within
the layer) - it prints the best plan of every strategy in the paper's dimensions, then how many jobs each strategy
keeps up with and the median of its cost over Cosmic's. Nothing is tuned to the paper's figures.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

from cloud.planner import job_of, propose, read_platform, search
from cloud.planner.compare import STRATEGIES, ratio
from cloud.planner.model import Model
from cloud.planner.spaces import FULL, PAPER
from thermal.building import build_from_outline
from thermal.shapes import SHAPES, outline_of


def main() -> None:
    """Print a line a job and strategy, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--areas", type=float, nargs="+", default=[9.0, 16.0, 25.0])
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES))
    parser.add_argument("--csv", type=Path)
    words = parser.parse_args()
    platform, _ = read_platform()
    rows = []
    searches: dict[str, list[float]] = {"paper": [], "full": []}
    ratios: dict[tuple[str, str], list[float]] = {}
    for shape in words.shapes:
        for area in words.areas:
            job = job_of(build_from_outline(outline_of(shape, area), f"{shape} {area:g}"))
            for label, space in (("paper", PAPER), ("full", FULL)):
                began_s = perf_counter()
                full = search(Model(job, platform), space)
                searches[label].append(perf_counter() - began_s)
            cheapest = f"{full.estimate.cost_usd:.5f} USD" if full.feasible and full.estimate else "late"
            print(f"{job.name}: {job.cells} cells, {job.dense_bytes / 1e9:.0f} GB; full space: {cheapest}")
            for criterion in ("window", "layer"):
                proposal = propose(job, platform, space=PAPER, criterion=criterion)  # type: ignore[arg-type]
                for name in STRATEGIES:
                    found = proposal.found[name]
                    ratios.setdefault((criterion, name), [])
                    rate = ratio(proposal, name)
                    if rate is not None:
                        ratios[criterion, name].append(rate)
                    point, estimate = found.point, found.estimate
                    if point is None or estimate is None:
                        rows.append([job.name, criterion, name, False, *[""] * 6])
                        continue
                    shown = [point.pattern.groups, point.functions, point.mode]
                    money = [estimate.runtime_s, estimate.cost_usd, rate]
                    rows.append([job.name, criterion, name, found.feasible, *shown, *money])
            sys.stdout.flush()
    for criterion in ("window", "layer"):
        print(f"criterion: {criterion}")
        for name in STRATEGIES:
            kept = sum(row[3] for row in rows if row[1] == criterion and row[2] == name)
            known = ratios[criterion, name]
            middle = f"median {median(known):.2f}x, most {max(known):.2f}x" if known else "no job to compare"
            print(f"  {name:<18} {kept} of {len(rows) // 2 // len(STRATEGIES)} in time; cost over cosmic {middle}")
    for label, taken in searches.items():
        print(f"search, {label} dimensions: median {median(taken):.2f} s, most {max(taken):.2f} s")
    if words.csv is not None:
        with words.csv.open("w", newline="") as file:
            head = "job criterion strategy feasible groups functions mode runtime_s cost_usd ratio"
            csv.writer(file).writerows([head.split(), *rows])


if __name__ == "__main__":
    main()
