"""`cosmic-agent run`: the service."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from cosmic.commands import DebugOption, JsonOption, print_json, use_uvloop


def run(
    config: Annotated[
        Path | None, typer.Option("--config", help="TOML file; unset: defaults and environment.")
    ] = None,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Print a job: capture maps, have cells decided, hand them to the printer in time."""
    import sys  # noqa: PLC0415  slow imports wait until the command is really run

    from agent.configuration import AgentConfiguration  # noqa: PLC0415
    from agent.service import run_agent  # noqa: PLC0415
    from cosmic import configuration, logs  # noqa: PLC0415

    settings = configuration.load(AgentConfiguration, config)
    logs.configure(sys.stderr if json else sys.stdout, pretty=settings.log.pretty, level=settings.log.level)
    use_uvloop()
    tally = asyncio.run(run_agent(settings, config))
    if json:
        print_json(tally.as_dict())
