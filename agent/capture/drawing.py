"""Draws what `capture once` took: the frame with the registration on it, the map on the part, and its figures.

Needs the `plot` extra.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.capture.outline import rim_lines_mm
from agent.capture.registration import Registration
from agent.capture.resampling import Placement
from cosmic.errors import InputError, UsageError
from thermal.geometry import Geometry

INK, LINE, POINT = "#1d2733", "#35e0ff", "#ffe14d"


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """What was taken.

    Attributes:
        title: camera, layer and part.
        geometry: the layer's.
        pixels: the frame, counts, [height, width]; None for the simulated camera.
        registration: where the plate lies in the frame; None without a frame.
        placement: where the part stands on the plate.
        map_K: the map, float32[n], kelvin; None where the frame is faulty.
        fault: what is wrong with the frame, empty where nothing is.
        figures: lines for the reader, name and value with its unit.
    """

    title: str
    geometry: Geometry
    pixels: NDArray[Any] | None
    registration: Registration | None
    placement: Placement
    map_K: NDArray[np.float32] | None
    fault: str
    figures: tuple[tuple[str, str], ...]


def draw(shot: Shot, path: Path) -> None:
    """Write the picture.

    Raises:
        UsageError: matplotlib is not installed.
        InputError: the file cannot be written.
    """
    figure_class = _library("matplotlib.figure").Figure
    figure = figure_class(figsize=(17, 6.0), layout="constrained", facecolor="white")
    places = figure.add_gridspec(2, 3, width_ratios=(1.25, 1.1, 0.8), height_ratios=(1.5, 1))
    panels = [figure.add_subplot(place) for place in (places[:, 0], places[:, 1], places[0, 2], places[1, 2])]
    figure.suptitle(shot.title, fontsize=13, color=INK, fontweight="bold")
    _frame_panel(figure, panels[0], shot)
    _map_panel(figure, panels[1], shot)
    _histogram_panel(panels[2], shot)
    _figures_panel(panels[3], shot)
    try:
        figure.savefig(path, dpi=110, bbox_inches="tight", pad_inches=0.15)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be written: {error}", where=str(path), remedy="give the path of a PNG") from error


def _frame_panel(figure: Any, axis: Any, shot: Shot) -> None:
    axis.set_title("Frame, counts", color=INK)
    if shot.pixels is None or shot.registration is None:
        _say(axis, "the simulated camera has no frame")
        return
    low, high = np.nanpercentile(shot.pixels, (0.5, 99.8))
    image = axis.imshow(shot.pixels, cmap="gray", vmin=low, vmax=max(high, low + 1), interpolation="nearest")
    figure.colorbar(image, ax=axis, shrink=0.8, pad=0.02)
    lines = shot.registration.project(shot.placement.on_plate(rim_lines_mm(shot.geometry)))
    collection = _library("matplotlib.collections").LineCollection
    axis.add_collection(collection(list(lines), colors=LINE, linewidths=0.9, label="outline of the layer"))
    for point in shot.registration.points:
        u, v = point.pixel
        axis.plot(u, v, marker="+", markersize=12, markeredgewidth=1.8, color=POINT, linestyle="none")
        axis.annotate(
            f"{point.name}: {point.residual_px:.2f} px", (u, v), (6, 6), textcoords="offset points",
            fontsize=8, color=POINT, bbox={"facecolor": "black", "alpha": 0.55, "pad": 1.5, "linewidth": 0},
        )  # fmt: skip
    if shot.registration.points:
        axis.plot([], [], marker="+", color=POINT, linestyle="none", label="registration points, residual")
    height, width = shot.pixels.shape
    axis.set_xlim(-0.5, width - 0.5)
    axis.set_ylim(height - 0.5, -0.5)
    axis.set_xlabel("column, pixels")
    axis.set_ylabel("row, pixels")
    axis.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.11), fontsize=9, ncols=2, facecolor="#333", labelcolor="w"
    )


def _map_panel(figure: Any, axis: Any, shot: Shot) -> None:
    axis.set_title("Map on the part, kelvin", color=INK)
    if shot.map_K is None:
        _say(axis, "no map:\n" + "\n".join(textwrap.wrap(shot.fault, 44)))
        return
    geometry, dx_mm = shot.geometry, shot.geometry.dx_m * 1e3
    rows, columns = int(geometry.row.max()) + 1, int(geometry.col.max()) + 1
    grid = np.full((rows, columns), np.nan, dtype=np.float32)
    grid[geometry.row, geometry.col] = shot.map_K
    left, bottom = (at * 1e3 for at in geometry.origin_m)
    extent = (left, left + columns * dx_mm, bottom, bottom + rows * dx_mm)
    image = axis.imshow(grid, cmap="inferno", origin="lower", extent=extent, interpolation="nearest")
    figure.colorbar(image, ax=axis, shrink=0.8, pad=0.02)
    axis.set_xlabel("x, mm")
    axis.set_ylabel("y, mm")


def _histogram_panel(axis: Any, shot: Shot) -> None:
    axis.set_title("Elements by temperature", color=INK)
    if shot.map_K is None:
        _say(axis, "")
    else:
        axis.hist(shot.map_K, bins=60, color="#d1495b", edgecolor="none")
        axis.set_xlabel("kelvin")
        axis.set_ylabel("elements")
        axis.spines[["top", "right"]].set_visible(False)


def _figures_panel(axis: Any, shot: Shot) -> None:
    axis.set_axis_off()
    widest = max(len(name) for name, _ in shot.figures)
    text = "\n".join(f"{name:<{widest}}  {value}" for name, value in shot.figures)
    axis.text(0.0, 0.95, text, transform=axis.transAxes, va="top", family="monospace", fontsize=10, color=INK)


def _say(axis: Any, text: str) -> None:
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", color="#8a2a2a", fontsize=10)
    axis.set_xticks([])
    axis.set_yticks([])


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise UsageError(
            "drawing needs matplotlib, which is not installed",
            where="--plot",
            remedy='pip install "cosmic-lpbf[plot]"',
        ) from error
