# ruff: noqa: PLC0415  what is measured is imported when the command runs, so that --help is quick
"""`cosmic-cloud bench link`: how fast a map goes to all workers and their rows come back, by several ways."""

from __future__ import annotations

import os
import signal
from dataclasses import asdict
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, NoReturn

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
Seconds = Annotated[
    float,
    typer.Option(
        "--way-seconds",
        min=1.0,
        max=3600.0,
        help="Longest time of a way with one number of workers; then it has fewer rounds and passes.",
    ),
]
Ways = Annotated[list[str] | None, typer.Option("--way", help="Measure only this way; may be given again.")]


def link(
    workers: Workers = None,
    rounds: Rounds = 200,
    passes: Passes = 3,
    way: Ways = None,
    way_seconds: Seconds = 24.0,
    json: JsonOption = False,
) -> None:
    """Send a map of 312 KB to all workers and gather their rows: our link, others, and bare sockets.

    Takes some 11 minutes on 2 quiet processors, most of them for starting actors of Ray and Dask.
    What is slow has fewer rounds and passes: the last column says how many.

    Example: cosmic-cloud bench link --workers 4 --way cloud.link --way "Ray actors"
    """
    from cloud.link.measuring import measure
    from cloud.link.measuring.figures import VALUES, WAYS, targets

    unknown = sorted(set(way or ()) - set(WAYS))
    if unknown:
        raise UsageError(f"there is no way '{unknown[0]}'", where="--way", remedy=f"use one of: {', '.join(WAYS)}")
    counts = workers or [4, 16, 34]
    if not all(1 <= count <= 1000 for count in counts):
        raise UsageError("workers must be 1 to 1000", where="--workers")

    def told(one: Figures) -> None:
        console().print(_line(one)) if json else print_lines(_line(one))

    signal.signal(signal.SIGTERM, _leave)
    if not json:
        print_lines(f"{'workers':>7}  {'way':24}{'median ms':>10}{'p99 ms':>10}  passes x rounds")
    started_s = perf_counter()
    results = measure(counts, rounds=rounds, passes=passes, ways=way, way_s=way_seconds, told=told, begins=_begins)
    reached = targets(results)
    seconds = round(perf_counter() - started_s, 1)
    if json:
        print_json(
            {
                "map_bytes": VALUES * 8,
                "processors": os.cpu_count(),
                "seconds": seconds,
                "results": [asdict(one) for one in results],
                "targets": [asdict(one) for one in reached],
            }
        )
        return
    for one in reached:
        ratio, met = (
            ("not measured", "") if one.ratio is None else (f"{one.ratio:g}", "  met" if one.met else "  NOT met")
        )
        print_lines(f"{one.what}: {ratio} ({one.limit}){met}")
    print_lines(f"{seconds:.0f} s")


def _leave(number: int, frame: object) -> NoReturn:
    """End as after an error: whoever started processes ends them on the way out."""
    del frame
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _begins(what: str) -> None:
    console().print(f"[dim]{what}[/dim]")


def _line(one: Figures) -> str:
    if one.median_ms is None or one.p99_ms is None:
        return f"{one.workers:7d}  {one.way:24}  not measured: {one.why}"
    return f"{one.workers:7d}  {one.way:24}{one.median_ms:10.3f}{one.p99_ms:10.3f}  {one.passes} x {one.rounds}"
