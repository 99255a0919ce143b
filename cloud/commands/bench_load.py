# ruff: noqa: PLC0415  what is measured is imported when the command runs, so that --help is quick
"""`cosmic-cloud bench load`: how many printers one coordinator serves without a fallback."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cosmic.commands import JsonOption, console, print_json, print_lines

if TYPE_CHECKING:
    from cloud.load.trial import Trial

Count = Annotated[
    int | None, typer.Option("--printers", metavar="N", min=1, max=1000, help="Try this number alone.")
]
First = Annotated[int, typer.Option(metavar="N", min=1, max=500, help="Number to begin the search with.")]
Most = Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="Number to end the search with.")]
Seconds = Annotated[float, typer.Option(metavar="S", min=0.5, help="Time measured after every printer has begun.")]
Area = Annotated[float, typer.Option(metavar="CM2", min=0.1, help="Area of the layer.")]
Engine = Annotated[
    Literal["inline", "local"],
    typer.Option(help="Who makes the products: the coordinator, or two workers with matrices (up to some 2 cm2)."),
]
Shape = Annotated[str, typer.Option(metavar="NAME", help="Sample shape; its windows take 40 ms.")]
Pause = Annotated[float, typer.Option("--spreading", metavar="S", min=0.0, help="Pause between two layers.")]
Lookahead = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Windows decided ahead; unset: the whole layer.")
]


def load(
    printers: Count = None,
    first: First = 16,
    most: Most = 256,
    seconds: Seconds = 10.0,
    area: Area = 16.0,
    shape: Shape = "segmented-gear",
    spreading: Pause = 1.0,
    lookahead: Lookahead = None,
    engine: Engine = "inline",
    json: JsonOption = False,
) -> None:
    """Find how many printers a coordinator serves, and when it begins to refuse jobs.

    Coordinator and printers are real processes on this machine, all printers in one. A window is a fallback where
    its decision was not there 5 ms before it began. Takes some minutes; other work on the machine counts as well.

    Example: cosmic-cloud bench load --printers 20 --json
    """
    from cloud.load.stage import INLINE, LOCAL, make_work

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the coordinator is ended, as after ^C

    def told(trial: Trial) -> None:
        console().print(_line(trial)) if json else print_lines(_line(trial))

    with tempfile.TemporaryDirectory(prefix="cosmic-load-") as name:
        folder = Path(name)
        (folder / "parts").mkdir()
        console().print(f"[dim]preparing {shape}, {area:g} cm2[/dim]")
        work = make_work(folder / "parts", area, shape, lookahead, spreading, dense=engine == "local")
        document: dict[str, Any] = {
            "processors": len(os.sched_getaffinity(0)),
            "engine": engine,
            "shape": shape,
            "area_cm2": area,
            "cells": len(work.windows_s),
            "window_ms_mean": round(1e3 * sum(work.windows_s) / len(work.windows_s), 2),
            "lookahead": lookahead,
            "spreading_s": spreading,
            "seconds": seconds,
        }
        settings = LOCAL if engine == "local" else INLINE
        document |= asyncio.run(_measure(folder, work, printers, first, most, seconds, told, settings))
    if json:
        print_json(document)
    elif printers is None:
        print_lines(
            f"{document['printers_max']} printers without a fallback; "
            f"admission control begins at {document['admission']['printers']} jobs"
        )


async def _measure(
    folder: Path,
    work: Any,
    printers: int | None,
    first: int,
    most: int,
    seconds: float,
    told: Any,
    engine: Mapping[str, object],
) -> dict[str, Any]:
    from cloud.load.stage import MeasuredCoordinator
    from cloud.load.trial import run_admission, run_trial, search

    if printers is not None:
        limits = {"load_max": 1000.0, "connections_max": 4 * printers}
        coordinator = MeasuredCoordinator(folder, "given", limits, engine)
        try:
            trial = await run_trial(coordinator, work, printers, seconds)
        finally:
            coordinator.end()
        told(trial)
        return {"trials": [asdict(trial)]}
    best, trials = await search(folder, work, first, most, seconds, told, engine)
    console().print("[dim]jobs until one is refused[/dim]")
    coordinator = MeasuredCoordinator(folder, "admission", {"connections_max": 4 * most}, engine)
    try:
        admission = await run_admission(coordinator, work, most, seconds)
    finally:
        coordinator.end()
    told(admission)
    return {"printers_max": best, "trials": [asdict(one) for one in trials], "admission": asdict(admission)}


def _line(trial: Trial) -> str:
    slack = "" if trial.slack_ms_p01 is None else f", slack 1 % {trial.slack_ms_p01:g} ms"
    refused = f", {trial.refused} refused" if trial.refused else ""
    lost = f", {trial.lost} lost ({trial.cause})" if trial.lost else ""
    return (
        f"{trial.printers:4d} printers: {trial.fallbacks} fallbacks in {trial.windows} windows{slack}; "
        f"processors: coordinator {trial.coordinator_cpu:.2f}, printers {trial.clients_cpu:.2f}; "
        f"load average {trial.load_average:g}{refused}{lost}"
    )
