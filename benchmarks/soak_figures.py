"""What a soak's samples come to: flat or not, a table and a picture."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from cloud.agent_bench.usage import Usage

WARM_UP = 0.3
"""Share of the time that is not judged: caches fill, every fault happens for the first time."""

GROWTH_MAX = 0.05


@dataclass(frozen=True, slots=True)
class Sample:
    """What one process used at one moment, seconds since the beginning."""

    at_s: float
    name: str
    pid: int
    usage: Usage


@dataclass(frozen=True, slots=True)
class Flatness:
    """A process after the warm-up: medians of the first and of the last third.

    Attributes:
        name: of the process.
        resident_mb: resident memory, MB, first and last.
        own_mb: memory that it shares with nobody, MB, first and last.
        descriptors: open descriptors, first and last.
        flat: whether memory grew by at most 5 % and descriptors by at most one.
    """

    name: str
    resident_mb: tuple[float, float]
    own_mb: tuple[float, float]
    descriptors: tuple[float, float]
    flat: bool

    @property
    def text(self) -> str:
        """In words."""
        growth = self.own_mb[1] / self.own_mb[0] - 1.0
        return (
            f"{self.name}: own memory {self.own_mb[0]:.1f} to {self.own_mb[1]:.1f} MB ({growth:+.1%}),"
            f" descriptors {self.descriptors[0]:g} to {self.descriptors[1]:g}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def flat(samples: Sequence[Sample], victims: Collection[str] = ()) -> list[Flatness]:
    """Return how flat each process was that lived all the time; `victims` were killed on purpose."""
    last_s = max((sample.at_s for sample in samples), default=0.0)
    found = []
    for name in dict.fromkeys(sample.name for sample in samples if sample.name not in victims):
        own = [sample.usage for sample in samples if sample.name == name and sample.at_s >= WARM_UP * last_s]
        third = max(1, len(own) // 3)
        first, last = own[:third], own[-third:]
        resident, private, descriptors = (
            tuple(round(median(getattr(use, value) for use in part), 2) for part in (first, last))
            for value in ("resident_mb", "own_mb", "descriptors")
        )
        steady = all(after <= before * (1 + GROWTH_MAX) for before, after in (resident, private))
        found.append(
            Flatness(name, resident, private, descriptors, steady and descriptors[1] <= descriptors[0] + 1)
        )
    return found


def write_csv(path: Path, samples: Sequence[Sample]) -> None:
    """Write every sample."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["at_s", "process", "pid", "resident_mb", "own_mb", "cpu_s", "descriptors"])
        for one in samples:
            use = one.usage
            figures = [f"{use.resident_mb:.3f}", f"{use.own_mb:.3f}", use.cpu_s, use.descriptors]
            table.writerow([f"{one.at_s:.1f}", one.name, one.pid, *figures])


def plot(path: Path, samples: Sequence[Sample], struck: Sequence[tuple[float, str]]) -> None:
    """Draw memory and descriptors over time, and when faults struck."""
    import matplotlib as mpl  # noqa: PLC0415  an extra

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, (memory, descriptors) = plt.subplots(2, 1, figsize=(9, 5), sharex=True, height_ratios=[2, 1])
    for name in dict.fromkeys(sample.name for sample in samples):
        own = [sample for sample in samples if sample.name == name]
        minutes = [sample.at_s / 60 for sample in own]
        memory.plot(minutes, [sample.usage.own_mb for sample in own], label=name, linewidth=1)
        descriptors.plot(minutes, [sample.usage.descriptors for sample in own], linewidth=1)
    memory.plot([at_s / 60 for at_s, _ in struck], [0.0] * len(struck), "|", color="0.6", label="a fault")
    memory.set_ylabel("own memory, MB")
    memory.set_ylim(bottom=0)
    memory.legend(loc="lower right", ncols=3, fontsize="small")
    descriptors.set_ylabel("descriptors")
    descriptors.set_xlabel("minutes")
    descriptors.set_ylim(bottom=0)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
