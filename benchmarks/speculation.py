"""How often each predictor guesses the next cell's group right, over sample jobs and random outlines.

    python benchmarks/speculation.py [--groups 25] [--areas 9 16 25]

Every sample shape at every area, and random outlines (circles and boxes, joined and cut out) at the first one;
each from a map at ambient and from a random one.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from shapely import MultiPolygon, Point, affinity, box

from thermal.building import build_from_outline
from thermal.operators import Polynomial
from thermal.shapes import SHAPES, outline_of
from thermal.speculation import PREDICTORS, measure_accuracy


def random_outline(seed: int, area_cm2: float) -> object:
    """Draw an outline of circles and boxes, some of them holes, scaled to an area."""
    draw = np.random.default_rng(seed)
    body = box(0, 0, 10, draw.uniform(5, 12))
    for _ in range(6):
        x, y, size = draw.uniform(0, 10), draw.uniform(0, 10), draw.uniform(0.5, 3)
        piece = Point(x, y).buffer(size) if draw.random() < 0.5 else box(x - size, y - size / 2, x + size, y + size)
        body = body.union(piece) if draw.random() < 0.5 else body.difference(piece)
    if isinstance(body, MultiPolygon):
        body = max(body.geoms, key=lambda each: each.area)
    factor = (area_cm2 * 100 / body.area) ** 0.5
    scaled = affinity.scale(body, factor, factor, origin=(0, 0))
    return affinity.translate(scaled, -scaled.bounds[0], -scaled.bounds[1])


def main() -> None:
    """Print a line a job, and the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=25)
    parser.add_argument("--areas", type=float, nargs="+", default=[9.0, 16.0, 25.0])
    parser.add_argument("--outlines", type=int, default=4, help="random outlines")
    words = parser.parse_args()
    jobs = {f"{shape} {area:g}": outline_of(shape, area) for shape in SHAPES for area in words.areas}
    jobs |= {f"random outline {k}": random_outline(k, words.areas[0]) for k in range(words.outlines)}
    shares: dict[str, list[float]] = {name: [] for name in PREDICTORS}
    costs: dict[str, list[float]] = {name: [] for name in PREDICTORS}
    print(f"{'groups right':<28} " + " ".join(f"{name:>15}" for name in PREDICTORS))
    for label, outline in jobs.items():
        part = build_from_outline(outline, label)
        elements = part.geometry_of(0).elements
        operator = Polynomial(part.geometry_of(0), part.process, kernel="scipy")
        for kind, map_K in (
            ("ambient", np.full(elements, part.process.ambient_K, dtype=np.float32)),
            ("random", np.random.default_rng(1).uniform(293, 393, elements).astype(np.float32)),
        ):
            found = measure_accuracy(part, 0, map_K, groups=words.groups, operator=operator)
            for each in found:
                shares[each.predictor].append(each.groups_right)
                costs[each.predictor].append(each.cost_ratio)
            print(
                f"{label + ', ' + kind:<28} " + " ".join(f"{each.groups_right:>15.1%}" for each in found),
                flush=True,
            )
    for label, values in (("mean", shares), ("cost of a guess (operator: scipy)", costs)):
        print(f"{label:<28} " + " ".join(f"{np.mean(values[name]):>15.1%}" for name in PREDICTORS))


if __name__ == "__main__":
    main()
