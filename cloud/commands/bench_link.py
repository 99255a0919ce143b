# ruff: noqa: PLC0415  what is measured is imported when the command runs, so that --help is quick
"""`cosmic-cloud bench link`: how fast a map goes to all workers and their rows come back, by several ways."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cosmic.commands import JsonOption, console, print_json, print_lines
from cosmic.errors import UsageError

if TYPE_CHECKING:
    from cloud.link.measuring import Figures

Workers = Annotated[
    list[int] | None, typer.Option(help="Number of workers; may be given again. Default: 4, 16, 34.")
]
Rounds = Annotated[int, typer.Option(min=10, max=100_000, help="Rounds that are counted, in every pass.")]
Passes = Annotated[int, typer.Option(min=1, max=100, help="Passes; the middle figure of all is given.")]
Ways = Annotated[list[str] | None, typer.Option("--way", help="Measure only this way; may be given again.")]


def link(
    workers: Workers = None, rounds: Rounds = 200, passes: Passes = 3, way: Ways = None, json: JsonOption = False
) -> None:
    """Send a map of 312 KB to all workers and gather their rows: our link, others, and bare sockets."""
    from cloud.link.measuring import measure
    from cloud.link.measuring.figures import VALUES, WAYS

    unknown = sorted(set(way or ()) - set(WAYS))
    if unknown:
        raise UsageError(f"there is no way '{unknown[0]}'", where="--way", remedy=f"use one of: {', '.join(WAYS)}")
    counts = workers or [4, 16, 34]
    if not all(1 <= count <= 1000 for count in counts):
        raise UsageError("workers must be 1 to 1000", where="--workers")

    def told(one: Figures) -> None:
        console().print(_line(one)) if json else print_lines(_line(one))

    if not json:
        print_lines(f"{'workers':>7}  {'way':16}{'median ms':>10}{'p99 ms':>10}")
    results = measure(counts, rounds=rounds, passes=passes, ways=way, told=told)
    if json:
        print_json({"map_bytes": VALUES * 8, "results": [asdict(one) for one in results]})


def _line(one: Figures) -> str:
    if one.median_ms is None or one.p99_ms is None:
        return f"{one.workers:7d}  {one.way:16}  {one.why}"
    return f"{one.workers:7d}  {one.way:16}{one.median_ms:10.3f}{one.p99_ms:10.3f}"
