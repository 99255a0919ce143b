"""The figures as pictures. Needs the `plot` extra."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloud.evaluation.figures import Figure
from cosmic.errors import InputError, UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 90


def drawing_available() -> bool:
    """Return whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw_figures(figures: Sequence[Figure], folder: Path, leads_ms: Sequence[float]) -> list[Path]:
    """Draw the figures that have a picture, as PNG; return their files.

    leads_ms: of figure 18.

    Raises:
        UsageError: matplotlib is not installed.
        InputError: a file cannot be written.
    """
    try:
        from matplotlib.figure import Figure as Canvas  # noqa: PLC0415  optional
    except ImportError as error:
        raise UsageError(
            "matplotlib is not installed", where="--plot", remedy="pip install cosmic-lpbf[cloud,plot]"
        ) from error
    drawn = []
    for figure in figures:
        draw = DRAWN.get(figure.name)
        if draw is None or (figure.name == "figure-18" and not leads_ms):
            continue
        canvas = Canvas(figsize=(8, 4), layout="constrained")
        axes = canvas.subplots()
        draw(axes, figure, leads_ms)
        file = folder / f"{figure.name}.png"
        try:
            canvas.savefig(file, dpi=DPI)
        except OSError as error:
            raise InputError(
                f"cannot be written: {error.strerror}", where=str(file), remedy="check folder and permissions"
            ) from error
        drawn.append(file)
    return drawn


def _bars(axes: Axes, figure: Figure, columns: Sequence[str], *, label: str, log: bool = False) -> None:
    """Draw a group of bars a row, one a column; a cross where there is no value."""
    width = 0.8 / len(columns)
    for number, column in enumerate(columns):
        place = figure.columns.index(column)
        values: list[Any] = [row[place] for row in figure.rows]
        at = [row + (number - (len(columns) - 1) / 2) * width for row in range(len(values))]
        bars = axes.bar(at, [value or 0.0 for value in values], width, label=column)
        for x, value in zip(at, values, strict=True):
            if value is None:
                axes.plot(x, 0.03, marker="x", color=bars.patches[0].get_facecolor(), markersize=4, clip_on=False,
                          transform=axes.get_xaxis_transform())  # fmt: skip
    axes.set_xticks(
        range(len(figure.rows)), [str(row[0]) for row in figure.rows], rotation=35, ha="right", fontsize=7
    )
    axes.set_ylabel(label)
    if log:
        axes.set_yscale("log")
    axes.legend(fontsize=7, ncols=len(columns), loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)


def _costs(axes: Axes, figure: Figure, _leads: Sequence[float]) -> None:
    _bars(axes, figure, figure.columns[1:-1], label="cost over cosmic's (x: late)", log=True)


def _ablation_costs(axes: Axes, figure: Figure, _leads: Sequence[float]) -> None:
    _bars(axes, figure, figure.columns[1:], label="cost over all three techniques'")


def _ablation(axes: Axes, figure: Figure, _leads: Sequence[float]) -> None:
    _bars(axes, figure, figure.columns[1:-1], label="jobs in time")


def _beyond(axes: Axes, figure: Figure, _leads: Sequence[float]) -> None:
    _bars(axes, figure, ("guesses", "square", "float32", "ours"), label="cost over cosmic's")
    axes.axhline(0.6, color="k", linewidth=0.6, linestyle="--")


def _operators(axes: Axes, figure: Figure, _leads: Sequence[float]) -> None:
    for area in sorted({float(row[1]) for row in figure.rows if isinstance(row[1], float | int)}):
        points: list[tuple[Any, Any]] = [(row[2], row[4]) for row in figure.rows if row[1] == area and row[4]]
        axes.scatter([x for x, _ in points], [y for _, y in points], label=f"{area:g} cm2")
    axes.axhline(1.0, color="k", linewidth=0.6, linestyle="--")
    axes.set(xlabel="distinct operators", ylabel="cost of machines over cosmic's")
    axes.legend(fontsize=7)


def _timing(axes: Axes, figure: Figure, leads_ms: Sequence[float]) -> None:
    axes.hist(leads_ms, bins=60, range=(-4.0, 16.0))
    axes.axvline(0.0, color="k", linewidth=0.6)
    axes.set(xlabel="ready minus needed, ms", ylabel=f"groups of {figure.rows[0][1]}")


def _predicted(axes: Axes, figure: Figure, _leads: Sequence[float]) -> None:
    place = figure.columns.index
    for name in dict.fromkeys(row[1] for row in figure.rows):
        points: list[tuple[Any, Any]] = [
            (row[place("simulated s")], row[place("predicted s")]) for row in figure.rows if row[1] == name
        ]
        axes.scatter([x for x, _ in points], [y for _, y in points], s=8, label=str(name))
    least, most = axes.get_xlim()
    axes.plot([least, most], [least, most], color="k", linewidth=0.6)
    axes.set(xscale="log", yscale="log", xlabel="simulated runtime of a layer, s", ylabel="predicted, s")
    axes.legend(fontsize=6)


DRAWN: dict[str, Callable[[Axes, Figure, Sequence[float]], None]] = {
    "figure-14": _costs,
    "figure-15": _operators,
    "figure-16": _ablation,
    "figure-17": _ablation_costs,
    "figure-18": _timing,
    "beyond": _beyond,
    "predicted": _predicted,
}
"""How each figure is drawn, by its name."""
