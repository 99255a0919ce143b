# ruff: noqa: PLC0415  numerics are imported when a command runs, so that --help is quick
"""`cosmic-cloud bench paper`: the paper's thirty jobs on a simulated platform, run by the real controller."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosmic.commands import JsonOption, console, print_json, print_lines, result_console
from cosmic.errors import UsageError

if TYPE_CHECKING:
    from cloud.evaluation.figures import Figure
    from cloud.evaluation.jobs import Task

LINE_S = 10.0
"""Time between two lines of progress where there is no terminal, seconds."""

FOLDER = Path("evaluation")


def paper(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of results; what is there already is kept.")
    ] = FOLDER,
    jobs: Annotated[
        str, typer.Option(metavar="NAMES", help="Jobs to run, by name or shape, with commas; all: the thirty.")
    ] = "all",
    strategies: Annotated[
        str, typer.Option(metavar="NAMES", help="Systems to run, with commas; all, or five: the paper's.")
    ] = "all",
    layers: Annotated[int, typer.Option(metavar="N", min=1, max=200, help="Layers of each.")] = 1,
    profile: Annotated[
        str, typer.Option(metavar="FILE", help="Profile of the platform: paper, or a TOML file.")
    ] = "paper",
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of every drawn time.")] = 0,
    processes: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes.  [default: as many as processors]")
    ] = None,
    plots: Annotated[bool, typer.Option("--plots/--no-plots", help="Draw the figures as PNG.")] = True,
    json: JsonOption = False,
) -> None:
    """Run the paper's evaluation: thirty jobs, each system with its own best plan, figures 14 to 18, and ours.

    The real controller, engine, speculation and keep-warm run on virtual time; the platform's times are drawn from
    its profile. It can be interrupted: run again, it goes on where it was.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from cloud.evaluation.drawing import draw_figures, drawing_available
    from cloud.evaluation.figures import GEAR, SHOWN_CM2, figures
    from cloud.evaluation.report import as_document, sentences, write_files
    from cloud.evaluation.schedule import run_all
    from cloud.evaluation.summary import Records, summary

    tasks = _tasks(out, jobs, strategies, layers, seed, profile)
    with _progress(json=json) as told:
        records = Records(run_all(tasks, processes or os.cpu_count() or 1, told))
    made, numbers = figures(records), summary(records)
    files = write_files(out, numbers, made)
    if plots and drawing_available():
        gear = [r for r in records.system("cosmic") if r.shape == GEAR and r.area_cm2 == SHOWN_CM2]
        leads = [lead for record in gear or records.system("cosmic") for lead in record.leads_ms]
        files += draw_figures(made, out, leads)
    elif plots:
        console().print('no pictures: they need the plot extra: pip install "cosmic-lpbf[plot]"', markup=False)
    if json:
        print_json({
            "summary": numbers,
            "figures": [as_document(figure) for figure in made],
            "files": [str(file) for file in files],
        })  # fmt: skip
        return
    for figure in made:
        if figure.name != "predicted":
            _show(figure)
    print_lines(*sentences(numbers), f"written: {len(files)} files in {out}")


def _tasks(out: Path, jobs: str, strategies: str, layers: int, seed: int, profile: str) -> list[Task]:
    """Return what to run. Raises UsageError for names that mean nothing."""
    from cloud.evaluation.jobs import Task
    from cloud.evaluation.systems import FIVE, SYSTEMS
    from thermal.jobs import job_name
    from thermal.shapes import JOB_AREAS_CM2, SHAPES

    systems = _names(strategies, list(SYSTEMS), {"all": list(SYSTEMS), "five": list(FIVE)}, "strategies")
    if "cold" in systems and "cosmic" not in systems:
        raise UsageError("cold runs the plan of cosmic", where="--strategies", remedy="add cosmic")
    every = {job_name(shape, area): (shape, area) for shape in SHAPES for area in JOB_AREAS_CM2}
    groups = {"all": list(every)} | {
        shape: [name for name, (of, _) in every.items() if of == shape] for shape in SHAPES
    }
    wanted = _names(jobs, list(every), groups, "jobs")
    return [
        Task(
            folder=str(out),
            shape=every[name][0],
            area_cm2=every[name][1],
            systems=tuple(systems),
            layers=layers,
            seed=seed,
            profile=profile,
        )
        for name in wanted
    ]


def _names(words: str, known: list[str], groups: dict[str, list[str]], where: str) -> list[str]:
    """Return the names that are meant, in their own order."""
    found: set[str] = set()
    for word in (word.strip() for word in words.split(",")):
        if word not in known and word not in groups:
            raise UsageError(
                f"'{word}' is not known", where=f"--{where}", remedy=f"use some of: {', '.join([*groups, *known])}"
            )
        found.update(groups.get(word, [word]))
    return [name for name in known if name in found]


@contextmanager
def _progress(*, json: bool) -> Iterator[Callable[[int, int, float | None], None]]:
    """Give what shows how far it is: a bar on a terminal, a line every ten seconds otherwise."""
    err = console()
    if err.is_terminal and not json:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (
            TextColumn("systems on jobs"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
        )
        with Progress(*columns, console=err, transient=True) as bar:
            task = bar.add_task("", left="")
            yield lambda done, total, left_s: bar.update(task, completed=done, total=total, left=_left(left_s))
        return
    last_s = float("-inf")

    def line(done: int, total: int, left_s: float | None) -> None:
        nonlocal last_s
        if done == total or monotonic() - last_s >= LINE_S:
            last_s = monotonic()
            err.print(f"bench paper: {done} of {total} systems on jobs {_left(left_s)}".rstrip(), markup=False)

    yield line


def _left(seconds: float | None) -> str:
    return "" if seconds is None or seconds < 1 else f"about {seconds / 60:.1f} min left"


def _show(figure: Figure) -> None:
    from rich.table import Table

    from cloud.evaluation.report import shown

    table = Table(box=None)
    texts: list[list[Any]] = [[shown(cell, figure.missing) for cell in row] for row in figure.rows]
    for number, column in enumerate(figure.columns):
        numeric = any(isinstance(row[number], int | float) for row in figure.rows)
        table.add_column(column, no_wrap=True, justify="right" if numeric else "left")
    for row in texts:
        table.add_row(*row)
    out = result_console()
    out.print(figure.title, style="bold", markup=False, soft_wrap=True)
    out.print(table)
    out.print()
