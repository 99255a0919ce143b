"""What the coordinator's `/api/state` and `/api/printers/<name>` answer. Units in the names."""

from __future__ import annotations

from typing import Literal

import msgspec


class _Value(msgspec.Struct, frozen=True, kw_only=True):
    """What all values share."""


class Alarm(_Value, frozen=True, kw_only=True):
    """Something that a person should know of."""

    kind: str
    """`not_ready`, `refused`, `behind` or `workers_cold`."""
    level: Literal["alarm", "warning"]
    text: str
    """What is wrong and why, in words."""
    remedy: str
    """What to do about it."""


class Cost(_Value, frozen=True, kw_only=True):
    """What a job has used."""

    dollars: float
    gb_seconds: float
    requests: int
    final: bool
    """True when the job is closed and this is its bill."""


class PrinterState(_Value, frozen=True, kw_only=True):
    """One printer, as the coordinator knows it."""

    printer: str
    connected: bool
    state: Literal["deciding", "ready", "opening", "away"]
    """`deciding` on a layer, `ready` between layers, `opening` a job, `away`: not connected."""
    seen: str
    """When it was heard of last, UTC: a label."""
    job: str
    part: str
    engine: str
    layers: int
    layer: int | None
    """The layer being decided, from 0."""
    geometry: int
    cells: int
    printed: int
    """Windows of the layer that are printed."""
    decided: int
    """Windows of the layer that are printed or decided."""
    ahead: int
    """Windows decided ahead of the one being scanned."""
    lookahead: int | None
    """Windows that may be decided ahead; null: the whole layer."""
    epoch: int
    windows: int
    """Windows of the job that were reported as printed."""
    fallbacks: int
    """Those of them that the printer's fallback order decided."""
    workers: dict[str, int]
    """Workers of the part's engine by state."""
    cold: int
    """Workers that keep-warm found cold last."""
    reloaded: int
    cost: Cost | None
    """Null where nothing is billed."""
    refused: str
    """Why the last job or layer was refused; empty after one was taken."""


class LayerRow(msgspec.Struct, frozen=True, array_like=True):
    """A layer that is over."""

    layer: int
    outcome: str
    windows: int
    decided: int
    fallbacks: int | None
    compute_ms_median: float | None
    uniformity: float | None


class CoordinatorState(_Value, frozen=True, kw_only=True):
    """Everything about one coordinator, now."""

    time: str
    """UTC, RFC 3339: a label."""
    version: str
    listening: str
    """Where printers connect."""
    engine: str
    """The engine that is configured."""
    ready: str
    """Why no printer can be served; empty where one can."""
    parts_loaded: int
    connections: int
    decisions: int
    """Decisions since the start."""
    decision_ms_mean: float | None
    """What one took, over all since the start."""
    product_ms_mean: float | None
    """What a product of an operator took, over all since the start."""
    dollars: float
    """Bills of jobs closed since the start, and what jobs under way have used."""
    gb_seconds: float
    loop_standstill_ms: float
    """Longest standstill of the coordinator's loop in the last ten seconds."""
    printers: list[PrinterState]
    alarms: list[Alarm]


class PrinterDetail(_Value, frozen=True, kw_only=True):
    """One printer with the layer being decided."""

    printer: PrinterState
    order: list[int]
    """Printed and decided cells, by window."""
    map_version: int
    """Changes with every map; 0: none."""
    layers: list[LayerRow]
    """Layers of the job that are over, the newest last, fifty at most."""
    alarms: list[Alarm]
