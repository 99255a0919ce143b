"""What a person sees of a replay: a bar, or a line every few seconds, and the comparison at the end."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from agent.observers import Happening, WindowEnded
from agent.recorder.reading import Recording
from agent.replay.compare import Difference, Side
from agent.replay.run import Outcome

LINE_EVERY_S = 3.0


class ReplayProgress:
    """Windows printed again, of those recorded."""

    def __init__(self, console: Console, recording: Recording) -> None:
        self._console = console
        self._total = len(recording.windows)
        self._done = 0
        self._said_s = time.monotonic()
        self._bar = Progress(
            TextColumn("printing again"),
            BarColumn(),
            TextColumn("{task.completed} of {task.total} windows"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("replay", total=self._total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def told(self, happening: Happening) -> None:
        """Take in what happened."""
        if not isinstance(happening, WindowEnded):
            return
        self._done += 1
        self._bar.update(self._task, completed=self._done)
        if not self._console.is_terminal and time.monotonic() - self._said_s >= LINE_EVERY_S:
            self._said_s = time.monotonic()
            self._console.print(f"window {self._done} of {self._total}")


def print_outcome(console: Console, outcome: Outcome) -> None:
    """Print the comparison."""
    found = outcome.comparison
    table = Table(title="The job printed again", show_header=False, title_justify="left")
    table.add_column(justify="left")
    table.add_column(justify="right")
    rows = [
        ("layers", str(found.layers)),
        ("windows", str(found.windows)),
        ("scanned in the same order", f"{found.same_order} of {found.windows}"),
        ("decisions the same", f"{found.same_decisions} of {found.decided} ({found.same_percent:g} %)"),
        ("fallbacks as recorded", str(found.recorded_fallbacks)),
        ("fallbacks that are new", str(found.new_fallbacks)),
        ("time, as recorded", f"{outcome.recorded_s:.1f} s"),
        ("time, on the wall", f"{outcome.wall_s:.1f} s, {outcome.held_s:.1f} s of it waiting for decisions"),
    ]
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)
    slack = Table(title="Slack, ms", title_justify="left")
    for column in ("", "smallest", "1 %", "5 %", "median", "95 %"):
        slack.add_column(column, justify="right" if column else "left")
    for name, each in (("recorded", found.slack_recorded), ("replayed", found.slack_replayed)):
        figures = (each.min_ms, each.p1_ms, each.p5_ms, each.median_ms, each.p95_ms)
        slack.add_row(name, *("-" if figure is None else f"{figure:.1f}" for figure in figures))
    console.print(slack)
    if outcome.left_out:
        console.print(f"left out, too little is recorded: layers {', '.join(map(str, outcome.left_out))}")
    if found.first_difference is not None:
        _print_difference(console, found.first_difference)


def _print_difference(console: Console, found: Difference) -> None:
    console.print(f"The first difference: layer {found.layer}, window {found.window}")
    for name, side in (("recorded", found.recorded), ("replayed", found.replayed)):
        console.print(f"  {name}: {_side(side)}", soft_wrap=True)
    best = ", ".join(f"cell {each.cell} {each.score_K2:.6g}" for each in found.best)
    console.print(f"  the best scores, K2: {best}; nearer than {found.tie_K2:.3g} count as equal", soft_wrap=True)


def _side(side: Side) -> str:
    score = "scanned already" if side.score_K2 is None else f"score {side.score_K2:.6g} K2, rank {side.rank}"
    return f"cell {side.cell}, {score}, {side.source} ({side.outcome})" + (f": {side.cause}" if side.cause else "")
