"""What a person sees of a demonstration: a progress bar while it prints, tables at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cloud.demo.processes import Usage
from cloud.demo.stage import Stage
from cloud.demo.verdict import Stretch, Verdict

LINE_EVERY_S = 3.0


class JobProgress:
    """A bar with layer, slack and fallbacks on a terminal; a line every few seconds elsewhere."""

    def __init__(self, console: Console, layers: int) -> None:
        self._console = console
        self._layers = layers
        self._slacks: list[float] = []
        self._fallbacks = 0
        self._said_s = time.monotonic()
        self._bar = Progress(
            TextColumn("printing layer {task.fields[layer]} of {task.fields[layers]}"),
            BarColumn(),
            TextColumn("slack {task.fields[slack]}  fallbacks {task.fields[fallbacks]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("job", total=layers, layer=0, layers=layers, slack="-", fallbacks=0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """Print a line beside the bar."""
        self._console.print(text)

    def window(self, line: dict[str, Any], cells: int) -> None:
        """Take in the log line of a window of a layer with `cells` cells."""
        self._slacks = [*self._slacks[-49:], line["slack_ms"]]
        self._fallbacks += line["source"] == "fallback"
        slack = f"{median(self._slacks):.1f} ms"
        self._bar.update(
            self._task,
            completed=line["layer"] + (line["window"] + 1) / cells,
            layer=line["layer"] + 1,
            slack=slack,
            fallbacks=self._fallbacks,
        )
        if not self._console.is_terminal and time.monotonic() - self._said_s >= LINE_EVERY_S:
            self._said_s = time.monotonic()
            self._console.print(
                f"layer {line['layer'] + 1} of {self._layers}, window {line['window'] + 1} of {cells}: "
                f"median slack {slack}, fallbacks {self._fallbacks}"
            )


def print_verdict(
    console: Console, verdict: Verdict, stage: Stage, usage: Usage | None, recording: Path, report: Path
) -> None:
    """Print the tables and where the records are."""
    causes = ", ".join(f"{count} {_cause(cause)}" for cause, count in verdict.fallbacks.items() if count)
    rows = [
        ("layers", str(verdict.layers)),
        ("windows", str(verdict.windows)),
        ("on time", str(verdict.on_time)),
        ("fallbacks", f"{verdict.fallback_windows}" + (f" ({causes})" if causes else "")),
        ("every cell scanned once", "yes" if verdict.every_cell_once else "NO"),
        ("layers whose order is SmartScan's", f"{verdict.orders_equal} of {verdict.orders_checked}"),
        ("smallest slack", f"{verdict.slack_ms_min:.2f} ms"),
        ("median slack", f"{verdict.slack_ms_median:.2f} ms"),
        ("decided ahead, median", _optional_ms(verdict.ahead_ms_median)),
        ("longest wait for a first cell", f"{verdict.first_cell_ms_max:.1f} ms"),
        ("laser without a cell", f"{verdict.starved_ms:.1f} ms"),
        ("mean R, as printed", f"{verdict.uniformity:.5f}"),
        ("mean R, random orders", f"{verdict.uniformity_random:.5f} ({verdict.better_than_random:.2f}x)"),
        ("mean R, sequential", f"{verdict.uniformity_sequential:.5f} ({verdict.better_than_sequential:.2f}x)"),
    ]
    if usage is not None:
        rows.append(("agent, resident at most", f"{usage.resident_mb:.0f} MB"))
        rows.append(("agent, share of a core", f"{100 * usage.cpu_s / usage.wall_s:.1f} %"))
    print_rows(console, "The job", rows)
    console.print(
        "R: standard deviation of the layer's temperature over T_melt, after each window; smaller is better."
    )
    if verdict.stretches:
        console.print(_stretches_table(verdict.stretches))
    console.print(f"logs: {stage.agent_log}, {stage.coordinator_log}", soft_wrap=True)
    console.print(f"recording: {recording}", soft_wrap=True)
    console.print(f"report, for a browser: {report}", soft_wrap=True)


def print_rows(console: Console, title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print a table of names and values."""
    table = Table(title=title, show_header=False, title_justify="left")
    table.add_column(justify="left")
    table.add_column(justify="right")
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)


def _stretches_table(stretches: list[Stretch]) -> Table:
    table = Table(title="Layers in which the coordinator was away", title_justify="left")
    for column in ("layer", "windows", "link", "cells from", "epoch"):
        table.add_column(column)
    for stretch in stretches:
        table.add_row(
            str(stretch.layer + 1),
            f"{stretch.first_window}-{stretch.last_window}",
            stretch.link,
            _came_from(stretch),
            str(stretch.epoch),
        )
    return table


def _came_from(stretch: Stretch) -> str:
    if stretch.source == "fallback":
        return f"fallback order ({_cause(stretch.outcome)})"
    return "coordinator" if stretch.link == "up" else "coordinator, from the buffer"


def _cause(outcome: str) -> str:
    return outcome.removeprefix("fallback_")


def _optional_ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
