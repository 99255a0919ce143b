"""Writes the evaluation: one JSON document, a CSV file and a picture for each figure, and lines for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from cloud.evaluation.figures import Cell, Figure
from cosmic.errors import InputError


def write_files(folder: Path, summary: dict[str, Any], figures: Sequence[Figure]) -> list[Path]:
    """Write `evaluation.json` and a CSV file for each figure; return them. Raises InputError."""
    document = {"summary": summary, "figures": [as_document(figure) for figure in figures]}
    files = {folder / "evaluation.json": msgspec.json.format(msgspec.json.encode(document), indent=1)}
    files |= {folder / f"{figure.name}.csv": as_csv(figure) for figure in figures}
    for file, content in files.items():
        try:
            file.write_bytes(content)
        except OSError as error:
            raise InputError(
                f"cannot be written: {error.strerror}", where=str(file), remedy="check folder and permissions"
            ) from error
    return list(files)


def as_document(figure: Figure) -> dict[str, Any]:
    """Return a figure for JSON."""
    rows = [dict(zip(figure.columns, row, strict=True)) for row in figure.rows]
    return {"name": figure.name, "title": figure.title, "rows": rows}


def as_csv(figure: Figure) -> bytes:
    """Return a figure as CSV; a system that was late has an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(figure.columns)
    writer.writerows(["" if cell is None else cell for cell in row] for row in figure.rows)
    return text.getvalue().encode()


def shown(cell: Cell, missing: str = "-") -> str:
    """Return a cell for the terminal; `missing` for None."""
    if cell is None:
        return missing
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float) and not cell.is_integer():
        return f"{cell:.5f}" if abs(cell) < 0.1 else f"{cell:.2f}"
    return f"{cell:g}" if isinstance(cell, float) else str(cell)


def sentences(summary: dict[str, Any]) -> list[str]:
    """Return the summary in words."""
    lines = []
    cheapest, predicted = summary["cheapest"], summary["prediction"]
    for name, label in (
        ("vm", "machines"),
        ("float32", "square blocks, float32, better guesses"),
        ("ours", "ours"),
    ):
        spread = summary["cost_over_cosmic"].get(name)
        if spread:
            lines.append(
                f"{label}: {spread['median']:.2f}x cosmic's cost at the median ({spread['least']:.2f} to "
                f"{spread['most']:.2f}, {spread['jobs']} jobs)"
            )
    following = cheapest["next_serverless_over_cosmic"]
    if following:
        lines.append(
            f"the cheapest other serverless way: {following['median']:.2f}x at the median, where one is in time "
            f"({following['jobs']} jobs)"
        )
    if cheapest["jobs"]:
        counts = ", ".join(f"{name} {count}" for name, count in cheapest["by_system"].items())
        lines.append(
            f"cheapest of five: {counts}; the planner says the same in {cheapest['planner_agrees']} of "
            f"{cheapest['jobs']}"
        )
        lines.append(
            "cosmic is at most as dear as every other serverless way in "
            f"{cheapest['cosmic_at_most_as_dear_as_serverless']} of {cheapest['jobs']}"
        )
    if predicted:
        lines.append(
            f"predicted against simulated, {predicted['plans']} plans of the five: runtime "
            f"{predicted['runtime_mean_error']:.2%} off on average, {predicted['runtime_worst_error']:.2%} at "
            f"worst; cost {predicted['cost_mean_error']:.2%} and {predicted['cost_worst_error']:.2%}; in time or "
            f"late agreed in {predicted['feasibility_agreed']} of {predicted['plans_by_the_layer']}"
        )
    return lines
