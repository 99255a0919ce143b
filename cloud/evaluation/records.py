"""What one system took and cost on one job: predicted by the planner, and simulated. A small JSON file each."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from cloud.plans import Plan
from cosmic.errors import InputError


class Predicted(msgspec.Struct, frozen=True, kw_only=True):
    """What the planner's model says of a plan.

    Attributes:
        feasible: the plan keeps what was asked of it.
        runtime_s: of a layer, mean over the draws.
        cost_usd: of a layer with its spreading.
        components: of both, by name.
    """

    feasible: bool
    runtime_s: float
    cost_usd: float
    components: dict[str, float] = {}


class LayerRun(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated layer.

    Attributes:
        runtime_s: from the map to the last product.
        late_windows: windows whose decision was not there when it was needed.
        lateness_s: of the latest decision, negative where all were in time.
        equal_share: of the windows, those with the cell that float64 decides from the same map.
    """

    runtime_s: float
    late_windows: int
    lateness_s: float
    equal_share: float


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One system on one job.

    Attributes:
        job: `segmented-gear-16cm2`.
        system: what ran; see cloud.evaluation.systems.
        fingerprint: of everything that the figures depend on: a record of another one is made again.
        layer_s: time of scanning a layer, s.
        plan: what ran; None where nothing fits into memory, and for `inline`.
        predicted: by the planner; None likewise.
        tries: plans simulated until one kept the layer's time.
        layers: what was simulated.
        cost_usd: of a layer with its spreading, beside the coordinator's machine.
        warm_usd: of it, dummy requests and what they found cold.
        guesses, guesses_right: groups guessed, over all layers.
        in_vain: groups invoked and not needed.
        leads_ms: of groups invoked ahead: ready minus needed.
        cold_starts: environments that were gone, after the first load.
        spared: windows that the coordinator computed itself.
        cpu_s: of this machine, for all of it.
    """

    job: str
    shape: str
    area_cm2: float
    elements: int
    cells: int
    operators: int
    dense_gb: float
    layer_s: float
    spreading_s: float
    system: str
    fingerprint: str
    plan: Plan | None
    predicted: Predicted | None
    tries: int
    layers: tuple[LayerRun, ...]
    cost_usd: float
    warm_usd: float = 0.0
    requests: int = 0
    guesses: int = 0
    guesses_right: int = 0
    in_vain: int = 0
    leads_ms: tuple[float, ...] = ()
    cold_starts: int = 0
    spared: int = 0
    cpu_s: float = 0.0

    @property
    def runtime_s(self) -> float:
        """Mean runtime of a layer, s; infinite where nothing ran."""
        return sum(run.runtime_s for run in self.layers) / len(self.layers) if self.layers else float("inf")

    @property
    def in_time(self) -> bool:
        """Every layer's order took no longer than scanning it: the paper's rule (section 4.2)."""
        return bool(self.layers) and all(run.runtime_s <= self.layer_s for run in self.layers)

    @property
    def every_window(self) -> bool:
        """Every decision was there before its window."""
        return bool(self.layers) and all(run.late_windows == 0 for run in self.layers)


def record_file(folder: Path, job: str, system: str) -> Path:
    """Return the file of a record."""
    return folder / "records" / job / f"{system}.json"


def read_record(file: Path, fingerprint: str | None = None) -> Record | None:
    """Return a record; None where there is none, or one of another fingerprint, or half of one."""
    try:
        record = msgspec.json.decode(file.read_bytes(), type=Record)
    except (OSError, msgspec.MsgspecError):
        return None
    return record if fingerprint in {None, record.fingerprint} else None


def write_record(file: Path, record: Record) -> None:
    """Write a record whole or not at all. Raises InputError where it cannot be written."""
    partial = file.with_suffix(f".{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1))
        partial.replace(file)
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}", where=str(file), remedy="check folder, space and permissions"
        ) from error
