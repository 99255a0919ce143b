# ruff: noqa: PLC0415  numerics are imported when the command runs, so that --help is quick
"""`cosmic-cloud demo`: prints a real part with a coordinator and an agent as two real processes."""

from __future__ import annotations

import threading
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosmic.commands import EXIT_FAILED, DebugOption, JsonOption, console, print_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloud.demo.functions import FunctionsVerdict
    from cloud.demo.processes import CoordinatorProcess, Usage
    from cloud.demo.show import JobProgress
    from cloud.demo.stage import Choices, Stage
    from cloud.demo.verdict import Verdict
    from thermal.part import Part

FAULT_LAYER = 1
FAULT_WINDOW = 8
AWAY_S = 2.0
"""How long a killed coordinator stays away, seconds."""


class Fault(Enum):
    """What can be broken on purpose."""

    COORDINATOR = "coordinator"


class EngineName(Enum):
    """Where operators can be applied."""

    LOCAL = "local"
    INLINE = "inline"
    LAMBDA = "lambda"


def demo(
    directory: Annotated[Path, typer.Option(help="Folder for the part, the logs and the maps.")] = Path("demo"),
    solid: Annotated[Path, typer.Option(metavar="STL", help="What is printed.")] = Path("examples/gear.stl"),
    fault: Annotated[
        Fault | None, typer.Option(help="Kill the coordinator (kill -9) in a layer, start it 2 s later.")
    ] = None,
    engine: Annotated[EngineName, typer.Option(help="Where operators are applied.")] = EngineName.LOCAL,
    layers: Annotated[
        int | None, typer.Option(min=1, help="Layers to print.  [default: 10; 4 with a fault]")
    ] = None,
    lookahead: Annotated[
        int | None, typer.Option(min=1, help="Windows decided ahead.  [default: all; 8 with a fault]")
    ] = None,
    time_scale: Annotated[
        float | None,
        typer.Option(min=0.01, help="Printer's speed against a real one.  [default: 1; 0.15 with a fault]"),
    ] = None,
    blocks: Annotated[
        str | None,
        typer.Option(
            metavar="RxC", help="Workers, of a group on lambda: rows x columns.  [default: 4x1; 2x1 on lambda]"
        ),
    ] = None,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Print a part: coordinator, workers, agent and a simulated printer, all real processes on this machine.

    With a fault the printer is slowed, so that the layer lasts until the coordinator is back, and the look-ahead is
    short, so that there is something to see.

    Engine lambda needs no account: Amazon's services run on this machine, and the functions that `deploy` makes.
    They are removed after the job.
    """
    from cloud.commands.part import parse_blocks
    from cloud.demo.stage import Choices

    with_fault = fault is not None
    coarse = engine is EngineName.LAMBDA  # what a machine with two processors computes in time in 7 processes
    choices = Choices(
        solid=solid,
        element_mm=0.5 if coarse else 0.4,
        island_mm=5.0 if coarse else 3.2,
        layers=layers or (4 if with_fault else 10),
        lookahead=lookahead or (8 if with_fault else None),
        time_scale=time_scale or (0.15 if with_fault else 1.0),
        engine=engine.value,
        blocks=parse_blocks(blocks or ("2x1" if engine is EngineName.LAMBDA else "4x1")),
        fault=fault.value if fault is not None else None,
    )
    verdict, functions = _print_job(directory, choices)
    faults = [*_faults(verdict, choices), *_function_faults(functions)]
    if json:
        import msgspec

        of_functions = {} if functions is None else {"functions": msgspec.to_builtins(functions)}
        print_json({**msgspec.to_builtins(verdict), **of_functions, "faults": faults})
    if faults:
        console().print(f"{'; '.join(faults)} - read the logs; a machine under heavy load can cause it")
        raise typer.Exit(EXIT_FAILED)


def _print_job(directory: Path, choices: Choices) -> tuple[Verdict, FunctionsVerdict | None]:
    from cloud.demo.account import account_of
    from cloud.demo.functions import judge_functions, rows
    from cloud.demo.processes import export_maps, write_report
    from cloud.demo.show import print_rows, print_verdict
    from cloud.demo.stage import set_stage
    from cloud.demo.verdict import judge
    from thermal.part import load_part

    err = console()
    stage = set_stage(directory, choices)
    part = load_part(stage.part)
    functions = None
    if choices.engine == "lambda":
        with account_of(stage) as account:
            account.deploy()
            lines, used = _run(stage, part, choices, account.environment)
            usage = account.usage()
            left = account.destroy()["left"]
        functions = judge_functions(stage.coordinator_log, usage, left)
    else:
        lines, used = _run(stage, part, choices, {})
    recording = export_maps(stage)
    verdict = judge(part, lines, stage.maps)
    print_verdict(err, verdict, stage, used, recording, write_report(recording))
    if functions is not None:
        print_rows(err, "The functions", rows(functions))
    return verdict, functions


def _run(
    stage: Stage, part: Part, choices: Choices, environment: Mapping[str, str]
) -> tuple[list[dict[str, Any]], Usage | None]:
    """Print the job; return the agent's log lines and what it used."""
    from cloud.demo.processes import AgentProcess, CoordinatorProcess
    from cloud.demo.show import JobProgress

    coordinator = CoordinatorProcess(stage, environment)
    agent: AgentProcess | None = None
    lines: list[dict[str, Any]] = []
    try:
        coordinator.start()
        coordinator.wait_until_listening()
        agent = AgentProcess(stage)
        with JobProgress(console(), choices.layers) as progress:
            progress.say(f"all printers: http://127.0.0.1:{stage.page_port}/")
            for line in agent.lines():
                lines.append(line)
                _follow(line, part, progress, coordinator, choices)
    finally:
        if agent is not None:
            agent.end()
        coordinator.end()
    return lines, agent.usage


def _follow(
    line: dict[str, Any], part: Part, progress: JobProgress, coordinator: CoordinatorProcess, choices: Choices
) -> None:
    if line["event"] == "http":
        progress.say(f"live page: {line['url']}")
    if line["event"] == "link":
        progress.say(f"link {line['link']}" + (f": {line['cause']}" if "cause" in line else ""))
    if line["event"] != "window":
        return
    progress.window(line, len(part.geometry_of(line["layer"]).cells))
    if choices.fault == "coordinator" and (line["layer"], line["window"]) == (FAULT_LAYER, FAULT_WINDOW):
        coordinator.kill()
        progress.say(f"coordinator killed in layer {FAULT_LAYER + 1}; it comes back in {AWAY_S:g} s")
        restart = threading.Timer(AWAY_S, coordinator.start)
        restart.daemon = True
        restart.start()


def _faults(verdict: Verdict, choices: Choices) -> list[str]:
    """Return what is not as a demonstration must show it."""
    faults = []
    if not verdict.every_cell_once:
        faults.append("a cell was not scanned exactly once")
    if verdict.orders_equal < choices.layers:
        faults.append(f"only {verdict.orders_equal} of {choices.layers} layers follow SmartScan")
    if choices.fault is None and verdict.fallback_windows:
        faults.append(f"{verdict.fallback_windows} windows fell back")
    if choices.fault is not None:
        struck = [stretch for stretch in verdict.stretches if stretch.layer == FAULT_LAYER]
        if not any(stretch.link == "down" and stretch.source == "coordinator" for stretch in struck):
            faults.append("no window was covered by the look-ahead buffer")
        if not struck or struck[-1].source != "coordinator" or struck[-1].link != "up":
            faults.append("decisions did not come again in the layer of the fault")
    return faults


def _function_faults(functions: FunctionsVerdict | None) -> list[str]:
    """Return what is not as it must be with functions."""
    faults = []
    if functions is not None and functions.left:
        faults.append(f"left after destroy: {', '.join(functions.left)}")
    if functions is not None and functions.difference_percent is None:
        faults.append("the platform reported no bill")
    return faults
