# ruff: noqa: PLC0415  numerics are imported when a command runs, so that --help is quick
"""`cosmic-cloud plan`: the cheapest plan that holds every deadline, beside the systems to compare it with."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cosmic.commands import EXIT_FAILED, EXIT_USAGE, JsonOption, console, print_json, print_lines, result_console
from cosmic.errors import UsageError

if TYPE_CHECKING:
    from cloud.planner.compare import Proposal
    from cloud.planner.job import Job
    from cloud.planner.tradeoff import Range, Tried
    from thermal.part import Part

OBJECTIVES = ("cost", "runtime", "accuracy")


def plan(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a prepared part.")],
    profile: Annotated[
        str, typer.Option(metavar="FILE", help="Profile of the platform: paper, or a TOML file.")
    ] = "paper",
    prices: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Prices, TOML.  [default: the shipped ones]")
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(metavar="S", help="cosmic, invoke-on-demand, all-persistent, all-active or vm."),
    ] = "cosmic",
    objective: Annotated[str, typer.Option(metavar="O", help="cost, runtime or accuracy.")] = "cost",
    deadline_ms: Annotated[
        float | None,
        typer.Option(metavar="MS", help="The layer's order takes no longer.  [default: only windows count]"),
    ] = None,
    budget: Annotated[float | None, typer.Option(metavar="USD", help="A layer costs no more.")] = None,
    error_max: Annotated[
        float | None, typer.Option(metavar="E", help="Relative rounding allowed; 1e-12 means float64.")
    ] = None,
    space: Annotated[
        str, typer.Option(metavar="SPACE", help="full, or paper: r x 1, float64, 10,240 MB.")
    ] = "full",
    order: Annotated[
        str, typer.Option(metavar="ORDER", help="smartscan: the part's own order; random: drawn ones.")
    ] = "smartscan",
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if",
            metavar="KEY=VALUE",
            help="Change a figure, as in speed_mm_s=600, or vary one: 400:1200:9, or 600,800. Repeatable.",
        ),
    ] = None,
    orders: Annotated[
        list[Path] | None,
        typer.Option(
            "--orders",
            metavar="FILE",
            help="Orders of earlier prints (order --json), or 'predicted': cells may be clustered by them.",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw cost against runtime, or what is varied: .png, .svg or .pdf."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the draws.")] = 0,
    json: JsonOption = False,
) -> None:
    """Choose how a part is computed: groups, functions, when they run, and what a layer then costs.

    Exit code 1: no plan holds the deadlines; 2: none keeps the limits that you gave.
    """
    _check(
        strategy, objective, space, order, {"deadline-ms": deadline_ms, "budget": budget, "error-max": error_max}
    )
    from cloud.commands.part import progress_shown
    from cloud.planner.compare import propose
    from cloud.planner.job import job_of
    from cloud.planner.platform import read_platform, space_of
    from cloud.planner.report import document, nearest_miss, on_time, remedies
    from cloud.planner.search import Limits
    from cloud.planner.spaces import FULL, PAPER
    from cloud.planner.tradeoff import split_changes, tradeoff_document, vary
    from thermal.part import load_part

    if plot is not None:
        from cloud.planner.drawing import check_picture, draw_proposal, draw_tradeoff

        check_picture(plot)
    single, over = split_changes(what_if or ())
    platform, changes = read_platform(profile, prices, single)
    loaded = load_part(folder)
    job = job_of(loaded, smartscan=order == "smartscan", seed=seed).with_changes(**changes)
    job = _with_orders(job, loaded, orders)
    searched = space_of(platform, FULL if space == "full" else PAPER)
    limits = Limits(None if deadline_ms is None else deadline_ms / 1e3, budget, error_max)
    with progress_shown() as told:
        tried = over and vary(
            job, profile, prices, single, over, searched,
            objective=objective, limits=limits, seed=seed, told=told,  # type: ignore[arg-type]
        )  # fmt: skip
        proposal = propose(
            job,
            platform,
            strategy=strategy,
            objective=objective,  # type: ignore[arg-type]
            limits=limits,
            space=searched,
            seed=seed,
        )
    if plot is not None:
        if over is not None and tried:
            draw_tradeoff(job.name, over, tried, plot)
        else:
            draw_proposal(proposal, searched, plot)
    if json:
        varied = {"what_if": tradeoff_document(over, tried)} if over is not None and tried else {}
        print_json(document(proposal) | varied)
    else:
        _show(proposal)
        if over is not None and tried:
            _show_tradeoff(over, tried)
    if proposal.chosen.feasible:
        return
    given = deadline_ms is not None or budget is not None
    what = "keeps the limits given" if given and on_time(proposal, proposal.chosen) else "holds every deadline"
    missed = nearest_miss(proposal)
    line = (
        f"{strategy}: no plan {what}{missed and f' ({missed})'} - {'; '.join(remedies(proposal)) or 'allow more'}"
    )
    console().print(line, soft_wrap=True, markup=False)
    raise typer.Exit(EXIT_USAGE if given else EXIT_FAILED)


def _with_orders(job: Job, part: Part, orders: list[Path] | None) -> Job:
    """Return the job with what earlier prints, or predicted ones, say of how cells follow each other."""
    from dataclasses import replace

    from cloud.plans.orders import predicted_transitions, recorded_transitions

    if not orders:
        return job
    if [str(file) for file in orders] == ["predicted"]:
        return replace(job, transitions=predicted_transitions(part))
    return replace(job, transitions=recorded_transitions(part, orders))


def _check(strategy: str, objective: str, space: str, order: str, limits: dict[str, float | None]) -> None:
    """Refuse words that mean nothing before the long work begins."""
    from cloud.planner.compare import STRATEGIES

    for where, word, known in (
        ("strategy", strategy, STRATEGIES),
        ("objective", objective, OBJECTIVES),
        ("space", space, ("full", "paper")),
        ("order", order, ("smartscan", "random")),
    ):
        if word not in known:
            raise UsageError(
                f"there is no {where} '{word}'", where=f"--{where}", remedy=f"use one of: {', '.join(known)}"
            )
    for where, value in limits.items():
        if value is not None and not (math.isfinite(value) and value > 0):
            raise UsageError(f"{value:g} is not possible", where=f"--{where}", remedy="give a number above 0")


def _show_tradeoff(over: Range, tried: list[Tried]) -> None:
    from rich.table import Table

    from cloud.planner.tradeoff import TRADEOFF_COLUMNS, tradeoff_rows

    table = Table(box=None, title=f"what if {over.name} varies", title_justify="left")
    for column in (over.label, *TRADEOFF_COLUMNS):
        table.add_column(column, no_wrap=True, justify="left" if column == "mode" else "right")
    for row in tradeoff_rows(tried):
        table.add_row(*row)
    result_console().print(table)


def _show(proposal: Proposal) -> None:
    from rich.table import Table

    from cloud.planner.report import COLUMNS, sentences, table_rows

    table = Table(box=None)
    for column in COLUMNS:
        table.add_column(
            column, no_wrap=True, justify="left" if column in {"strategy", "dealing", "mode"} else "right"
        )
    for row in table_rows(proposal):
        table.add_row(*row)
    result_console().print(table)
    print_lines(*sentences(proposal))
