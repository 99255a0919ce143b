"""The coordinator's metrics: their declarations, and their values now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud.http.state import CoordinatorState
from cloud.serving.ledger import AHEAD_BOUNDS, DECISION_BOUNDS_S, Sums
from cosmic.web.counts import Kind, Metric

if TYPE_CHECKING:
    from cosmic.web.metrics import Sample

GAUGE, COUNTER, HISTOGRAM = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM

METRICS = (
    Metric("cosmic_coordinator_info", GAUGE, "1; the labels say which version and engine.", ("version", "engine")),
    Metric("cosmic_coordinator_ready", GAUGE, "1 while printers can be served."),
    Metric("cosmic_coordinator_printers", GAUGE, "Printers that are known, by what they do.", ("state",)),
    Metric("cosmic_coordinator_connections", GAUGE, "Connections of printers that are open."),
    Metric("cosmic_coordinator_connections_total", COUNTER, "Connections of printers since the start."),
    Metric("cosmic_coordinator_parts_loaded", GAUGE, "Parts that are loaded or being loaded."),
    Metric("cosmic_coordinator_alarms", GAUGE, "Alarms and warnings that stand.", ("level",)),
    Metric("cosmic_coordinator_jobs_opened_total", COUNTER, "Jobs opened; a job that comes back counts again."),
    Metric("cosmic_coordinator_jobs_closed_total", COUNTER, "Jobs that their printer has closed."),
    Metric("cosmic_coordinator_refusals_total", COUNTER, "Jobs and layers that were refused, by code.", ("code",)),
    Metric("cosmic_coordinator_layers_total", COUNTER, "Layers that are over, by how they ended.", ("outcome",)),
    Metric(
        "cosmic_coordinator_windows_total",
        COUNTER,
        "Windows that printers have reported, by whose decision was printed.",
        ("source",),
    ),
    Metric(
        "cosmic_coordinator_decision_seconds",
        HISTOGRAM,
        "What a decision took, with the product before it.",
        buckets=DECISION_BOUNDS_S,
    ),
    Metric(
        "cosmic_coordinator_decision_ahead_windows",
        HISTOGRAM,
        "For how many windows after the one being scanned a decision was made.",
        buckets=AHEAD_BOUNDS,
    ),
    Metric(
        "cosmic_coordinator_product_seconds",
        HISTOGRAM,
        "What a product of an operator took, with the way to the workers and back.",
        buckets=DECISION_BOUNDS_S,
    ),
    Metric("cosmic_coordinator_products_failed_total", COUNTER, "Products that had to be asked for again."),
    Metric(
        "cosmic_coordinator_printer_decided_ahead_windows",
        GAUGE,
        "Windows decided ahead of the one being scanned, while a layer is decided.",
        ("printer",),
    ),
    Metric("cosmic_coordinator_workers", GAUGE, "Workers of loaded engines, by state.", ("engine", "state")),
    Metric("cosmic_coordinator_workers_cold_total", COUNTER, "Workers that keep-warm found cold."),
    Metric("cosmic_coordinator_workers_reloaded_total", COUNTER, "Workers that were loaded again."),
    Metric("cosmic_coordinator_billed_dollars_total", COUNTER, "Bills of closed jobs, USD."),
    Metric("cosmic_coordinator_billed_gb_seconds_total", COUNTER, "GB-seconds on bills of closed jobs."),
    Metric("cosmic_coordinator_billed_requests_total", COUNTER, "Invocations on bills of closed jobs."),
    Metric("cosmic_coordinator_running_dollars", GAUGE, "What jobs under way have used so far, USD."),
    Metric("cosmic_coordinator_loop_standstill_seconds", GAUGE, "Longest standstill of the loop in ten seconds."),
    Metric("cosmic_coordinator_http_pages", GAUGE, "Live pages that are open."),
    Metric("cosmic_coordinator_http_pages_cut_off_total", COUNTER, "Live pages cut off because they did not read."),
)
"""Every metric of the coordinator, beside those of its process (`process_...`)."""


@dataclass(frozen=True, slots=True)
class Pages:
    """The open pages: how many, and how many were cut off."""

    open: int
    cut_off: int


def samples(state: CoordinatorState, sums: Sums, pages: Pages) -> Iterator[Sample]:
    """Yield every sample as it is now."""
    prefix = "cosmic_coordinator_"
    yield f"{prefix}info", (state.version, state.engine), 1.0
    yield f"{prefix}ready", (), float(not state.ready)
    for word in ("deciding", "ready", "opening", "away"):
        yield f"{prefix}printers", (word,), float(sum(one.state == word for one in state.printers))
    for level in ("alarm", "warning"):
        yield f"{prefix}alarms", (level,), float(sum(alarm.level == level for alarm in state.alarms))
    for name, value in {
        "connections": state.connections,
        "connections_total": sums.connections,
        "parts_loaded": state.parts_loaded,
        "jobs_opened_total": sums.jobs_opened,
        "jobs_closed_total": sums.jobs_closed,
        "products_failed_total": sums.products_failed,
        "workers_cold_total": sums.cold,
        "workers_reloaded_total": sums.reloaded,
        "billed_dollars_total": sums.billed.dollars,
        "billed_gb_seconds_total": sums.billed.gb_seconds,
        "billed_requests_total": sums.billed.requests,
        "loop_standstill_seconds": state.loop_standstill_ms / 1e3,
        "http_pages": pages.open,
        "http_pages_cut_off_total": pages.cut_off,
    }.items():
        yield prefix + name, (), float(value)
    yield f"{prefix}decision_seconds", (), sums.decisions
    yield f"{prefix}decision_ahead_windows", (), sums.ahead
    yield f"{prefix}product_seconds", (), sums.products
    counted: tuple[tuple[str, Counter[str]], ...] = (
        ("refusals_total", sums.refusals),
        ("layers_total", sums.layers),
        ("windows_total", sums.windows),
    )
    for name, counter in counted:
        for label, count in counter.items():
            yield prefix + name, (label,), float(count)
    yield from _of_printers(state, prefix)


def _of_printers(state: CoordinatorState, prefix: str) -> Iterator[Sample]:
    running = [one.cost.dollars for one in state.printers if one.cost is not None and not one.cost.final]
    yield f"{prefix}running_dollars", (), sum(running)
    engines: dict[str, dict[str, int]] = {}
    for one in state.printers:
        if one.state == "deciding":
            yield f"{prefix}printer_decided_ahead_windows", (one.printer,), float(one.ahead)
        if one.engine:
            engines[one.engine] = one.workers  # printers of one part share its engine
    for engine, workers in engines.items():
        for word, count in workers.items():
            yield f"{prefix}workers", (engine, word), float(count)
