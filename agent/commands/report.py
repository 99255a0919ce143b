# ruff: noqa: PLC0415  slow imports wait until the command is really run
"""`cosmic-agent report`: a recording as one self-contained page, or two beside each other."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from cosmic.commands import DebugOption, JsonOption, console, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from agent.recorder.reading import Recording
    from agent.report.beside import Beside
    from agent.report.figures import Report
    from agent.report.make import Found

LINE_EVERY_S = 3.0


def report(
    recording: Annotated[Path, typer.Argument(metavar="REC", help="A recording, or the folder of a job's.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Where to write. Unset: JOB-report.html; with --json no file."
        ),
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(metavar="OTHER", help="Show another recording beside it instead.")
    ] = None,
    part: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The part, where it is not where it was.")
    ] = None,
    compare_layers: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Layers for which other orders are computed. Unset: as many as some seconds allow.",
        ),
    ] = None,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Write a recorded job as one page that needs no network: order, maps, uniformity, slack, fallbacks.

    Without the part the page holds what the recording alone tells, and says what is missing. A recording that was
    cut short is reported as far as it goes.
    """
    from agent.report.make import Found as PartFound
    from agent.report.make import document, figures_of, find_part, write_comparison, write_report

    read_in = _read(recording)
    other = None if compare is None else _read(compare)
    found = _find(find_part, read_in, part)
    if output is None and not json:
        output = Path(f"{read_in.path.parent.name or 'job'}-{'report' if other is None else 'comparison'}.html")
    figures: Report | Beside
    with Progress(console()) as progress:
        if other is not None:
            second = (
                PartFound(found.part, found.without)
                if _same_part(read_in, other)
                else _find(find_part, other, None)
            )
            figures = write_comparison((read_in, found), (other, second), output, progress.told)
        elif output is None:
            figures = figures_of(read_in, found, compare_layers=compare_layers, told=progress.told)
        else:
            figures = write_report(read_in, found, output, compare_layers=compare_layers, told=progress.told)
    _written(output)
    if json:
        print_json({**document(figures), **_file(output)})
    if found.error is not None:
        raise typer.Exit(found.error.exit_code)


def _same_part(one: Recording, other: Recording) -> bool:
    return one.header.digest == other.header.digest


def _find(find_part: Callable[[Recording, Path | None], Found], recording: Recording, folder: Path | None) -> Found:
    """Return the part; say so where it is not there."""
    found = find_part(recording, folder)
    if found.part is None:
        console().print(f"the report is without the part: {found.without}", soft_wrap=True, markup=False)
    return found


def _read(path: Path) -> Recording:
    from agent.recorder.reading import read

    read_in = read(path)
    for problem in read_in.problems:
        console().print(f"{problem}", soft_wrap=True, markup=False)
    return read_in


def _written(output: Path | None) -> None:
    if output is None:
        return
    size = output.stat().st_size
    shown = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
    console().print(f"report written: {output}, {shown}", soft_wrap=True, markup=False)


def _file(output: Path | None) -> dict[str, Any]:
    return {} if output is None else {"file": str(output), "bytes": output.stat().st_size}


class Progress:
    """Layers done, of all."""

    def __init__(self, terminal: Console) -> None:
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._terminal = terminal
        self._said_s = time.monotonic()
        self._bar = Bar(
            TextColumn("predicting"),
            BarColumn(),
            TextColumn("{task.completed} of {task.total} layers"),
            TimeElapsedColumn(),
            console=terminal,
            disable=not terminal.is_terminal,
        )
        self._task = self._bar.add_task("report", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def told(self, done: int, total: int) -> None:
        """Show that so many of all are done."""
        self._bar.update(self._task, completed=done, total=total)
        if not self._terminal.is_terminal and time.monotonic() - self._said_s >= LINE_EVERY_S:
            self._said_s = time.monotonic()
            self._terminal.print(f"{done} of {total} layers")
