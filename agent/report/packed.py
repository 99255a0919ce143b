"""What the page's own drawing needs of every layer, small: numbers as base64 of little-endian arrays."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from agent.recorder.channels import Window
from agent.report.album import Album, Pictures
from agent.report.figures import Layer, Report

STEP_MS = 0.1
STEP_K = 0.1


def packed(
    report: Report, windows: Mapping[int, Sequence[Window]], pictures: Sequence[Pictures], album: Album | None
) -> dict[str, Any]:
    """Return the data of the page's drawing.

    windows: of every layer, in order, up to the first that is missing.
    """
    grids: dict[str, Any] = {}
    layers = {layer.layer: layer for layer in report.layers}
    highest_R = max((max(_all_R(layer), default=0.0) for layer in report.layers), default=0.0) or 1.0
    told = []
    for each in pictures:
        if album is not None and str(each.geometry) not in grids:
            grids[str(each.geometry)] = album.grid_of(each.layer)
        told.append(_layer(layers[each.layer], windows.get(each.layer, ()), each, highest_R))
    return {
        "grids": grids,
        "layers": told,
        "step_ms": STEP_MS,
        "step_K": STEP_K,
        "step_R": highest_R / 65535,
        "scale_K": album.scale_K() if album is not None else [0, 1],
    }


def _layer(layer: Layer, windows: Sequence[Window], pictures: Pictures, highest_R: float) -> dict[str, Any]:
    durations_ms = [(window.finished_s - window.started_s) * 1e3 for window in windows]
    found: dict[str, Any] = {
        "layer": layer.layer,
        "geometry": pictures.geometry,
        "order": _numbers([window.cell for window in windows], "<u2"),
        "length": _numbers(np.array(durations_ms) / STEP_MS, "<u2"),
        "slack": _numbers(np.array([window.slack_ms for window in windows]) / STEP_MS, "<i2"),
        "before": _numbers(pictures.cells_before_K / STEP_K, "<u2"),
        "fallbacks": [
            [window.window, window.outcome, window.cause] for window in windows if window.outcome != "on_time"
        ],
    }
    if pictures.cells_after_K is not None:
        found["after"] = _numbers(pictures.cells_after_K / STEP_K, "<u2")
    if layer.uniformity is not None:
        for name in ("printed", "random_mean", "random_low", "random_high", "sequential"):
            values = getattr(layer.uniformity, name)
            if values:
                found[name] = _numbers(np.array(values) / highest_R * 65535, "<u2")
    return found


def _all_R(layer: Layer) -> list[float]:
    each = layer.uniformity
    if each is None:
        return []
    return [*each.printed, *(each.random_high or ()), *(each.sequential or ())]


def _numbers(values: ArrayLike, dtype: str) -> str:
    limits = np.iinfo(dtype)
    rounded = np.clip(np.rint(np.asarray(values, dtype=float)), limits.min, limits.max)
    return base64.b64encode(rounded.astype(dtype).tobytes()).decode()
