# ruff: noqa: PLC0415  slow imports wait until the command is really run
"""`cosmic-agent replay`: a recorded job printed again, and compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cosmic.commands import EXIT_FAILED, DebugOption, JsonOption, console, print_json, result_console
from cosmic.errors import UsageError

if TYPE_CHECKING:
    from agent.configuration import Uplink
    from agent.replay.run import Outcome

SPEED_MAX = 1000.0


def replay(
    recording: Annotated[Path, typer.Argument(metavar="REC", help="A recording, or the folder of a job's.")],
    speed: Annotated[
        float, typer.Option(min=0.01, max=SPEED_MAX, help="How many times faster than it was printed.")
    ] = 1.0,
    against: Annotated[
        str | None, typer.Option(metavar="URL", help="The coordinator that decides: ws://HOST:PORT/v1/agent.")
    ] = None,
    token_file: Annotated[str, typer.Option(metavar="FILE", help="With the printer's token at it.")] = "",
    ca_file: Annotated[
        str, typer.Option(metavar="FILE", help="Certificates to trust instead of the system's.")
    ] = "",
    printer: Annotated[str, typer.Option(metavar="NAME", help="Name at it.  [default: as recorded]")] = "",
    offline: Annotated[
        bool, typer.Option("--offline", help="Decide in this process, without a coordinator.")
    ] = False,
    part: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The part, where it is not where it was.")
    ] = None,
    rule: Annotated[str, typer.Option(metavar="RULE", help="SmartScan's rule.  [default: as recorded]")] = "",
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="FAULTS", help="Make it worse: delay=50ms,loss=2%,disconnect=12s+3s; repeatable."),
    ] = None,
    wait: Annotated[
        bool | None,
        typer.Option(
            "--wait/--deadlines",
            help="Hold the clock for decisions that had come in time, or let deadlines decide.  "
            "Unset: --wait; --deadlines with --fault.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of added faults.")] = 0,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Print a recorded job again through the agent's own code; say how many decisions were the same.

    Same maps, same times, same losses of the link, same faults; another decider. Exit 1 if the order differs.
    """
    import sys

    from agent.configuration import Uplink
    from agent.recorder.reading import read
    from agent.replay.faults import parse_faults
    from agent.replay.parts import part_of
    from agent.replay.run import Choices
    from agent.replay.run import replay as run_replay
    from cosmic import logs

    if offline == (against is not None):
        raise UsageError(
            "who decides?" if not offline else "--offline and --against exclude each other",
            where="replay",
            remedy="give --offline, or --against URL --token-file FILE",
        )
    faults = parse_faults(fault or [])
    logs.configure(sys.stderr, level="error")
    link: Uplink | None = None if against is None else Uplink(url=against, token_file=token_file, ca_file=ca_file)
    read_in = read(recording)
    for problem in read_in.problems:
        console().print(f"{problem}", soft_wrap=True)
    choices = Choices(
        speed=speed,
        against=link,
        printer=printer,
        rule=rule,
        wait=wait if wait is not None else not faults.any,
        faults=faults,
        seed=seed,
    )
    from agent.replay.show import ReplayProgress, print_outcome

    with ReplayProgress(console(), read_in) as progress:
        outcome = run_replay(read_in, part_of(read_in, part, link), choices, progress.told)
    _say(outcome, [str(problem) for problem in read_in.problems], json)
    if not json:
        print_outcome(result_console(), outcome)
    if not outcome.comparison.same:
        raise typer.Exit(EXIT_FAILED)


def _say(outcome: Outcome, problems: list[str], json: bool) -> None:
    if json:
        import msgspec

        same = {"same": outcome.comparison.same}
        print_json({**same, **msgspec.to_builtins(outcome), "problems": problems})
