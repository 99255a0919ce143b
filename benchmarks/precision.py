"""What float32 changes in the orders that engine `local` decides: `python benchmarks/precision.py [RECORD.json]`.

Layers of three outlines with first maps of several kinds are decided twice, with blocks in float64 and in float32.
A decision counts as changed when a window gets another cell, also where only an earlier change is the reason.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Point, Polygon, box

from cloud.configuration import EngineSettings
from cloud.engines.local import LocalEngine
from cloud.plans import Plan
from cloud.simulation.printing import decide_layer
from thermal.building import build_from_outline
from thermal.operators import write_blocks
from thermal.part import Part, write_part
from thermal.process import Process

BLOCKS = (2, 2)
MAPS = 8
OUTLINES = {
    "square": box(0, 0, 8, 8),
    "disc": Point(5, 5).buffer(4.5),
    "angle": Polygon([(0, 0), (10, 0), (10, 4), (4, 4), (4, 10), (0, 10)]),
}


def first_map(part: Part, number: int) -> NDArray[np.float32]:
    """Return a first map, float32[n], kelvin: 0 is even, odd ones are warm in a corner, all but 0 have noise."""
    geometry = part.geometry_of(0)
    noise = np.random.default_rng(number).normal(0.0, 5.0 * (number > 0), geometry.elements)
    warm = 80.0 * np.exp(-(geometry.row**2 + geometry.col**2) / 100.0) * (number % 2)
    return (330.0 + warm + noise).astype(np.float32)


async def orders(part: Part, precision: str) -> list[list[int]]:
    """Return the order of every map."""
    plan = Plan(part=part.digest, rows=BLOCKS[0], columns=BLOCKS[1], precision=precision)  # type: ignore[arg-type]
    engine = LocalEngine(part, EngineSettings(name="local"), plan)
    await engine.load(lambda *_: None)
    try:
        return [
            (await decide_layer(part, 0, first_map(part, number), engine.begin_layer(0))).order
            for number in range(MAPS)
        ]
    finally:
        await engine.close()


def main() -> None:
    """Measure, print a line an outline, and write the record where one is named."""
    record = []
    for name, outline in OUTLINES.items():
        with tempfile.TemporaryDirectory() as folder:
            part = write_part(build_from_outline(outline, name, Process(), island_mm=1.0), Path(folder) / name)
            [geometry] = part.geometries
            found = {}
            for precision in ("float64", "float32"):
                write_blocks(
                    Path(folder) / name, part.digest, geometry, part.process, blocks=BLOCKS, precision=precision
                )
                found[precision] = asyncio.run(orders(part, precision))
        pairs = list(zip(found["float64"], found["float32"], strict=True))
        changed = [sum(a != b for a, b in zip(*pair, strict=True)) for pair in pairs]
        one = {
            "outline": name,
            "elements": geometry.elements,
            "cells": len(geometry.cells),
            "layers": MAPS,
            "layers_changed": sum(count > 0 for count in changed),
            "decisions": MAPS * len(geometry.cells),
            "decisions_changed": sum(changed),
            "changed_by_map": changed,
        }
        record.append(one)
        print(json.dumps(one), flush=True)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
