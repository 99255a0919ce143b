"""Metrics as Prometheus reads them: declared once, in one table, filled when somebody asks.

What happens is counted in plain numbers by whoever keeps them; nothing of prometheus-client is touched in between.
The reference page is written from the same declarations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector, exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from cosmic.web.counts import Counts, Kind, Metric

Labels = tuple[str, ...]


Sample = tuple[str, Labels, "float | Counts"]
"""(name of a declared metric, values of its labels, value)."""


class Metrics(Collector):
    """The `declared` metrics and this process's, in a registry of their own.

    read: returns all samples as they are now; called on the event loop's thread. A sample of a metric that is not
        declared is a bug.
    """

    def __init__(self, declared: Iterable[Metric], read: Callable[[], Iterable[Sample]]) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._declared = {metric.name: metric for metric in declared}
        self._read = read
        self._samples: list[Sample] = []
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def describe(self) -> Iterator[Family]:
        """Tell the names, so that two of the same are an error at the start."""
        return (_family(metric) for metric in self._declared.values())

    def collect(self) -> Iterator[Family]:
        """Return every metric with the samples that were read last."""
        families = {name: _family(metric) for name, metric in self._declared.items()}
        for name, labels, value in self._samples:
            family = families[name]
            if isinstance(family, HistogramMetricFamily):
                assert isinstance(value, Counts)
                family.add_metric(labels, value.cumulative(), value.total)
            else:
                assert isinstance(family, GaugeMetricFamily | CounterMetricFamily)
                assert not isinstance(value, Counts)
                family.add_metric(labels, value)
        return iter(families.values())

    def take(self) -> None:
        """Read all samples, for the next time somebody collects."""
        self._samples = list(self._read())

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer `/metrics`: the text format, or OpenMetrics where the reader asks for it.

        Samples are read on the loop, where they change; words are made of them in a thread.
        """
        self.take()
        generate, kind = exposition.choose_encoder(request.headers.get("Accept", ""))
        content = await asyncio.to_thread(generate, self.registry)
        return web.Response(body=content, headers={"Content-Type": kind})


def _family(metric: Metric) -> Family:
    made = {
        Kind.GAUGE: GaugeMetricFamily,
        Kind.COUNTER: CounterMetricFamily,
        Kind.HISTOGRAM: HistogramMetricFamily,
    }[metric.kind]
    family: Family = made(metric.name, metric.text, labels=metric.labels)
    return family
