"""Metrics as Prometheus' own parser reads them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("prometheus_client", reason='not installed: pip install "cosmic-lpbf[http]"')

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cosmic.web.counts import Counts, Kind, Metric
from cosmic.web.metrics import Metrics

BOUNDS = (0.0, 0.5, 1.0)


@given(values=st.lists(st.floats(-2.0, 2.0), max_size=50))
def test_buckets_hold_what_was_counted(values: list[float]) -> None:
    counts = Counts(BOUNDS)
    for value in values:
        counts.add(value)
    found = counts.cumulative()
    assert found == [
        *((repr(bound), float(sum(value <= bound for value in values))) for bound in BOUNDS),
        ("+Inf", float(len(values))),
    ]
    assert math.isclose(counts.total, sum(values), abs_tol=1e-9)


def test_every_kind_is_read_back_as_it_was_given() -> None:
    counts = Counts(BOUNDS)
    counts.add(0.25)
    declared = [
        Metric("x_temperature_kelvin", Kind.GAUGE, "How hot.", ("where",)),
        Metric("x_windows_total", Kind.COUNTER, "How many."),
        Metric("x_slack_seconds", Kind.HISTOGRAM, "How long.", buckets=BOUNDS),
    ]
    metrics = Metrics(
        declared,
        lambda: [
            ("x_temperature_kelvin", ('quoted "name"\n',), 300.5),
            ("x_windows_total", (), 7.0),
            ("x_slack_seconds", (), counts),
        ],
    )
    metrics.take()
    families = {one.name: one for one in text_string_to_metric_families(generate_latest(metrics.registry).decode())}
    (gauge,) = families["x_temperature_kelvin"].samples
    assert (gauge.labels, gauge.value) == ({"where": 'quoted "name"\n'}, 300.5)
    assert families["x_windows"].samples[0].value == 7.0
    buckets = {one.labels.get("le"): one.value for one in families["x_slack_seconds"].samples if "le" in one.labels}
    assert buckets == {"0.0": 0.0, "0.5": 1.0, "1.0": 1.0, "+Inf": 1.0}
    assert "process_resident_memory_bytes" in families


def test_a_sample_that_is_not_declared_is_a_bug_that_shows() -> None:
    metrics = Metrics([], lambda: [("x", (), 1.0)])
    metrics.take()
    with pytest.raises(KeyError):
        generate_latest(metrics.registry)
