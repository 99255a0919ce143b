"""What-if: one figure of platform, job or space varied over a range, and the best plan for each of its values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cloud.planner.compare import comparison
from cloud.planner.job import Job
from cloud.planner.model import Model
from cloud.planner.platform import read_platform
from cloud.planner.search import Found, Limits, Objective, search
from cloud.planner.spaces import Space
from cosmic.errors import ConfigurationError, UsageError

VALUES_MAX = 100
"""Values of a range at most."""

SPACE_KEYS = ("memory_mb", "precision")
"""What is varied of the space: the size of a function, the precision of blocks and vectors."""

UNITS = {
    "speed_mm_s": "mm/s", "layer_s": "s", "spreading_s": "s", "memory_mb": "MB",
    "gb_second": "USD", "request": "USD",
    "machine_hour": "USD", "machine_gb": "GB", "coordinator_bytes_s": "bytes/s", "worker_bytes_s": "bytes/s",
    "precision": "",
}  # fmt: skip

NAMES = {
    "speed_mm_s": "speed of the laser", "layer_s": "time of scanning a layer", "spreading_s": "time of spreading",
    "memory_mb": "memory of a function", "gb_second": "price of a GB for a second", "request": "price of a request",
    "machine_hour": "price of a machine for an hour", "machine_gb": "memory of a machine",
    "precision": "precision of values",
    "coordinator_bytes_s": "bandwidth of the coordinator", "worker_bytes_s": "bandwidth of a worker",
}  # fmt: skip

MEMORY_MB = (128, 10_240)
"""Sizes that a function may have, MiB (design: figures.md, AWS limits)."""


@dataclass(frozen=True, slots=True)
class Range:
    """A figure and the values that it takes."""

    key: str
    values: tuple[float | str, ...]

    @property
    def name(self) -> str:
        """In words."""
        return NAMES.get(self.key, self.key)

    @property
    def label(self) -> str:
        """In words, with its unit."""
        return f"{self.name}, {self.unit}" if self.unit else self.name

    @property
    def unit(self) -> str:
        """Of the values, empty for none; the ending of the key says it where it is not listed."""
        return UNITS.get(
            self.key, self.key.rsplit("_", 1)[-1] if self.key.endswith(("_ms", "_s", "_mb", "_gb")) else ""
        )


@dataclass(frozen=True, slots=True)
class Tried:
    """The best plans for one value.

    Attributes:
        value: of the figure.
        layer_s: time of scanning the layer, s.
        found: of Cosmic and of machines, by strategy.
    """

    value: float | str
    layer_s: float
    found: dict[str, Found]


def split_changes(words: Sequence[str]) -> tuple[list[str], Range | None]:
    """Return the single changes, and the one range among them, None where there is none.

    A range is `key=a,b,c`, or `key=from:to:count`; `memory_mb` and `precision` are varied in any case.

    Raises:
        UsageError: there are two ranges, or one is not written like that.
    """
    single, ranges = [], []
    for word in words:
        key, _, text = word.partition("=")
        key = key.strip()
        if "," in text or ":" in text or key in SPACE_KEYS:
            ranges.append(Range(key, _values(key, text)))
        else:
            single.append(word)
    if len(ranges) > 1:
        raise UsageError(
            f"{' and '.join(one.key for one in ranges)} are both varied",
            where="--what-if",
            remedy="vary one figure at a time; give the other one value",
        )
    return single, ranges[0] if ranges else None


def vary(
    job: Job,
    profile: str,
    prices: Path | None,
    changes: Sequence[str],
    over: Range,
    space: Space,
    *,
    objective: Objective = "cost",
    limits: Limits | None = None,
    seed: int = 0,
    told: Callable[[str, int, int], None] = lambda *_: None,
) -> list[Tried]:
    """Return the best plans for every value of a range. Raises ConfigurationError where one is not possible."""
    tried = []
    for number, value in enumerate(over.values):
        told(over.key, number, len(over.values))
        searched, changed = _space(space, over.key, value), list(changes)
        if over.key not in SPACE_KEYS:
            changed.append(f"{over.key}={value!r}")
        platform, of_job = read_platform(profile, prices, changed)
        now = job.with_changes(**of_job)
        model = Model(now, platform, seed)
        found = {
            "cosmic": search(model, searched, objective, limits),
            "vm": comparison(model, "vm", objective, limits),
        }
        tried.append(Tried(value, now.layer_s, found))
    told(over.key, len(over.values), len(over.values))
    return tried


def tradeoff_document(over: Range, tried: Sequence[Tried]) -> dict[str, Any]:
    """Return the range as a JSON document."""
    return {
        "key": over.key,
        "unit": over.unit,
        "points": [
            {
                "value": one.value,
                "layer_s": round(one.layer_s, 6),
                "alternatives": {name: _entry(name, found) for name, found in one.found.items()},
            }
            for one in tried
        ],
    }


def tradeoff_rows(tried: Sequence[Tried]) -> list[tuple[str, ...]]:
    """Return the table of a range; see `TRADEOFF_COLUMNS`."""
    rows: list[tuple[str, ...]] = []
    for one in tried:
        value = one.value if isinstance(one.value, str) else f"{one.value:g}"
        own, machines = one.found["cosmic"], one.found["vm"]
        shown = _money(machines)
        if own.point is None or own.estimate is None:
            rows.append((value, f"{one.layer_s:.2f} s", "fits no memory", "-", "-", "-", "-", "-", shown))
            continue
        point, estimate = own.point, own.estimate
        rows.append(
            (
                value,
                f"{one.layer_s:.2f} s",
                _money(own),
                f"{estimate.runtime_s:.2f} s",
                f"{point.pattern.groups} x {point.rows}x{point.columns}",
                point.mode,
                f"{point.memory_mb:,}",
                point.precision,
                shown,
            )
        )
    return rows


TRADEOFF_COLUMNS = ("layer", "USD a layer", "runtime", "groups x blocks", "mode", "MB", "values", "vm, USD a layer")
"""Columns of `tradeoff_rows`, after the varied figure's own."""


