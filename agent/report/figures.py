"""What a report says in figures: one Struct, units in its names; `report --json` prints it. Values only."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np


class _Value(msgspec.Struct, frozen=True, kw_only=True):
    """What all values share."""


class Job(_Value, frozen=True, kw_only=True):
    """What was printed by whom, and when. Times: seconds since the recording began."""

    job: str
    part: str
    digest: str
    printer: str
    started: str
    """UTC, RFC 3339."""
    duration_s: float
    """Until the last thing that was recorded."""
    layers_planned: int | None
    """None where the job's beginning is not recorded."""
    ended: bool
    """Whether the end of the job is recorded."""
    reason: str
    """Why it ended, in the machine's words."""
    engine: str
    """Where the coordinator applied the operators; empty where none answered."""
    agent: str
    protocol: str
    format: int
    faults: list[str]
    """What the machine reported."""


class Slack(_Value, frozen=True, kw_only=True):
    """The slack of windows, ms: time left until the deadline when the cell was handed over.

    A layer's first window has another deadline, and is left out.
    """

    windows: int
    late: int
    """Handed over after the cell before had ended: the laser waited."""
    min_ms: float | None
    p1_ms: float | None
    p5_ms: float | None
    median_ms: float | None
    p95_ms: float | None
    guard_ms: float | None
    """How long before the end of the cell before the deadline lies."""


class FallbackGroup(_Value, frozen=True, kw_only=True):
    """Windows that were not scanned as the coordinator decided, of one cause."""

    outcome: str
    cause: str
    remedy: str
    windows: int
    layers: list[int]
    orders: list[str]
    """The fallback orders that chose."""
    first_layer: int
    first_window: int


class LinkStretch(_Value, frozen=True, kw_only=True):
    """A time in which the link was up, or down and why."""

    from_s: float
    to_s: float
    up: bool
    text: str


class Workers(_Value, frozen=True, kw_only=True):
    """What keep-warm told in a layer."""

    layer: int | None
    workers: int
    cold: int
    reloaded: int


class Uniformity(_Value, frozen=True, kw_only=True):
    """R after every window of a layer, from the layer's first map, without unit (divided by T_melt).

    `printed`: the order that was printed. `random_low` and `random_high`: of the random orders, window by window.
    """

    printed: list[float]
    random_mean: list[float] | None = None
    random_low: list[float] | None = None
    random_high: list[float] | None = None
    sequential: list[float] | None = None


class MapFigures(_Value, frozen=True, kw_only=True):
    """A map in figures, kelvin."""

    min_K: float
    mean_K: float
    max_K: float


class Layer(_Value, frozen=True, kw_only=True):
    """A layer as it was printed. `None`: not recorded, or it needs the part."""

    layer: int
    cells: int | None
    order: list[int]
    """Cells, in the order printed, as far as it is recorded without a gap."""
    windows: int
    """Those that are recorded."""
    on_time: int
    fallback_windows: list[int]
    complete: bool | None
    """Whether every cell was scanned, as far as is known."""
    map_from: str
    map_cause: str
    """Why the map is not the camera's."""
    map_before: MapFigures | None
    map_after: MapFigures | None
    """Predicted."""
    uniformity: Uniformity | None
    uniformity_told: float | None
    """R at the layer's end as the coordinator predicted it."""
    uniformity_error: float | None
    """Largest difference between the R that the coordinator told and the one computed here."""
    slack_min_ms: float | None
    slack_median_ms: float | None
    compute_median_ms: float | None
    """What a decision took the coordinator."""
    first_cell_ms: float | None
    starved_ms: float | None
    epochs: int | None
    note: str
    """What could not be computed, and why."""


class Comparison(_Value, frozen=True, kw_only=True):
    """Mean R of the order printed beside that of other orders, over the layers for which both were computed."""

    normaliser_K: float
    """T_melt: what R is divided by."""
    operator: str
    """How maps were carried: variant, tolerance, precision."""
    layers: list[int]
    random_orders: int
    seed: int
    printed: float | None
    random: float | None
    sequential: float | None


class Report(_Value, frozen=True, kw_only=True):
    """Everything that a report says."""

    job: Job
    verdict: list[str]
    tone: str
    """`good`, `warn` or `bad`."""
    windows: int
    on_time: int
    outcomes: dict[str, int]
    slack: Slack
    fallbacks: list[FallbackGroup]
    link: list[LinkStretch]
    has_coordinator: bool
    losses: int
    decisions: int
    dropped: dict[str, int]
    """Decisions that did not count, by reason."""
    workers: list[Workers]
    comparison: Comparison | None
    layers: list[Layer]
    problems: list[str]
    """What is missing or damaged in the recording."""
    missing: list[str]
    """What the report does not show, and why."""


def slack_of(slacks_ms: Sequence[float], guards_ms: Sequence[float]) -> Slack:
    """Return the figures of slacks, ms."""
    guard_ms = max(guards_ms, default=None)
    if not slacks_ms:
        return Slack(
            windows=0, late=0, min_ms=None, p1_ms=None, p5_ms=None, median_ms=None, p95_ms=None, guard_ms=guard_ms
        )
    p1, p5, p50, p95 = (round(float(each), 3) for each in np.percentile(slacks_ms, (1, 5, 50, 95)))
    return Slack(
        windows=len(slacks_ms),
        late=sum(each < -(guard_ms or 0.0) for each in slacks_ms),
        min_ms=round(min(slacks_ms), 3),
        p1_ms=p1,
        p5_ms=p5,
        median_ms=p50,
        p95_ms=p95,
        guard_ms=guard_ms,
    )
