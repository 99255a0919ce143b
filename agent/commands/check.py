# ruff: noqa: PLC0415  slow imports wait until the command is really run
"""`cosmic-agent check`: everything that a start needs, tried for real."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cosmic.commands import EXIT_FAILED, DebugOption, JsonOption, print_json, print_lines

if TYPE_CHECKING:
    from agent.checks import Finding

ConfigOption = Annotated[Path | None, typer.Option("--config", help="TOML file; unset: defaults and environment.")]


def check(
    config: ConfigOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Try everything that a start needs: a line each, with the remedy; exit 1 where something would fail.

    Configuration, clock, disk, part, camera (one frame), driver, coordinator (TLS, token, part), broker, live page.
    An agent that prints is not disturbed, but its driver, camera and port may be busy with it.
    """
    from agent.checks import Verdict, check_all
    from agent.configuration import AgentConfiguration
    from cosmic import configuration, logs

    settings = configuration.load(AgentConfiguration, config)
    logs.configure(sys.stderr, pretty=None, level="error")
    findings = asyncio.run(_tell(check_all(settings), quiet=json))
    bad = [found for found in findings if found.verdict is Verdict.FAILED]
    if json:
        import dataclasses

        told = [{**dataclasses.asdict(found), "verdict": found.verdict.value} for found in findings]
        print_json({"ok": not bad, "findings": told})
    else:
        print_lines(f"{len(bad)} of {len(findings)} failed" if bad else "a job can be started")
    if bad:
        raise typer.Exit(EXIT_FAILED)


async def _tell(findings: AsyncIterator[Finding], *, quiet: bool) -> list[Finding]:
    """Print every finding as it comes, for whoever waits for the next one."""
    found = []
    async for one in findings:
        found.append(one)
        if not quiet:
            print_lines(f"{one.verdict.value:<8}{one.name:<13}{one.text}")
            if one.remedy:
                print_lines(f"{'':<21}-> {one.remedy}")
    return found
