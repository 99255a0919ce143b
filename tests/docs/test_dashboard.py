"""The dashboard and the Prometheus configuration of examples/: what they name exists, and they hang together."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agent.http.metrics import METRICS as AGENT
from cloud.http.metrics import METRICS as COORDINATOR
from cosmic.web.counts import Kind

EXAMPLES = Path(__file__).parents[2] / "examples"
PARTS = {Kind.GAUGE: ("",), Kind.COUNTER: ("",), Kind.HISTOGRAM: ("_bucket", "_sum", "_count")}
DECLARED = {metric.name + part: metric for metric in (*AGENT, *COORDINATOR) for part in PARTS[metric.kind]}
PANEL_TYPES = {"stat", "gauge", "timeseries", "heatmap", "row"}


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((EXAMPLES / "grafana-dashboard.json").read_text())
    return loaded


def expressions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]


def test_every_metric_that_is_queried_is_declared_with_the_labels_that_are_used(dashboard: dict[str, Any]) -> None:
    assert len(expressions(dashboard)) > 25
    for text in expressions(dashboard):
        names = re.findall(r"\b(?:cosmic|process)_\w+", text)
        assert names, text
        for name in names:
            assert name.startswith("process_") or name in DECLARED, f"{name} in {text}"
        for name, matchers in re.findall(r"\b(cosmic_\w+)\{([^}]*)\}", text):
            used = set(re.findall(r"(\w+)\s*=~?", matchers))
            assert used <= {*DECLARED[name].labels, "instance", "job"}, f"{text}: {used}"
        for label in re.findall(r"by \(([^)]*)\)", text):
            known = {label for name in names for label in DECLARED[name].labels} | {"le", "instance", "job"}
            assert {one.strip() for one in label.split(",")} <= known, text


def test_counters_are_asked_for_their_rate_or_increase_or_shown_as_sums(dashboard: dict[str, Any]) -> None:
    for text in expressions(dashboard):
        assert text.count("(") == text.count(")"), text
        assert text.count("{") == text.count("}"), text
        for name in re.findall(r"\bcosmic_\w+_bucket", text):
            assert re.search(rf"(rate|increase)\({name}", text), text


def test_the_dashboard_has_what_grafana_needs_to_load_it(dashboard: dict[str, Any]) -> None:
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= dashboard.keys()
    assert dashboard["schemaVersion"] >= 36
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    variables = {one["name"] for one in dashboard["templating"]["list"]}
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        assert panel["type"] in PANEL_TYPES
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        squares = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not squares & taken, f"{panel['title']} lies over another panel"
        taken |= squares
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"
            named = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            assert named <= variables


def test_the_alerts_of_the_prometheus_example_use_declared_metrics() -> None:
    text = (EXAMPLES / "prometheus.yml").read_text()
    named = re.findall(r"\bcosmic_\w+", text)
    assert named
    assert set(named) <= DECLARED.keys()
    assert {"127.0.0.1:8480", "127.0.0.1:8481"} <= set(re.findall(r'"([\d.:]+)"', text))