def _money(found: Found) -> str:
    if found.estimate is None:
        return "fits no memory"
    return f"{found.estimate.cost_usd:.5f}" if found.feasible else "late"


def _entry(name: str, found: Found) -> dict[str, Any]:
    from cloud.planner.report import plan_entry  # noqa: PLC0415  the report shows ranges as well

    return plan_entry(name, found)


def _values(key: str, text: str) -> tuple[float | str, ...]:
    parts = [part.strip() for part in text.split(",")]
    if key == "precision":
        if not parts or any(part not in {"float64", "float32"} for part in parts):
            raise UsageError(f"'{text}' are no precisions", where="--what-if", remedy="precision=float64,float32")
        return tuple(parts)
    try:
        if ":" in text:
            first, last, count = text.split(":")
            values = np.linspace(float(first), float(last), min(max(int(count), 0), VALUES_MAX + 1)).tolist()
        else:
            values = [float(part) for part in parts]
    except ValueError:
        values = [math.nan]
    if not all(math.isfinite(value) for value in values) or not 0 < len(values) <= VALUES_MAX:
        raise UsageError(
            f"'{key}={text}' is no range",
            where="--what-if",
            why=f"it has 1 to {VALUES_MAX} values",
            remedy=f"write {key}=400,600,800 or {key}=400:1200:9 (from, to, how many)",
        )
    return tuple(float(f"{value:.6g}") for value in values)


def _space(space: Space, key: str, value: float | str) -> Space:
    if key == "precision":
        return replace(space, precisions=(value,))  # type: ignore[arg-type]
    if key == "memory_mb":
        if isinstance(value, str) or not MEMORY_MB[0] <= value <= MEMORY_MB[1]:
            raise ConfigurationError(
                f"memory_mb = {value} is not possible",
                where="--what-if",
                remedy=f"a function has {MEMORY_MB[0]} to {MEMORY_MB[1]:,} MB",
            )
        return replace(space, memories_mb=(round(value),))
    return space
