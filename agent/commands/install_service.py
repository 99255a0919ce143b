# ruff: noqa: PLC0415  slow imports wait until the command is really run
"""`cosmic-agent install-service` and `uninstall-service`: the agent as a service of systemd."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cosmic.commands import DebugOption, JsonOption, print_json, print_lines

if TYPE_CHECKING:
    from agent.service_manager.install import Service, Step

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, print the files, change nothing.")]
Root = Annotated[Path, typer.Option("--root", metavar="DIR", help="Install below DIR: an image, not this system.")]
Coordinator = Annotated[bool, typer.Option("--coordinator", help="The coordinator's service, not the agent's.")]


def install_service(
    dry_run: DryRun = False,
    root: Root = Path("/"),
    coordinator: Coordinator = False,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Install unit, user and folders, and a configuration where there is none. Can be repeated; starts nothing."""
    from agent.configuration import AgentConfiguration
    from agent.service_manager import install
    from cosmic.config_commands import head
    from cosmic.skeleton import skeleton

    service: Service = "coordinator" if coordinator else "agent"
    begin_with = "" if coordinator else skeleton(AgentConfiguration, head(install.COMMANDS[service]))
    files = install.wanted_files(service, install.command_path(service), begin_with)
    steps = install.install(root, files, service, dry_run=dry_run)
    if dry_run and not json:
        for file in files:
            print_lines(f"# {root / file.path}", file.text)
    _say(steps, json)
    if not json and not dry_run:
        print_lines(
            f"next: edit /etc/cosmic/{service}.toml, then systemctl enable --now cosmic-{service}"
            + ("" if coordinator else "; check it with cosmic-agent config check --config /etc/cosmic/agent.toml")
        )


def uninstall_service(
    dry_run: DryRun = False,
    root: Root = Path("/"),
    coordinator: Coordinator = False,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Stop the service and remove its files. Configuration, recordings and the user `cosmic` stay."""
    from agent.service_manager import install

    _say(install.uninstall(root, "coordinator" if coordinator else "agent", dry_run=dry_run), json)


def _say(steps: Iterable[Step], json: bool) -> None:
    """Print each step when it is done."""
    if json:
        print_json({"steps": [{"done": step.done, "what": step.what} for step in steps]})
        return
    for step in steps:
        print_lines(f"{step.done}: {step.what}")
