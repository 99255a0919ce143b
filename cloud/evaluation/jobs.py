"""Evaluates one job: plans its systems, simulates them, and writes a record for each that is missing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import process_time

import msgspec
import numpy as np
from numpy.typing import NDArray

from cloud.deciding.guesses import Guesses
from cloud.evaluation.choosing import Chooser
from cloud.evaluation.records import LayerRun, Predicted, Record, read_record, record_file, write_record
from cloud.evaluation.running import Ran, first_maps, run_inline, run_plan
from cloud.evaluation.systems import SYSTEMS, System
from cloud.planner.job import Job, job_of
from cloud.planner.platform import POLYNOMIAL_ELEMENTS, Platform, read_platform
from cloud.plans import Plan
from thermal.jobs import build_job, job_name
from thermal.operators import Operator
from thermal.order import part_operator
from thermal.part import MANIFEST, Part, load_part
from thermal.smartscan import SmartScan

TRIES_MAX = 3
"""Plans of a system that are simulated until one keeps the layer's time."""

MARGIN = 0.998
"""Of the time that the next plan may take, where the simulation found one too slow: of the one before, and less."""

VERSION = 1
"""Of what this package computes: records of another version are made again."""


SETTINGS = (
    "draws", "confidence", "start_windows", "start_wait_ms", "guard_ms", "runtime_mb", "warm_interval_s",
    "concurrency_max", "function_vcpus", "machine_vcpus", "machine_factor_max", "polynomial_ms",
)  # fmt: skip
"""Of the planner's settings, those that the records depend on."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What to evaluate of one job.

    Attributes:
        folder: of the records and parts.
        shape, area_cm2: the job.
        systems: names of `SYSTEMS`, in their order.
        layers: simulated of each.
        seed: of every draw.
        profile: name, or path of a TOML file.
    """

    folder: str
    shape: str
    area_cm2: float
    systems: tuple[str, ...]
    layers: int
    seed: int
    profile: str

    @property
    def name(self) -> str:
        """Name of the job."""
        return job_name(self.shape, self.area_cm2)

    def fingerprint(self, platform: Platform) -> str:
        """Return a digest of everything that the records depend on."""
        settings = {name: getattr(platform.settings, name) for name in SETTINGS}
        prices = (platform.function, platform.machine, platform.coordinator)
        known = f"{VERSION} {self.layers} {self.seed} {platform.profile!r} {settings} {prices!r}"
        return hashlib.sha256(known.encode()).hexdigest()[:16]

    def missing(self, platform: Platform) -> list[str]:
        """Return the systems without a record."""
        wanted, print_ = Path(self.folder), self.fingerprint(platform)
        return [s for s in self.systems if read_record(record_file(wanted, self.name, s), print_) is None]


def evaluate(task: Task, stopped: Callable[[], bool] = lambda: False) -> None:
    """Make the records of a job that are missing; ends early where `stopped` says so.

    Raises:
        CosmicError: the part cannot be built or read, a record not written, or the profile is wrong.
    """
    platform, _ = read_platform(task.profile)
    missing = task.missing(platform)
    if not missing:
        return
    evaluation = _JobEvaluation(task, platform)
    for name in missing:
        if stopped():
            return
        evaluation.system(name, SYSTEMS[name])


