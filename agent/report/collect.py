"""Makes the report of a recording: what stands in it, and with the part what its operator says of every layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.keeper import Outcome
from agent.recorder.reading import Recording
from agent.report import read_in
from agent.report.figures import Comparison, Layer, MapFigures, Report, Uniformity
from agent.report.predict import RANDOM_ORDERS, SEED, Method, Predicted, Task, choose_method, predict
from agent.report.read_in import LayerRead
from agent.report.verdict import tone_of, verdict_of
from cosmic.errors import CosmicError
from thermal.part import Part

DIGITS_R = 9
DIGITS_K = 3

Told = Callable[[int, int], None]
"""Told how many layers of how many are done."""

MapTaker = Callable[[int, NDArray[np.float32], "NDArray[np.float32] | None"], None]
"""Given a layer, its first map and its predicted one, float32[n], kelvin, as they come."""


@dataclass(slots=True)
class _Gathered:
    """What was found of each layer besides what the recording says in words."""

    before: dict[int, MapFigures] = field(default_factory=dict)
    after: dict[int, MapFigures] = field(default_factory=dict)
    uniformity: dict[int, Uniformity] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)


def collect(
    recording: Recording,
    part: Part | None,
    *,
    without: str = "",
    compare_layers: int | None = None,
    take_maps: MapTaker | None = None,
    told: Told | None = None,
) -> Report:
    """Return everything that the report says.

    Args:
        recording: what was recorded.
        part: the part that was printed; None: what needs it is left out.
        without: why there is no part.
        compare_layers: layers for which other orders are computed; None: as many as some seconds allow.
        take_maps: given every layer's maps.
        told: told after every layer.
    """
    layers = read_in.layers_of(recording)
    gathered = _Gathered()
    comparison: Comparison | None = None
    if part is not None:
        comparison = _predict_all(recording, part, layers, compare_layers, gathered, take_maps, told)
    else:
        _maps_alone(recording, layers, gathered, take_maps, told)
    windows = recording.windows
    found = [_layer(recording, part, each, gathered) for each in layers]
    link = read_in.link_of(recording)
    report = Report(
        job=read_in.job_of(recording),
        verdict=[],
        tone="good",
        windows=len(windows),
        on_time=sum(window.outcome == Outcome.ON_TIME.value for window in windows),
        outcomes=dict(Counter(window.outcome for window in windows)),
        slack=read_in.slack_figures(windows),
        fallbacks=read_in.fallbacks_of(windows),
        link=link,
        has_coordinator=read_in.has_coordinator(recording),
        losses=read_in.losses_of(link),
        decisions=len(recording.decisions),
        dropped=read_in.dropped_of(recording),
        workers=read_in.workers_of(recording),
        comparison=comparison,
        layers=found,
        problems=[str(problem) for problem in recording.problems],
        missing=_missing(part, without, recording, found),
    )

    return msgspec.structs.replace(report, verdict=verdict_of(report), tone=tone_of(report))


def _predict_all(
    recording: Recording,
    part: Part,
    layers: list[LayerRead],
    compare_layers: int | None,
    gathered: _Gathered,
    take_maps: MapTaker | None,
    told: Told | None,
) -> Comparison:
    tasks = [
        Task(each.layer, each.order, partial(recording.map_K, each.layer))
        for each in layers
        if each.layer in recording.maps and each.layer < part.layers
    ]
    method = choose_method(part, tasks, compare_layers)
    for number, (task, found) in enumerate(zip(tasks, predict(part, tasks, method), strict=True), 1):
        if isinstance(found, Predicted):
            _take(found, gathered, take_maps)
        else:
            gathered.notes[task.layer] = _words(found[1])
        if told is not None:
            told(number, len(tasks))
    return _comparison(part, method, gathered.uniformity)


def _take(found: Predicted, gathered: _Gathered, take_maps: MapTaker | None) -> None:
    gathered.before[found.layer] = _figures(found.before_K)
    gathered.after[found.layer] = _figures(found.after_K)
    orders = np.array(found.random)
    compared = orders.size > 0
    gathered.uniformity[found.layer] = Uniformity(
        printed=_rounded(found.printed),
        random_mean=_rounded(orders.mean(axis=0)) if compared else None,
        random_low=_rounded(orders.min(axis=0)) if compared else None,
        random_high=_rounded(orders.max(axis=0)) if compared else None,
        sequential=_rounded(found.sequential) if compared else None,
    )
    if take_maps is not None:
        take_maps(found.layer, found.before_K, found.after_K)


def _comparison(part: Part, method: Method, uniformity: dict[int, Uniformity]) -> Comparison:
    """Return mean R over the layers compared; every window counts once."""
    compared = [layer for layer in sorted(method.compared) if layer in uniformity]

    def mean(of: str) -> float | None:
        values = [value for layer in compared for value in getattr(uniformity[layer], of)]
        return round(float(np.mean(values)), DIGITS_R) if values else None

    operator = f"polynomial, tolerance {method.tolerance:g}, {method.precision}"
    return Comparison(
        normaliser_K=part.process.melt_K,
        operator=operator,
        layers=compared,
        random_orders=RANDOM_ORDERS,
        seed=SEED,
        printed=mean("printed"),
        random=mean("random_mean"),
        sequential=mean("sequential"),
    )


def _maps_alone(
    recording: Recording,
    layers: list[LayerRead],
    gathered: _Gathered,
    take_maps: MapTaker | None,
    told: Told | None,
) -> None:
    """Take the first maps alone: without the part nobody knows where their elements are."""
    for number, each in enumerate(layers, 1):
        if each.layer in recording.maps:
            try:
                map_K = recording.map_K(each.layer)
            except CosmicError as error:
                gathered.notes[each.layer] = _words(error)
                continue
            gathered.before[each.layer] = _figures(map_K)
            if take_maps is not None:
                take_maps(each.layer, map_K, None)
        if told is not None:
            told(number, len(layers))


def _layer(recording: Recording, part: Part | None, read: LayerRead, gathered: _Gathered) -> Layer:
    layer = read.layer
    windows = [read.windows[number] for number in sorted(read.windows)]
    first = recording.maps.get(layer)
    cells = _cells(part, read)
    slacks_ms = [window.slack_ms for window in windows if window.window > 0]
    told = [window.uniformity_predicted for window in read.in_order]
    uniformity = gathered.uniformity.get(layer)
    epochs = read.said("layer_done", "epochs")
    order = read.order
    return Layer(
        layer=layer,
        cells=cells,
        order=order,
        windows=len(windows),
        on_time=sum(window.outcome == Outcome.ON_TIME.value for window in windows),
        fallback_windows=[window.window for window in windows if window.outcome != Outcome.ON_TIME.value],
        complete=None if cells is None else sorted(order) == list(range(cells)),
        map_from="" if first is None else first.map_from,
        map_cause=read.events["map_taken"].text if "map_taken" in read.events else "",
        map_before=gathered.before.get(layer),
        map_after=gathered.after.get(layer),
        uniformity=uniformity,
        uniformity_told=told[-1] if told else None,
        uniformity_error=None if uniformity is None else _largest_error(told, uniformity.printed),
        slack_min_ms=min(slacks_ms, default=None),
        slack_median_ms=round(float(np.median(slacks_ms)), 3) if slacks_ms else None,
        compute_median_ms=read.compute_median_ms(),
        first_cell_ms=read.said("layer_done", "first_cell_ms"),
        starved_ms=read.said("layer_done", "starved_ms"),
        epochs=None if epochs is None else int(epochs),
        note=gathered.notes.get(layer, "") or ("its first map is not recorded" if first is None else ""),
    )


def _cells(part: Part | None, read: LayerRead) -> int | None:
    if part is not None and read.layer < part.layers:
        return part.size_of(read.layer)[1]
    said = read.said("layer_ready", "cells")
    return None if said is None else int(said)


def _largest_error(told: list[float | None], computed: list[float]) -> float | None:
    errors = [abs(one - other) for one, other in zip(told, computed, strict=False) if one is not None]
    return max(errors, default=None)


def _missing(part: Part | None, without: str, recording: Recording, layers: list[Layer]) -> list[str]:
    missing = []
    if part is None:
        missing.append(f"Pictures of maps and orders, predicted maps and R by order: they need the part. {without}")
    elif any(layer.layer >= part.layers for layer in layers):
        missing.append("Layers beyond the part's last one: pictures and predictions")
    if not recording.manifest:
        missing.append("The part's manifest: the recording broke off before it")
    return missing


def _figures(map_K: NDArray[np.float32]) -> MapFigures:
    low, mean, high = (round(float(each), DIGITS_K) for each in (map_K.min(), map_K.mean(dtype=float), map_K.max()))
    return MapFigures(min_K=low, mean_K=mean, max_K=high)


def _rounded(values: list[float] | NDArray[np.float64]) -> list[float]:
    return [round(float(value), DIGITS_R) for value in values]


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, CosmicError) else f"unexpected {type(error).__name__}: {error}"
