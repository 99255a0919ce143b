# ruff: noqa: PLC0415  slow imports wait until the command is really run
"""`cosmic-agent bundle`: a support archive without secrets."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cosmic.commands import DebugOption, JsonOption, console, print_json, print_lines

if TYPE_CHECKING:
    from agent.configuration import AgentConfiguration

ConfigOption = Annotated[Path | None, typer.Option("--config", help="TOML file; unset: defaults and environment.")]
OutOption = Annotated[
    Path | None, typer.Option("-o", "--out", help="The archive; unset: cosmic-support-PRINTER-TIME.tar.gz, here.")
]
RecordingsOption = Annotated[
    int, typer.Option("--recordings-mb", min=0, help="Put in the newest recordings, up to so many MB; 0 for none.")
]
CheckOption = Annotated[bool, typer.Option("--check/--no-check", help="Put in what 'cosmic-agent check' finds.")]


def bundle(
    config: ConfigOption = None,
    out: OutOption = None,
    recordings_mb: RecordingsOption = 50,
    with_check: CheckOption = True,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Write a support archive: versions, settings, journal, unit, machine, checks, newest recordings.

    Tokens, passwords and keys are taken out of every text. Look into it before you send it: it is a .tar.gz.
    """
    from datetime import UTC, datetime

    from agent.bundle import write_bundle
    from agent.bundle.contents import Piece, pieces
    from agent.bundle.secrets import Scrubber
    from agent.configuration import AgentConfiguration
    from cosmic import configuration, logs

    settings, values = configuration.load_with_sources(AgentConfiguration, config)
    logs.configure(sys.stderr, pretty=None, level="error")
    if out is None:
        name = "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in settings.printer.name)
        out = Path(f"cosmic-support-{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz")
    found = list(pieces(settings, values))
    if with_check:
        found.append(Piece("check.txt", lambda: asyncio.run(_checked(settings))))
    err = console()
    bundled = write_bundle(
        out,
        found,
        Scrubber(settings),
        recordings_directory=settings.recording.directory,
        recordings_bytes=recordings_mb * 1_000_000,
        tell=lambda name: err.print(f"[dim]{name}[/dim]") if err.is_terminal else None,
    )
    if json:
        print_json(
            {"path": str(out), "bytes": out.stat().st_size, "files": bundled.files, "missing": bundled.missing}
        )
        return
    print_lines(f"{out}, {out.stat().st_size / 1e6:.1f} MB, {len(bundled.files)} files, secrets taken out")
    print_lines(*(f"left out: {name}: {cause}" for name, cause in bundled.missing.items()))


async def _checked(settings: AgentConfiguration) -> str:
    from agent.checks import check_all

    return "".join(
        [
            f"{one.verdict.value:<8}{one.name:<13}{one.text}" + (f"  -> {one.remedy}" if one.remedy else "") + "\n"
            async for one in check_all(settings)
        ]
    )
