"""Runtimes predicted from a measured profile, held against real runs of the same plans on this machine.

    python benchmarks/predictions.py [--rounds 5] [--areas 0.8 1.2] [--csv out.csv]

In every round the engines are profiled as `cosmic-cloud profile` does it; then layers are decided by the real
controller over the real engine - `inline`, and `local` with worker processes and dense blocks. What the planner's
model says for a plan is compared with its runtime, each the median over the rounds: on a machine that others use as
well, rounds see its quiet and its busy minutes alike. The target: within 10 % at the median of the plans.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from cloud.configuration import EngineSettings
from cloud.engines import Engine
from cloud.engines.inline import InlineEngine
from cloud.engines.local import LocalEngine
from cloud.planner import Job, job_of, read_platform
from cloud.planner.model import Model, Point
from cloud.planner.pattern import pattern_of
from cloud.planner.places import inline_s
from cloud.plans import Plan, Precision
from cloud.simulation.printing import decide_layer
from thermal.building import build_from_outline
from thermal.operators import write_blocks
from thermal.part import Part, write_part
from thermal.shapes import outline_of

SHAPES = ("segmented-gear", "simple-l-bracket")
LAYERS = 5
COMMAND = [sys.executable, "-c", "import cloud.commands; cloud.commands.main()"]


@dataclass(frozen=True)
class Case:
    """One plan of one part."""

    engine: str
    part: Part
    job: Job
    groups: int = 1
    rows: int = 1
    columns: int = 1
    precision: Precision = "float64"

    @property
    def name(self) -> str:
        """For the table."""
        plan = f" {self.groups} x {self.rows}x{self.columns} {self.precision}" if self.engine != "inline" else ""
        return f"{self.engine}{plan}, {self.part.name}"

    def plan(self) -> Plan:
        """Return the plan."""
        return Plan(
            part=self.part.digest, engine="local", groups=self.groups, rows=self.rows, columns=self.columns,
            precision=self.precision,
        )  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A prediction and what came of it, s a layer."""

    case: Case
    predicted_s: float
    real_s: float

    @property
    def error(self) -> float:
        """By how much the prediction is too high."""
        return self.predicted_s / self.real_s - 1.0


def main() -> None:
    """Print a line a case, and the median of the errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--areas", type=float, nargs="+", default=[0.8, 1.2])
    parser.add_argument("--csv", type=Path)
    words = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="cosmic-predictions-") as folder, ThreadPoolExecutor(1) as threads:
        parts = [_part(Path(folder), shape, area) for shape in SHAPES for area in words.areas]
        cases = [case for part in parts for case in _cases(part)]
        predicted: list[list[float]] = [[] for _ in cases]
        real: list[list[float]] = [[] for _ in cases]
        for number in range(words.rounds):
            profiles = {engine: _profile(engine, Path(folder)) for engine in ("inline", "local")}
            for place in np.random.default_rng(number).permutation(len(cases)).tolist():
                case = cases[place]
                predicted[place].append(_predicted(case, profiles[case.engine]))
                real[place].append(asyncio.run(_real(case, threads)))
            print(f"round {number + 1} of {words.rounds}", file=sys.stderr, flush=True)
        for case, said_s, took_s in zip(cases, predicted, real, strict=True):
            rows.append(Row(case, median(said_s), median(took_s)))
            _show(rows[-1])
    for engine in sorted({row.case.engine for row in rows}):
        errors = [abs(row.error) for row in rows if row.case.engine == engine]
        print(f"{engine}: {len(errors)} runs, error {median(errors):.1%} at the median, {max(errors):.1%} at most")
    errors = [abs(row.error) for row in rows]
    print(
        f"all: error {median(errors):.1%} at the median (target 10 %), signed {median(r.error for r in rows):+.1%}"
    )
    if words.csv is not None:
        with words.csv.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["case", "predicted_s", "real_s", "error"])
            writer.writerows([row.case.name, row.predicted_s, row.real_s, row.error] for row in rows)


def _show(row: Row) -> None:
    name = f"{row.case.name} ({row.case.job.cells} cells)"
    print(f"{name:<58} predicted {row.predicted_s:7.4f} s, real {row.real_s:7.4f} s, {row.error:+6.1%}", flush=True)


def _part(folder: Path, shape: str, area: float) -> Part:
    part = build_from_outline(outline_of(shape, area), f"{shape}-{area:g}")
    return write_part(part, folder / part.name)


def _cases(part: Part) -> Iterator[Case]:
    job = job_of(part)
    yield Case("inline", part, job)
    yield Case("local", part, job)
    yield Case("local", part, job, rows=2)
    yield Case("local", part, job, groups=3, rows=2, precision="float32")
    yield Case("local", part, job, rows=2, columns=2)


def _profile(engine: str, folder: Path) -> Path:
    file = folder / f"{engine}.toml"
    words = ["profile", "--engine", engine, "-o", str(file)]
    subprocess.run([*COMMAND, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return file


def _predicted(case: Case, profile: Path) -> float:
    platform, _ = read_platform(str(profile))
    model = Model(case.job, platform)
    if case.engine == "inline":
        return inline_s(model)
    return predicted_s(model, case)


def predicted_s(model: Model, case: Case) -> float:
    """Return the runtime of a layer with workers that always run, s."""
    pattern = pattern_of(case.job, case.groups)
    memory_mb = model.platform.profile.product_memory_mb
    point = Point(pattern, case.rows, case.columns, "persistent", case.precision, memory_mb)
    return model.estimate(point).runtime_s


async def _real(case: Case, threads: ThreadPoolExecutor) -> float:
    async with _engine(case, threads) as engine:
        return await measured_s(case, engine)


async def measured_s(case: Case, engine: Engine) -> float:
    """Return the runtime of a layer, s: the median of several, after one that nobody counts."""
    geometry = case.part.largest
    layer = case.part.manifest.layers.index(geometry.number)
    map_K = np.full(geometry.elements, case.part.process.ambient_K, dtype=np.float32)
    taken = []
    for _ in range(LAYERS + 1):
        decided = await decide_layer(case.part, layer, map_K, engine.begin_layer(geometry.number, "job"))
        taken.append(decided.runtime_s)
    return median(taken[1:])


@asynccontextmanager
async def _engine(case: Case, threads: ThreadPoolExecutor) -> AsyncIterator[Engine]:
    engine: Engine
    if case.engine == "inline":
        engine = InlineEngine(case.part, threads)
    else:
        assert case.part.folder is not None
        for geometry in case.part.geometries:
            write_blocks(
                case.part.folder, case.part.digest, geometry, case.part.process, blocks=(case.rows, case.columns),
                precision=case.precision,
            )  # fmt: skip
        engine = LocalEngine(case.part, EngineSettings(name="local"), case.plan())
    await engine.load(lambda *_: None)
    try:
        yield engine
    finally:
        await engine.close()


if __name__ == "__main__":
    main()
