# ruff: noqa: PLC0415  what is measured is imported when the command runs, so that --help is quick
"""`cosmic-cloud bench agent`: what the agent costs the printer's computer."""

from __future__ import annotations

from typing import Annotated

import typer

from cosmic.commands import DebugOption, JsonOption, console, print_json, print_lines

Area = Annotated[float, typer.Option(metavar="CM2", min=0.5, help="Area of the layer printed.")]
Seconds = Annotated[
    float, typer.Option(metavar="S", min=1.0, help="How long idle and printing are measured, each.")
]
Starts = Annotated[int, typer.Option(min=1, help="How often it is started; the quickest counts.")]
Broker = Annotated[str, typer.Option(metavar="HOST:PORT", help="An MQTT broker to publish to; unset: none.")]


def agent(
    area: Area = 16.0,
    seconds: Seconds = 10.0,
    starts: Starts = 3,
    mqtt: Broker = "",
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Measure memory, processor and start of `cosmic-agent run`, with recording, live page and a coordinator.

    A machine on the agent's socket prints; its camera is the simulated one.

    Example: cosmic-cloud bench agent --area 16 --json
    """
    import msgspec

    from cloud.agent_bench.measure import measure

    figures = measure(
        area_cm2=area,
        seconds=seconds,
        starts=starts,
        mqtt=mqtt,
        told=lambda text: console().print(f"[dim]{text}[/dim]"),
    )
    targets = figures.targets()
    if json:
        reached = [{**msgspec.to_builtins(one), "met": one.met} for one in targets]
        print_json({**msgspec.to_builtins(figures), "targets": reached})
        return
    print_lines(
        f"{figures.elements} elements, {figures.cells} cells, windows of {figures.window_ms:g} ms",
        *(
            f"{one.what:20} {one.value:8.2f} {one.unit:3} (limit {one.limit:g}){'' if one.met else '  NOT met'}"
            for one in targets
        ),
    )
