"""The tables of a recording: a row a window, or a row a layer. Typed, units in the names, times with their zone."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from agent.recorder.channels import Decision, Event, Window
from agent.recorder.reading import Recording


class WindowRow(msgspec.Struct, frozen=True, kw_only=True):
    """A window as it was printed."""

    job: str
    layer: int
    window: int
    cell: int
    source: str
    """`coordinator` or `fallback`."""
    outcome: str
    epoch: int
    slack_ms: float
    """Time left until the deadline at the hand-over."""
    guard_ms: float
    decided_ms_ahead: float | None
    """How long before the deadline the decision had come."""
    compute_ms: float | None
    """What the decision took the coordinator."""
    loop_lag_ms: float
    deadline: datetime
    started: datetime
    finished: datetime
    window_ms: float
    """How long the cell was scanned."""
    link: str
    uniformity_predicted: float | None
    """R predicted for the window's end, without unit."""
    fallback_order: str
    cause: str


class LayerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A layer as it was printed. What was not recorded, because the recording was cut short, is empty."""

    job: str
    layer: int
    map_from: str
    """`camera`, `predicted` or `ambient`; empty where there is no map."""
    elements: int | None
    map_min_K: float | None
    map_mean_K: float | None
    map_max_K: float | None
    spreading_s: float | None
    ready: datetime | None
    """When its powder lay."""
    started: datetime | None
    """When its first cell began."""
    finished: datetime | None
    """When its last cell ended."""
    windows: int
    on_time: int
    fallbacks: int
    slack_ms_min: float | None
    slack_ms_mean: float | None
    epochs: int | None
    first_cell_ms: float | None
    """From the layer being ready to its first cell."""
    starved_ms: float | None
    """How long the laser stood still for want of a cell."""
    workers: int | None
    workers_cold: int | None


def window_rows(recording: Recording) -> Iterator[WindowRow]:
    """Yield every window, in the order printed."""
    when = _Clock(recording)
    taken: dict[tuple[int, int, int], Decision] = {}
    for timed in recording.messages:
        message = timed.message
        if isinstance(message, Decision) and not message.drop:
            taken[message.layer, message.window, message.cell] = message
        if not isinstance(message, Window):
            continue
        decision = taken.get((message.layer, message.window, message.cell))
        decided = decision is not None and message.source == "coordinator"
        yield WindowRow(
            job=recording.header.job,
            layer=message.layer,
            window=message.window,
            cell=message.cell,
            source=message.source,
            outcome=message.outcome,
            epoch=message.epoch,
            slack_ms=message.slack_ms,
            guard_ms=message.guard_ms,
            decided_ms_ahead=message.decided_ms_ahead,
            compute_ms=decision.compute_ms if decision is not None and decided else None,
            loop_lag_ms=message.loop_lag_ms,
            deadline=when.at(message.deadline_s),
            started=when.at(message.started_s),
            finished=when.at(message.finished_s),
            window_ms=round((message.finished_s - message.started_s) * 1e3, 3),
            link=message.link,
            uniformity_predicted=message.uniformity_predicted,
            fallback_order=message.fallback_order,
            cause=message.cause,
        )


def layer_rows(recording: Recording) -> Iterator[LayerRow]:
    """Yield every layer of which something is recorded, in order."""
    when = _Clock(recording)
    events: dict[tuple[int, str], tuple[float, Event]] = {
        (event.layer, event.kind): (at_s, event) for at_s, event in recording.events if event.layer is not None
    }
    windows: dict[int, list[Window]] = {}
    for window in recording.windows:
        windows.setdefault(window.layer, []).append(window)
    maps = recording.maps
    for layer in recording.layers:
        yield _layer_row(recording, layer, windows.get(layer, []), events, when, has_map=layer in maps)


def _layer_row(
    recording: Recording,
    layer: int,
    windows: Sequence[Window],
    events: dict[tuple[int, str], tuple[float, Event]],
    when: _Clock,
    *,
    has_map: bool,
) -> LayerRow:
    def said(kind: str, key: str) -> Any:
        found = events.get((layer, kind))
        return None if found is None else found[1].values.get(key)

    map_K = recording.map_K(layer) if has_map else None
    ready = events.get((layer, "layer_ready"))
    on_time = sum(window.source == "coordinator" for window in windows)
    slacks_ms = [window.slack_ms for window in windows]
    return LayerRow(
        job=recording.header.job,
        layer=layer,
        map_from=recording.maps[layer].map_from if has_map else "",
        elements=None if map_K is None else map_K.size,
        map_min_K=None if map_K is None else float(map_K.min()),
        map_mean_K=None if map_K is None else float(map_K.mean(dtype=float)),
        map_max_K=None if map_K is None else float(map_K.max()),
        spreading_s=said("spreading", "seconds"),
        ready=None if ready is None else when.at(ready[0]),
        started=when.at(windows[0].started_s) if windows else None,
        finished=when.at(windows[-1].finished_s) if windows else None,
        windows=len(windows),
        on_time=on_time,
        fallbacks=len(windows) - on_time,
        slack_ms_min=min(slacks_ms, default=None),
        slack_ms_mean=round(sum(slacks_ms) / len(slacks_ms), 3) if slacks_ms else None,
        epochs=said("layer_done", "epochs"),
        first_cell_ms=said("layer_done", "first_cell_ms"),
        starved_ms=said("layer_done", "starved_ms"),
        workers=said("warm", "workers"),
        workers_cold=said("warm", "cold"),
    )


def columns_of(kind: type[WindowRow | LayerRow]) -> dict[str, type]:
    """Return name and type of every column: str, int, float or datetime."""
    kinds: dict[str, type] = {}
    for name, annotation in typing.get_type_hints(kind).items():
        (plain,) = [each for each in (typing.get_args(annotation) or (annotation,)) if each is not type(None)]
        kinds[name] = plain
    return kinds


class _Clock:
    """Seconds of a recording as times of day, UTC."""

    def __init__(self, recording: Recording) -> None:
        self._began = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=recording.header.started_ns // 1000)

    def at(self, seconds: float) -> datetime:
        return self._began + timedelta(seconds=seconds)
