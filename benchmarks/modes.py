"""One job in every invocation mode on the simulated platform: dollars, deadlines, timing of speculation.

Runs the real controller over real SmartScan orders on a virtual clock; times are drawn from a platform profile.
Dense operators are as large as the paper's; what workers answer is computed by the part's own operator.

    python benchmarks/modes.py --shape segmented-gear --area 16 --groups 12 --rows 12
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from cloud.bills import Bill, price_of
from cloud.configuration import EngineSettings
from cloud.deciding.controller import Predictor
from cloud.deciding.guesses import Guesses, InputGuess
from cloud.engines.blocks import PlanGroups, check_memory, function_blocks
from cloud.engines.grouped.layer import GroupedLayer, quantiles
from cloud.engines.simulated import simulated_engine
from cloud.plans import Plan
from cloud.simulation import virtual_time
from cloud.simulation.printing import decide_layer
from cosmic.errors import EngineError
from thermal.building import build_from_outline
from thermal.part import Part
from thermal.process import Process
from thermal.shapes import outline_of
from thermal.smartscan import SmartScan
from thermal.speculation import PREDICTORS

MODES = ("on_demand", "reuse", "speculative", "persistent")


@dataclass(frozen=True)
class Row:
    """One mode's figures. Times of a layer in seconds, leads in ms.

    In time is the paper's measure: the layer's runtime is below its printing time. Late windows are the stricter
    one: the decision is not there when its window begins, as happens where the order begins with short windows.
    """

    mode: str
    runtime_s: float
    late: int
    windows: int
    guesses_right: float | None
    in_vain: int
    spared: int
    leads_ms: list[float]
    bill: Bill
    layers: int


def first_map(part: Part, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return a first map, float32[n], kelvin: a warm layer with some unevenness."""
    geometry = part.geometry_of(0)
    random = np.random.default_rng(seed)
    waves = np.sin(geometry.row / random.uniform(20, 60)) * np.cos(geometry.col / random.uniform(20, 60))
    return (380.0 + 15.0 * waves + random.normal(0.0, 2.0, geometry.elements)).astype(np.float32)


def fewest_rows(part: Part, groups: int) -> int:
    """Return the fewest functions a group whose memory holds its blocks."""
    for rows in range(1, 1000):
        plan = Plan(part=part.digest, engine="simulated", groups=groups, rows=rows)
        try:
            check_memory(plan, function_blocks(part, plan, PlanGroups(part, plan)))
        except EngineError:
            continue
        return rows
    raise SystemExit("no number of functions holds this part: use more groups")


def job(part: Part, plan: Plan, layers: int, seed: int, predictor: Predictor) -> Row:
    """Run one job."""

    async def main() -> Row:
        settings = EngineSettings(name="simulated")
        engine, _ = simulated_engine(part, plan, settings, executor=threads, seed=seed, dense=False)
        loop = asyncio.get_running_loop()
        await engine.load(lambda *_: None)
        engine.bill("loading")  # once a part, not once a job: the same in every mode
        windows_s = part.geometry_of(0).windows_s(part.process)
        late, runtimes, leads, guesses, right, in_vain, spared = 0, [], [], 0, 0, 0, 0
        for layer in range(layers):
            for _ in range(3):  # powder is spread for 15 s: a dummy request every 5
                await engine.warm("job")
                await asyncio.sleep(5.0)
            work = engine.begin_layer(0, "job")
            assert isinstance(work, GroupedLayer)
            started_s = loop.time()
            decided = await decide_layer(part, 0, first_map(part, seed + layer), work, predictor)
            runtimes.append(decided.runtime_s)
            late += decided.late(windows_s)
            leads += work.leads_ms
            guesses += work.schedule.guesses
            right += work.schedule.guesses_right
            spared += work.spared
            in_vain += work.schedule.wrong_invoked
            await asyncio.sleep(max(0.0, started_s + float(windows_s.sum()) - loop.time()))
        bill = engine.bill("job")
        assert bill is not None
        await engine.close()
        windows = layers * len(windows_s)
        share = right / guesses if guesses else None
        return Row(plan.mode, median(runtimes), late, windows, share, in_vain, spared, leads, bill, layers)

    with ThreadPoolExecutor(1) as threads:
        return virtual_time.run(main())


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", default="segmented-gear")
    parser.add_argument("--area", type=float, default=16.0, help="cm2")
    parser.add_argument("--speed", type=float, default=0.8, help="m/s")
    parser.add_argument("--groups", type=int, default=12)
    parser.add_argument("--rows", type=int, help="functions a group; default: as few as memory allows")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", choices=MODES, action="append")
    parser.add_argument("--predictor", choices=PREDICTORS, default="shortlist")
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    part = build_from_outline(outline_of(words.shape, words.area), words.shape, Process(speed_m_s=words.speed))
    geometry = part.geometry_of(0)
    layer_s = float(geometry.windows_s(part.process).sum())
    scan = SmartScan(geometry, part.process)
    predictor = InputGuess(scan) if words.predictor == "input-only" else Guesses(scan, words.predictor)
    rows = []
    rows_needed = words.rows or fewest_rows(part, words.groups)
    for mode in words.mode or MODES:
        plan = Plan(part=part.digest, engine="simulated", groups=words.groups, rows=rows_needed, mode=mode)
        rows.append(job(part, plan, words.layers, words.seed, predictor))
    if words.json:
        json.dump([document(row) for row in rows], sys.stdout, indent=1)
        return
    print(
        f"{words.shape} {words.area:g} cm2: {geometry.elements} elements, {len(geometry.cells)} cells, "
        f"{len(geometry.distinct_lengths)} operators, layer {layer_s:.2f} s; "
        f"{words.groups} groups of {rows_needed} functions of 10,240 MB; {words.layers} layers"
    )
    heads = ("mode", "runtime s", "in time", "late windows", "guessed right", "in vain", "spared", "p5/p50/p95 ms")
    print("".join(f"{head:>18}" for head in (*heads, "$ a layer", "of it warm")))
    for row in rows:
        total = row.bill.total
        price = price_of(row.bill.price)
        warm = total.warm_seconds * plan.memory_mb / 1024 * price.gb_second + total.warm_requests * price.request
        values = (
            row.mode,
            f"{row.runtime_s:.3f}",
            "yes" if row.runtime_s <= layer_s else "no",
            f"{row.late}/{row.windows}",
            "-" if row.guesses_right is None else f"{row.guesses_right:.0%}",
            row.in_vain,
            row.spared,
            "/".join(f"{lead:.2f}" for lead in quantiles(row.leads_ms)) or "-",
            f"{total.dollars / row.layers:.5f}",
            f"{warm / row.layers:.5f}",
        )
        print("".join(f"{value:>18}" for value in values))


def document(row: Row) -> dict[str, Any]:
    """Return a row as JSON."""
    return {
        "mode": row.mode,
        "runtime_s": row.runtime_s,
        "late": row.late,
        "windows": row.windows,
        "guesses_right": row.guesses_right,
        "invoked_in_vain": row.in_vain,
        "windows_spared": row.spared,
        "ready_minus_needed_ms": quantiles(row.leads_ms),
        "bill": row.bill.figures(),
    }


if __name__ == "__main__":
    main()
