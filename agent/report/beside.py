"""Two recordings in figures beside each other: outcomes, slack, orders, uniformity, maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.recorder.channels import Window
from agent.recorder.reading import Recording
from agent.report.collect import collect
from agent.report.figures import Layer, Report
from agent.report.read_in import LayerRead, layers_of
from thermal.part import Part

DIGITS_K = 4


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What one recording says of a window."""

    cell: int
    source: str
    outcome: str
    cause: str


class FirstDifference(msgspec.Struct, frozen=True, kw_only=True):
    """The first window of a layer that got another cell in the other recording."""

    window: int
    one: Side
    other: Side


class MapDifference(msgspec.Struct, frozen=True, kw_only=True):
    """The other recording's map less this one's, over all elements, kelvin."""

    mean_K: float
    rms_K: float
    max_K: float
    """Largest of either sign."""


class LayerBeside(msgspec.Struct, frozen=True, kw_only=True):
    """A layer of both recordings. Pairs: this one, the other. None: not known for both."""

    layer: int
    windows: tuple[int, int]
    fallbacks: tuple[int, int]
    same_cells: int
    """Windows with the same cell."""
    first_difference: FirstDifference | None
    uniformity: tuple[float | None, float | None]
    """Mean R over the windows."""
    slack_median_ms: tuple[float | None, float | None]
    first_map: MapDifference | None
    predicted_map: MapDifference | None


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """Two recordings beside each other."""

    same_part: bool
    verdict: list[str]
    one: Report
    other: Report
    layers: list[LayerBeside]
    only_one: list[int]
    """Layers that this recording alone has."""
    only_other: list[int]


@dataclass(slots=True)
class Maps:
    """A recording's maps, float32[n], kelvin, by layer."""

    first: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    predicted: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    def take(self, layer: int, before_K: NDArray[np.float32], after_K: NDArray[np.float32] | None) -> None:
        """Keep a layer's maps."""
        self.first[layer] = before_K
        if after_K is not None:
            self.predicted[layer] = after_K


@dataclass(frozen=True, slots=True)
class Given:
    """A recording with its part, or why there is none."""

    recording: Recording
    part: Part | None
    without: str


Told = Callable[[int, int], None]


def put_beside(one: Given, other: Given, told: Told | None = None) -> tuple[Beside, Maps, Maps]:
    """Return two recordings beside each other, and the maps of both."""
    maps, more = Maps(), Maps()
    report = collect(one.recording, one.part, without=one.without, compare_layers=0, take_maps=maps.take, told=told)
    others = collect(
        other.recording, other.part, without=other.without, compare_layers=0, take_maps=more.take, told=told
    )
    same_part = one.recording.header.digest == other.recording.header.digest
    read = {each.layer: each for each in layers_of(one.recording)}
    read_other = {each.layer: each for each in layers_of(other.recording)}
    known = {layer.layer: layer for layer in report.layers}
    known_other = {layer.layer: layer for layer in others.layers}
    layers = [
        LayerBeside(
            layer=layer,
            windows=(known[layer].windows, known_other[layer].windows),
            fallbacks=(len(known[layer].fallback_windows), len(known_other[layer].fallback_windows)),
            same_cells=_same(read[layer], read_other[layer]),
            first_difference=first_difference(read[layer], read_other[layer]),
            uniformity=(_mean_R(known[layer]), _mean_R(known_other[layer])),
            slack_median_ms=(known[layer].slack_median_ms, known_other[layer].slack_median_ms),
            first_map=_difference(maps.first.get(layer), more.first.get(layer)),
            predicted_map=_difference(maps.predicted.get(layer), more.predicted.get(layer)),
        )
        for layer in sorted(known.keys() & known_other.keys())
    ]
    found = Beside(
        same_part=same_part,
        verdict=[],
        one=report,
        other=others,
        layers=layers,
        only_one=sorted(known.keys() - known_other.keys()),
        only_other=sorted(known_other.keys() - known.keys()),
    )
    return msgspec.structs.replace(found, verdict=verdict_of(found)), maps, more


def first_difference(one: LayerRead, other: LayerRead) -> FirstDifference | None:
    """Return the first window that both recorded and that got another cell; None where there is none."""
    for number in sorted(one.windows.keys() & other.windows.keys()):
        first, second = one.windows[number], other.windows[number]
        if first.cell != second.cell:
            return FirstDifference(window=number, one=_side(first), other=_side(second))
    return None


def _side(window: Window) -> Side:
    return Side(cell=window.cell, source=window.source, outcome=window.outcome, cause=window.cause)


def _same(one: LayerRead, other: LayerRead) -> int:
    both = one.windows.keys() & other.windows.keys()
    return sum(one.windows[number].cell == other.windows[number].cell for number in both)


def _mean_R(layer: Layer) -> float | None:
    return float(np.mean(layer.uniformity.printed)) if layer.uniformity and layer.uniformity.printed else None


def _difference(one: NDArray[np.float32] | None, other: NDArray[np.float32] | None) -> MapDifference | None:
    if one is None or other is None or one.size != other.size:
        return None
    apart = other.astype(np.float64) - one
    return MapDifference(
        mean_K=round(float(apart.mean()), DIGITS_K),
        rms_K=round(float(np.sqrt(np.square(apart).mean())), DIGITS_K),
        max_K=round(float(np.abs(apart).max()), DIGITS_K),
    )


def verdict_of(found: Beside) -> list[str]:
    """Return the comparison in sentences."""
    said = []
    if not found.same_part:
        said.append("These are jobs of different parts: only outcomes, slack and R can be compared.")
    elif found.layers:
        windows = sum(min(layer.windows) for layer in found.layers)
        same = sum(layer.same_cells for layer in found.layers)
        differ = [layer for layer in found.layers if layer.first_difference is not None]
        if differ:
            first = differ[0]
            assert first.first_difference is not None
            said.append(
                f"{same} of {windows} windows got the same cell; the orders first differ in"
                f" layer {first.layer + 1}, window {first.first_difference.window + 1}."
            )
        else:
            said.append(f"All {windows} windows that both recorded got the same cell.")
    else:
        said.append("No layer is in both recordings.")
    said.append(
        f"In time: {found.one.on_time} of {found.one.windows} windows, and {found.other.on_time} of"
        f" {found.other.windows}."
    )
    both = [layer.uniformity for layer in found.layers if None not in layer.uniformity]
    if both:
        means = np.array(both, dtype=float).mean(axis=0)
        said.append(f"Mean R: {means[0]:.5f} and {means[1]:.5f}, a ratio of {means[1] / means[0]:.3f}.")
    if found.same_part:
        maps = [layer.first_map.rms_K for layer in found.layers if layer.first_map]
        if maps:
            said.append(f"First maps differ by {max(maps):.2f} K (rms) at most.")
    return said
