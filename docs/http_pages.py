"""The reference pages of what is served over HTTP: metrics and the state API. Called by generate.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from agent.http import metrics as agent_metrics
from agent.http import state as agent_state
from cloud.http import metrics as cloud_metrics
from cloud.http import state as cloud_state
from cosmic.sections import attribute_docs, first_line
from cosmic.web import access, counts, events, health, images, server

ShownType = Callable[[Any], str]


def metrics_page() -> str:
    """Return the page of all metrics."""
    parts = [
        "# Metrics",
        (
            "`/metrics` of the agent and of the coordinator, where `http.port` is set: Prometheus' text format, or OpenMetrics where the\n"
            "reader asks for it. Units are part of the names. Beside these, each has the metrics of its process (`process_...`).\n"
            "[How to watch a printer](../how-to/watch-a-printer.md) has the configuration of Prometheus and a dashboard."
        ),
        "## Agent\n" + metric_table(agent_metrics.METRICS),
        "## Coordinator\n" + metric_table(cloud_metrics.METRICS),
    ]
    return "\n\n".join(parts) + "\n"


def metric_table(metrics: Iterable[counts.Metric]) -> str:
    """Return a row for every metric."""
    rows = [
        f"| `{metric.name}` | {metric.kind.value} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.text}{buckets(metric)} |"
        for metric in metrics
    ]
    return "| metric | kind | labels | |\n|---|---|---|---|\n" + "\n".join(rows)


def buckets(metric: counts.Metric) -> str:
    """Return the bounds of a histogram's buckets in words."""
    return f" Buckets: {', '.join(f'{bound:g}' for bound in metric.buckets)}." if metric.buckets else ""


def http_page(shown_type: ShownType) -> str:
    """Return the page of the state API."""
    parts = [
        "# HTTP",
        (
            "Read only: `GET` and `HEAD`, nothing changes by asking. JSON; unknown fields are to be ignored. A request must name this server by\n"
            "its address, `localhost`, the machine's name or a name in `http.names` (`Host`), and come from its own pages (`Origin`). With\n"
            "`http.token_file` everything but `/healthz` needs the token: `Authorization: Bearer ...`, or as a browser's password."
        ),
        "## Agent\n"
        + paths(
            {
                "/": "the live page",
                "/api/state": "[the printer's state](#printers-state)",
                "/api/events": "server-sent events `update`, at most `http.updates_per_s`, one a second at least: [update](#update)",
                "/api/geometry/<number>": "the cells of a layer geometry: [geometry](#geometry)",
                "/api/map": "the map that the layer in progress started from: [map](#map)",
                **COMMON,
            }
        ),
        "### Printer's state\n" + fields(agent_state.AgentState, shown_type),
        *(
            f"#### `{name}`\n{first_line(kind)}\n\n{fields(kind, shown_type)}"
            for name, kind in {
                "job": agent_state.Job,
                "layer": agent_state.Layer,
                "window": agent_state.Window,
                "link": agent_state.Link,
                "workers": agent_state.Workers,
                "slack": agent_state.Slack,
                "alarms": agent_state.Alarm,
            }.items()
        ),
        "### Update\n" + fields(agent_state.Update, shown_type),
        "A row is a list in this order:\n\n" + fields(agent_state.Row, shown_type),
        "### Geometry\n" + fields(images.GeometryImage, shown_type),
        "### Map\n" + fields(images.MapImage, shown_type),
        "## Coordinator\n"
        + paths(
            {
                "/": "the live page of all printers",
                "/printers/<name>": "the live page of one",
                "/api/state": "[the coordinator's state](#coordinators-state)",
                "/api/events": "server-sent events `update` with that state",
                "/api/printers/<name>": "[one printer with its layer](#one-printer)",
                "/api/printers/<name>/events": "server-sent events `update` with it",
                "/api/printers/<name>/geometry, .../map": "the layer being decided, as the agent's",
                **COMMON,
            }
        ),
        "### Coordinator's state\n" + fields(cloud_state.CoordinatorState, shown_type),
        "#### `printers`\n" + fields(cloud_state.PrinterState, shown_type),
        "#### `cost`\n" + fields(cloud_state.Cost, shown_type),
        "#### `alarms`\n" + fields(cloud_state.Alarm, shown_type),
        "### One printer\n" + fields(cloud_state.PrinterDetail, shown_type),
        "A row of `layers` is a list in this order:\n\n" + fields(cloud_state.LayerRow, shown_type),
        (
            "## Limits\n| what | limit |\n|---|---|\n"
            "| pages open at a time | `http.clients_max` |\n"
            "| TCP connections | `http.connections_max`; more are closed at once |\n"
            "| requests a second | `http.requests_per_s_max`; beyond: 429 |\n"
            "| time for a request to arrive | `http.request_s` |\n"
            f"| request line, and each header | {server.HEADER_BYTES_MAX} bytes |\n"
            f"| updates that wait for one page | {events.FRAMES_MAX}, and what it has not read within `http.slow_s`; then it is cut off |\n"
            f"| standstill of the loop until `/healthz` says 503 | {health.STILL_S:g} s, for {health.KEPT_S:g} s |\n"
            f"| what needs no token | {', '.join(f'`{path}`' for path in sorted(access.OPEN_PATHS))} |"
        ),
    ]
    return "\n\n".join(parts) + "\n"


COMMON = {
    "/metrics": "[Prometheus metrics](metrics.md)",
    "/healthz": "200 while the loop that keeps the deadlines turns, else 503 with the reason",
    "/readyz": "200 when ready as configured, else 503 with the reason in words",
}


def paths(table: dict[str, str]) -> str:
    """Return a table of paths."""
    return "| path | answers |\n|---|---|\n" + "\n".join(f"| `{path}` | {what} |" for path, what in table.items())


def fields(model: type[msgspec.Struct], shown_type: ShownType) -> str:
    """Return a table of a Struct's fields."""
    told = attribute_docs(model)
    rows = [
        f"| `{field.name}` | {shown_type(field.type)} | {told.get(field.name, '')} |"
        for field in msgspec.structs.fields(model)
    ]
    return "| field | value | |\n|---|---|---|\n" + "\n".join(rows)
