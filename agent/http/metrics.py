"""The agent's metrics: their declarations, and their values now. Durations in seconds, as Prometheus wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.http.live import AHEAD_BOUNDS_S, LAG_BOUNDS_S, SLACK_BOUNDS_S
from agent.keeper import Drop, Outcome
from agent.status import State
from cosmic import __version__
from cosmic.web.counts import Kind, Metric

if TYPE_CHECKING:
    from agent.http.view import View
    from cosmic.web.metrics import Sample

GAUGE, COUNTER, HISTOGRAM = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM

METRICS = (
    Metric("cosmic_agent_info", GAUGE, "1; the labels say which printer and version.", ("printer", "version")),
    Metric("cosmic_agent_state", GAUGE, "1 for the state that the printer is in, 0 for the others.", ("state",)),
    Metric("cosmic_agent_ready", GAUGE, "1 while the printer is ready to print as configured."),
    Metric("cosmic_agent_machine_fault", GAUGE, "1 while the machine reports a fault."),
    Metric("cosmic_agent_alarms", GAUGE, "Alarms and warnings that stand.", ("level",)),
    Metric("cosmic_agent_windows_total", COUNTER, "Windows, by how they got their cell.", ("outcome",)),
    Metric(
        "cosmic_agent_slack_seconds",
        HISTOGRAM,
        "Time left until the deadline when a cell was handed over; in the first bucket it was late.",
        buckets=SLACK_BOUNDS_S,
    ),
    Metric(
        "cosmic_agent_decision_ahead_seconds",
        HISTOGRAM,
        "How long before its deadline a decision had come.",
        buckets=AHEAD_BOUNDS_S,
    ),
    Metric(
        "cosmic_agent_loop_lag_seconds",
        HISTOGRAM,
        "Latest that a timer of the agent was, once a window.",
        buckets=LAG_BOUNDS_S,
    ),
    Metric("cosmic_agent_decisions_waiting", GAUGE, "Windows in a row whose decision waits at the printer."),
    Metric("cosmic_agent_decisions_dropped_total", COUNTER, "Decisions that did not count, by cause.", ("cause",)),
    Metric("cosmic_agent_link_up", GAUGE, "1 while the coordinator has the job; absent where none is configured."),
    Metric("cosmic_agent_link_losses_total", COUNTER, "How often the link to the coordinator was lost."),
    Metric("cosmic_agent_workers", GAUGE, "What keep-warm found last.", ("state",)),
    Metric("cosmic_agent_layer", GAUGE, "The layer in progress, or the one that ended last, from 0."),
    Metric("cosmic_agent_layer_cells", GAUGE, "Cells of that layer."),
    Metric("cosmic_agent_layer_printed_cells", GAUGE, "Cells of it that have started."),
    Metric("cosmic_agent_layer_uniformity_ratio", GAUGE, "R predicted for it, divided by T_melt."),
    Metric("cosmic_agent_layer_map_min_kelvin", GAUGE, "Lowest temperature of its map."),
    Metric("cosmic_agent_layer_map_max_kelvin", GAUGE, "Highest temperature of its map."),
    Metric("cosmic_agent_layers_total", COUNTER, "Layers that have ended."),
    Metric("cosmic_agent_starved_seconds_total", COUNTER, "How long the laser stood still for want of a cell."),
    Metric("cosmic_agent_frames_missing_total", COUNTER, "Layers that started without a map of the camera."),
    Metric("cosmic_agent_job_layers", GAUGE, "Layers of the job."),
    Metric("cosmic_agent_job_layers_done", GAUGE, "Layers of it that have ended."),
    Metric("cosmic_agent_recording_stopped", GAUGE, "1 after recording had to stop; absent where none is kept."),
    Metric("cosmic_agent_http_pages", GAUGE, "Live pages that are open."),
    Metric("cosmic_agent_http_pages_cut_off_total", COUNTER, "Live pages cut off because they did not read."),
)
"""Every metric of the agent, beside those of its process (`process_...`)."""


@dataclass(frozen=True, slots=True)
class Pages:
    """The open pages: how many, and how many were cut off."""

    open: int
    cut_off: int


def samples(view: View, pages: Callable[[], Pages]) -> Iterator[Sample]:
    """Yield every sample as it is now."""
    state, live, sums = view.state(), view.live, view.live.sums
    yield "cosmic_agent_info", (state.printer, __version__), 1.0
    for one in State:
        yield "cosmic_agent_state", (one.value,), float(one.value == state.state)
    yield "cosmic_agent_ready", (), float(not state.ready)
    yield "cosmic_agent_machine_fault", (), float(state.state == State.FAULT.value)
    for level in ("alarm", "warning"):
        yield "cosmic_agent_alarms", (level,), float(sum(alarm.level == level for alarm in state.alarms))
    for outcome in Outcome:
        yield "cosmic_agent_windows_total", (outcome.value,), float(sums.outcomes[outcome])
    yield "cosmic_agent_slack_seconds", (), sums.slack
    yield "cosmic_agent_decision_ahead_seconds", (), sums.ahead
    yield "cosmic_agent_loop_lag_seconds", (), sums.lag
    yield "cosmic_agent_decisions_waiting", (), float(state.decisions_waiting)
    for drop in Drop:
        yield "cosmic_agent_decisions_dropped_total", (drop.value,), float(sums.drops[drop])
    if state.link.link != "none":
        yield "cosmic_agent_link_up", (), float(state.link.link == "up")
    yield "cosmic_agent_link_losses_total", (), float(sums.losses)
    if state.workers is not None:
        for name in ("warm", "cold", "reloaded"):
            yield "cosmic_agent_workers", (name,), float(getattr(state.workers, name))
    yield "cosmic_agent_layers_total", (), float(live.sums.layers)
    yield "cosmic_agent_starved_seconds_total", (), sums.starved_s
    yield "cosmic_agent_frames_missing_total", (), float(sums.no_frames)
    if state.recording != "off":
        yield "cosmic_agent_recording_stopped", (), float(state.recording == "stopped")
    yield "cosmic_agent_http_pages", (), float(pages().open)
    yield "cosmic_agent_http_pages_cut_off_total", (), float(pages().cut_off)
    yield from _of_job_and_layer(view)


def _of_job_and_layer(view: View) -> Iterator[Sample]:
    state = view.state()
    if state.job is not None:
        yield "cosmic_agent_job_layers", (), float(state.job.layers)
        yield "cosmic_agent_job_layers_done", (), float(state.job.layers_done)
    layer = state.layer
    if layer is None:
        return
    yield "cosmic_agent_layer", (), float(layer.layer)
    yield "cosmic_agent_layer_cells", (), float(layer.cells)
    yield "cosmic_agent_layer_printed_cells", (), float(layer.printed)
    if layer.uniformity is not None:
        yield "cosmic_agent_layer_uniformity_ratio", (), layer.uniformity
    if layer.map_min_K is not None and layer.map_max_K is not None:
        yield "cosmic_agent_layer_map_min_kelvin", (), layer.map_min_K
        yield "cosmic_agent_layer_map_max_kelvin", (), layer.map_max_K
