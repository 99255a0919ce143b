"""What `/api/state` answers, and what every update of the live page carries: one Struct, units in its names."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["alarm", "warning"]


class _Value(msgspec.Struct, frozen=True, kw_only=True):
    """What all values share."""


class Alarm(_Value, frozen=True, kw_only=True):
    """Something that a person should know of."""

    kind: str
    """`machine_fault`, `link_down`, `fallbacks`, `late`, `no_frame`, `recording_stopped` or `loop_lag`."""
    level: Level
    text: str
    """What is wrong and why, in words."""
    remedy: str
    """What to do about it."""


class Job(_Value, frozen=True, kw_only=True):
    """The job in progress, or the one that ended last. `reason`: why it ended, empty while it goes on."""

    name: str
    part: str
    digest: str
    layers: int
    layers_done: int
    windows: int
    fallbacks: int
    reason: str


class Layer(_Value, frozen=True, kw_only=True):
    """The layer in progress, or the one that ended last."""

    layer: int
    """Number, from 0."""
    geometry: int
    """Number of its geometry: `/api/geometry/<number>` has its cells."""
    cells: int
    """Cells, as many as windows."""
    printed: int
    """Cells that have started."""
    fallbacks: int
    """Windows that the fallback order decided."""
    map_version: int
    """Changes with every map: `/api/map` has it. 0: none yet."""
    map_from: str
    """`camera`, `predicted` or `ambient`; empty while there is no map."""
    map_min_K: float | None
    map_max_K: float | None
    uniformity: float | None
    """R predicted for the end of the window decided last (divided by T_melt); null where it was not said."""
    epoch: int
    """How often the printed order left the decided one, or the coordinator was joined anew."""
    ended: bool


class Window(_Value, frozen=True, kw_only=True):
    """The window in progress."""

    window: int
    cell: int
    length_ms: float
    """How long the cell takes."""
    left_ms: float
    """How much of it is left; negative: the cell should have ended."""
    layer_left_s: float
    """How long the layer's other cells take."""


class Link(_Value, frozen=True, kw_only=True):
    """The link to the coordinator."""

    link: Literal["up", "down", "none"]
    """`none`: no coordinator is configured."""
    engine: str
    cause: str
    """Why it is down."""
    losses: int
    """How often it was lost since the agent's start."""
    loading_percent: int


class Workers(_Value, frozen=True, kw_only=True):
    """What keep-warm found before `layer`."""

    layer: int
    workers: int
    warm: int
    """Workers that had their state."""
    cold: int
    """Workers that had lost it."""
    reloaded: int
    """Of these, workers that were loaded again."""


class Slack(_Value, frozen=True, kw_only=True):
    """Time left until the deadline at the hand-over, of the last hundred windows."""

    windows: int
    min_ms: float | None
    median_ms: float | None
    ahead_ms_median: float | None
    """How long before its deadline a decision came."""
    guard_ms: float


class AgentState(_Value, frozen=True, kw_only=True):
    """Everything about one printer, now."""

    time: str
    """UTC, RFC 3339: a label."""
    version: str
    printer: str
    state: str
    """`idle`, `loading`, `warming`, `printing`, `degraded` or `fault`."""
    ready: str
    """Why the printer is not ready to print as configured; empty where it is."""
    job: Job | None
    layer: Layer | None
    window: Window | None
    spreading_left_s: float | None
    """How long powder is still being laid; null while a layer is scanned."""
    link: Link
    workers: Workers | None
    slack: Slack
    decisions_waiting: int
    """Windows in a row from the next one on whose decision waits at the printer."""
    recording: Literal["on", "off", "stopped"]
    loop_lag_ms: float
    """Latest that a timer of the agent was in the last hundred windows."""
    alarms: list[Alarm]


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One window, as a row of the page's table and timeline."""

    layer: int
    window: int
    cell: int
    outcome: str
    """`on_time`, or `fallback_` and the cause: `timeout`, `disconnected`, `rejected`, `machine`."""
    slack_ms: float
    ahead_ms: float | None
    cause: str


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """One update of the page."""

    state: AgentState
    first_row: int
    """Number of the first of `rows`, counted from the agent's start."""
    rows: list[Row]
    order: list[int] | None = None
    """All cells of the layer in progress so far, in order: in the first update after connecting."""
    fallback_windows: list[int] | None = None
    """Those of its windows that the fallback order decided: with `order`."""
