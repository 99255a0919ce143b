# ruff: noqa: PLC0415  numerics are imported when a command runs, so that --help is quick
"""`cosmic-cloud profile`: what an engine is like on this machine or platform, measured for the planner."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosmic.commands import DebugOption, JsonOption, console, print_json, print_lines, result_console
from cosmic.errors import UsageError

if TYPE_CHECKING:
    from cloud.plans import Precision

ENGINES = ("inline", "local", "ray", "lambda", "simulated")


def profile(
    engine: Annotated[str, typer.Option(metavar="E", help="inline, local, ray, lambda or simulated.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The profile.  [default: E.toml]")
    ] = None,
    area: Annotated[
        float, typer.Option(metavar="CM2", min=0.3, max=16.0, help="Largest layer measured with matrices.")
    ] = 2.0,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=2, max=64, help="Functions or processes.  [default: 4, or 2 a processor]"),
    ] = None,
    precision: Annotated[str, typer.Option(metavar="TYPE", help="float64, float32 or both.")] = "both",
    samples: Annotated[int, typer.Option(metavar="N", min=10, help="Of one quantity at most.")] = 100,
    width: Annotated[
        float, typer.Option(metavar="SHARE", min=0.001, max=1.0, help="Enough is known at this half interval.")
    ] = 0.05,
    idle: Annotated[str, typer.Option(metavar="S,S", help="Pauses before looking for cold workers.")] = "1,5",
    memory_mb: Annotated[int, typer.Option(metavar="MB", min=128, help="Of a function.")] = 10_240,
    base: Annotated[str, typer.Option(metavar="P", help="Profile that gives what is not measured.")] = "paper",
    region: Annotated[str | None, typer.Option(metavar="NAME", help="lambda: AWS region.")] = None,
    bucket: Annotated[str | None, typer.Option(metavar="NAME", help="lambda: a bucket of yours.")] = None,
    host: Annotated[str, typer.Option(metavar="IP", help="lambda, ray: where workers connect.")] = "127.0.0.1",
    advertise: Annotated[
        str | None, typer.Option(metavar="IP", help="lambda: this machine's address as workers see it.")
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="ray: head of a cluster.  [default: this machine alone]")
    ] = None,
    wheels: Annotated[Path | None, typer.Option(metavar="DIR", help="lambda: cache of wheels.")] = None,
    endpoint_url: Annotated[
        str | None, typer.Option(metavar="URL", help="lambda: another address, for tests.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a paid platform is used.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Measure delays, network, products, cold starts and loading, and write a profile for `plan --profile`.

    Few samples are taken, more where they spread; every value stands with its interval. On a paid platform what it
    costs at most is shown and asked for first; what was made there is removed at the end.

    Example: cosmic-cloud profile --engine local -o mine.toml
    """
    from cloud.commands.part import progress_shown
    from cloud.profiling.engines import AmazonPlace, Setup, profile_engine
    from cloud.profiling.measuring import Effort
    from cloud.profiling.writing import figures_of, profile_text
    from cloud.simulation.profile import read_profile

    precisions = _check(engine, precision)
    effort = Effort(samples, width, () if engine in {"inline", "local", "ray"} else _pauses(idle))
    target = output or Path(f"{engine}.toml")
    _writable(target)
    given = read_profile(base)
    with tempfile.TemporaryDirectory(prefix="cosmic-profile-") as folder:
        setup = Setup(
            folder=Path(folder),
            area_cm2=area,
            workers=workers,
            memory_mb=memory_mb,
            precisions=precisions,
            effort=effort,
            progress=progress_shown,
            base=base,
            amazon=AmazonPlace(region, bucket, endpoint_url, host, advertise, wheels or _cache()),
            ray=ray,
            agreed=partial(_agree, yes, json),
        )
        found = profile_engine(engine, setup)
    text = profile_text(
        found.figures, given, known=found.known, about={"engine": engine, "machine": _machine(), **found.about}
    )
    target.write_text(text)
    document = {"engine": engine, "profile": str(target), **figures_of(found.figures)}
    if json:
        print_json(document)
    else:
        _show(document)


def _check(engine: str, precision: str) -> tuple[Precision, ...]:
    """Return the precisions; refuse words that mean nothing before the long work begins."""
    for where, word, words in (
        ("engine", engine, ENGINES),
        ("precision", precision, ("float64", "float32", "both")),
    ):
        if word not in words:
            raise UsageError(
                f"there is no {where} '{word}'", where=f"--{where}", remedy=f"use one of: {', '.join(words)}"
            )
    both: tuple[Precision, ...] = ("float64", "float32")
    return tuple(one for one in both if precision in {one, "both"})


def _pauses(text: str) -> tuple[float, ...]:
    """Read pauses in seconds, with commas between them, and return them ascending."""
    try:
        found = sorted(float(word) for word in text.split(",") if word.strip())
    except ValueError:
        found = [-1.0]
    if any(not 0 < one <= 3600 for one in found):
        raise UsageError(f"'{text}' are no pauses", where="--idle", remedy="write seconds up to 3600: 1,5,60")
    return tuple(found)


def _writable(target: Path) -> None:
    """Refuse a file that cannot be written before the long work begins."""
    if target.suffix != ".toml":
        raise UsageError(
            f"'{target}' is not called .toml", where="--output", remedy="give a name that ends in .toml"
        )
    try:
        with target.open("a"):
            pass
    except OSError as error:
        raise UsageError(
            f"cannot be written: {error.strerror}", where=str(target), remedy="give another"
        ) from error
    if target.stat().st_size == 0:
        target.unlink()


def _agree(yes: bool, json: bool, question: str, lines: list[str]) -> None:
    """Show what it costs, and ask. Raises UsageError where nobody can answer."""
    for line in lines:
        console().print(line, soft_wrap=True, markup=False)
    if yes:
        return
    if json or not sys.stdin.isatty():
        raise UsageError("nobody can be asked here", why="standard input is no terminal", remedy="give --yes")
    typer.confirm(question, abort=True)


def _machine() -> str:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{platform.machine()}, {count} processors, {platform.system()}"


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cosmic" / "wheels"


def _show(document: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("figure", "value", "95 % interval", "samples", box=None)
    for row in document["rows"]:
        table.add_row(row["what"], row["value"], row["interval"], str(row["samples"]))
    result_console().print(table)
    print_lines(
        f"written: {document['profile']}", f"use it: cosmic-cloud plan PART --profile {document['profile']}"
    )
