"""What a demonstration came to: the sums of its windows, checked against SmartScan in one process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean, median
from typing import Any

import msgspec
import numpy as np

from thermal.operators import build_operator
from thermal.order import order_layer, uniformity_of
from thermal.part import Part

RANDOM_ORDERS = 5
"""Random orders that a layer's own is compared with."""


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """Windows in a row of one layer that came about in the same way."""

    layer: int
    first_window: int
    last_window: int
    link: str
    source: str
    epoch: int
    outcome: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of a demonstration. Times in ms; R is without unit (divided by T_melt)."""

    layers: int
    windows: int
    on_time: int
    fallbacks: dict[str, int]
    every_cell_once: bool
    orders_checked: int
    orders_equal: int
    slack_ms_min: float
    slack_ms_median: float
    ahead_ms_median: float | None
    first_cell_ms_max: float
    starved_ms: float
    uniformity: float
    uniformity_random: float
    uniformity_sequential: float
    stretches: list[Stretch]

    @property
    def fallback_windows(self) -> int:
        """Windows that the fallback order decided."""
        return self.windows - self.on_time

    @property
    def better_than_random(self) -> float:
        """Mean R of random orders over the printed order's."""
        return self.uniformity_random / self.uniformity

    @property
    def better_than_sequential(self) -> float:
        """Mean R of the sequential order over the printed order's."""
        return self.uniformity_sequential / self.uniformity


def judge(part: Part, lines: Sequence[dict[str, Any]], folder: Path) -> Verdict:
    """Return what the agent's log `lines` and the recorded maps in `folder` say.

    A layer's order is checked against SmartScan from its recorded map: the cells after every fallback are those
    that SmartScan chooses once it knows what was scanned before.
    """
    windows = [line for line in lines if line["event"] == "window"]
    layers = [line for line in lines if line["event"] == "layer"]
    maps = {int(path.name.split("-")[1]): np.load(path) for path in sorted(folder.glob("layer-*-map.npy"))}
    own: list[float] = []
    random: list[float] = []
    sequential: list[float] = []
    equal = checked = 0
    operators = {
        geometry.number: build_operator("polynomial", geometry, part.process) for geometry in part.geometries
    }
    for line in layers:
        layer, order = line["layer"], line["order"]
        if layer not in maps:
            continue
        operator = operators[part.geometry_of(layer).number]
        mine = [window for window in windows if window["layer"] == layer]
        checked += 1
        equal += _follows_smartscan(part, layer, maps[layer], mine)
        own.append(fmean(uniformity_of(part, layer, maps[layer], order, operator)))
        cells = np.arange(len(order))
        sequential.append(fmean(uniformity_of(part, layer, maps[layer], cells.tolist(), operator)))
        generator = np.random.default_rng([7, layer])
        random += [
            fmean(uniformity_of(part, layer, maps[layer], generator.permutation(cells).tolist(), operator))
            for _ in range(RANDOM_ORDERS)
        ]
    causes = Counter(line["outcome"] for line in windows)
    ahead = [line["decided_ms_ahead"] for line in windows if line["decided_ms_ahead"] is not None]
    return Verdict(
        layers=len(layers),
        windows=len(windows),
        on_time=causes["on_time"],
        fallbacks={
            cause: causes[cause] for cause in ("fallback_timeout", "fallback_disconnected", "fallback_rejected")
        },
        every_cell_once=all(
            sorted(line["order"]) == list(range(len(part.geometry_of(line["layer"]).cells)))
            and line["windows"] == len(line["order"])
            for line in layers
        ),
        orders_checked=checked,
        orders_equal=equal,
        slack_ms_min=min(line["slack_ms"] for line in windows),
        slack_ms_median=median(line["slack_ms"] for line in windows),
        ahead_ms_median=median(ahead) if ahead else None,
        first_cell_ms_max=max(line["first_cell_ms"] or 0.0 for line in layers),
        starved_ms=sum(line["starved_ms"] for line in layers),
        uniformity=fmean(own),
        uniformity_random=fmean(random),
        uniformity_sequential=fmean(sequential),
        stretches=_stretches(windows),
    )


def _follows_smartscan(part: Part, layer: int, map_K: Any, windows: Sequence[dict[str, Any]]) -> bool:
    """Return whether every decided cell is SmartScan's, given the recorded map and the cells scanned before it."""
    order = [line["cell"] for line in windows]
    expected = order_layer(part, layer, map_K).order
    for window, line in enumerate(windows):
        if line["source"] == "fallback":
            expected = order_layer(part, layer, map_K, printed=order[: window + 1]).order
        elif line["cell"] != expected[window]:
            return False
    return True


def _stretches(windows: Sequence[dict[str, Any]]) -> list[Stretch]:
    """Return the stretches of every layer in which something else than plain decisions happened."""
    found: list[Stretch] = []
    for layer, lines in groupby(windows, key=lambda line: line["layer"]):
        stretches = []
        keyed = groupby(lines, key=lambda line: (line["link"], line["source"], line["outcome"]))
        for (link, source, outcome), run in keyed:
            stretch = list(run)
            stretches.append(
                Stretch(
                    layer=layer,
                    first_window=stretch[0]["window"],
                    last_window=stretch[-1]["window"],
                    link=link,
                    source=source,
                    epoch=stretch[-1]["epoch"],
                    outcome=outcome,
                )
            )
        if len(stretches) > 1 or stretches[0].source == "fallback" or stretches[0].link == "down":
            found += stretches
    return found