@dataclass(frozen=True, eq=False)
class _JobEvaluation:
    task: Task
    platform: Platform

    @cached_property
    def part(self) -> Part:
        folder = Path(self.task.folder) / "parts" / f"{self.task.layers}"
        if not (folder / self.task.name / MANIFEST).is_file():
            build_job(folder, self.task.shape, self.task.area_cm2, self.task.layers)
        return load_part(folder / self.task.name)

    @cached_property
    def maps(self) -> list[NDArray[np.float32]]:
        return first_maps(self.part, self.task.layers, self.task.seed)

    @cached_property
    def orders(self) -> list[list[int]]:
        """SmartScan's orders in float64."""
        return [_order(self.part, layer, map_K, self.operator) for layer, map_K in enumerate(self.maps)]

    @cached_property
    def operator(self) -> Operator:
        return part_operator(self.part, 0)

    @cached_property
    def chooser(self) -> Chooser:
        names = dict.fromkeys(SYSTEMS[name].predictor for name in self.task.systems)
        return Chooser({name: self._job(name) for name in names}, self.platform, self.task.seed)

    @cached_property
    def guessers(self) -> dict[str, Guesses]:
        scan = SmartScan(self.part.geometry_of(0), self.part.process)
        return {name: Guesses(scan, name) for name in self.chooser.jobs}

    def _job(self, predictor: str) -> Job:
        return job_of(self.part, predictor=predictor)

    def system(self, name: str, system: System) -> None:
        """Plan and simulate one system, and write its record."""
        _ = self.part, self.maps, self.orders, self.chooser, self.guessers  # not of this system's processor time
        began_s = process_time()
        plan: Plan | None = None
        predicted: Predicted | None = None
        tries = 1
        if system.space is None:
            ran = self._inline()
        elif system.plan_of:
            source = read_record(record_file(Path(self.task.folder), self.task.name, system.plan_of))
            plan, predicted = (source.plan, source.predicted) if source is not None else (None, None)
            ran = self._run(plan, system) if plan is not None else Ran()
        else:
            plan, predicted, ran, tries = self._best(name, system)
        self._write(name, plan, predicted, ran, tries, process_time() - began_s)

    def _best(self, name: str, system: System) -> tuple[Plan | None, Predicted | None, Ran, int]:
        """Simulate the planner's best plan, and the next one where that turns out too slow."""
        found = self.chooser.choose(name, system)
        if found is None:
            return None, None, Ran(), 1
        first = (*found, self._run(found[0], system), 1)
        answer = first
        layer_s = self.chooser.jobs[system.predictor].layer_s
        while answer[1].feasible and answer[3] < TRIES_MAX:
            slowest_s = max(run.runtime_s for run in answer[2].layers)
            if slowest_s <= layer_s:
                return answer
            allowed_s = MARGIN * answer[1].components["runtime_p99_s"] * layer_s / slowest_s
            again = self.chooser.choose(name, system, allowed_s)
            if again is None or not again[1].feasible:
                break
            answer = (*again, self._run(again[0], system), answer[3] + 1)
        return answer if max(run.runtime_s for run in answer[2].layers) <= layer_s else first

    def _run(self, plan: Plan, system: System) -> Ran:
        return run_plan(
            self.part,
            plan,
            self.platform.profile,
            self.platform.settings,
            self.maps,
            self.guessers[system.predictor],
            seed=self.task.seed,
            cold=system.cold,
        )

    def _inline(self) -> Ran:
        taken_s = self.platform.settings.polynomial_ms / 1e3 * self.part.largest.elements / POLYNOMIAL_ELEMENTS
        return run_inline(self.part, self.operator, taken_s, self.platform.settings, self.maps)

    def _write(
        self, name: str, plan: Plan | None, predicted: Predicted | None, ran: Ran, tries: int, cpu_s: float
    ) -> None:
        task, job = self.task, next(iter(self.chooser.jobs.values()))
        record = Record(
            job=task.name,
            shape=task.shape,
            area_cm2=task.area_cm2,
            elements=job.elements,
            cells=job.cells,
            operators=int(np.unique(job.lengths).size),
            dense_gb=job.dense_bytes / 2**30,
            layer_s=job.layer_s,
            spreading_s=job.spreading_s,
            system=name,
            fingerprint=task.fingerprint(self.platform),
            plan=plan,
            predicted=predicted,
            tries=tries,
            layers=self._runs(ran),
            cost_usd=ran.cost_usd,
            warm_usd=ran.warm_usd,
            requests=ran.requests,
            guesses=ran.guesses,
            guesses_right=ran.guesses_right,
            in_vain=ran.in_vain,
            leads_ms=tuple(round(lead, 4) for lead in ran.leads_ms),
            cold_starts=ran.cold_starts,
            spared=ran.spared,
            cpu_s=round(cpu_s, 3),
        )
        write_record(record_file(Path(task.folder), task.name, name), record)

    def _runs(self, ran: Ran) -> tuple[LayerRun, ...]:
        """Return the layers with the share of their windows that float64 decides alike."""
        return tuple(
            msgspec.structs.replace(run, equal_share=float(np.mean(np.equal(order, known))))
            for run, order, known in zip(ran.layers, ran.orders, self.orders, strict=False)
        )


def _order(part: Part, layer: int, map_K: NDArray[np.float32], operator: Operator) -> list[int]:
    geometry = part.geometry_of(layer)
    scan = SmartScan(geometry, part.process)
    theta = scan.theta_from_map(map_K)
    scanned = np.zeros(len(geometry.cells), dtype=np.bool_)
    order: list[int] = []
    for _ in range(scanned.size):
        cell = scan.choose(theta, scanned)
        scanned[cell] = True
        order.append(cell)
        theta = scan.advance(operator.apply(int(geometry.lengths[cell]), theta), cell)
    return order
