"""The command `cosmic-agent`."""

from __future__ import annotations

import sys

import typer

from agent.commands.bundle import bundle
from agent.commands.capture import app as capture_app
from agent.commands.check import check
from agent.commands.config import app as config_app
from agent.commands.export import export
from agent.commands.install_service import install_service, uninstall_service
from agent.commands.replay import replay
from agent.commands.report import report
from agent.commands.run import run as run_command
from cosmic.commands import VersionOption, run

app = typer.Typer(
    help="The agent beside the printer: hands it its next cell in time, whatever happens to the network.",
    epilog="Example: cosmic-agent run --config agent.toml",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _common(version: VersionOption = False) -> None:
    pass


app.command("run", epilog="Example: cosmic-agent run --config agent.toml")(run_command)
app.command("check", epilog="Example: cosmic-agent check --config /etc/cosmic/agent.toml")(check)
app.command("bundle", epilog="Example: cosmic-agent bundle --config /etc/cosmic/agent.toml")(bundle)
app.add_typer(config_app, name="config")
app.add_typer(capture_app, name="capture")
app.command("replay", epilog="Example: cosmic-agent replay demo/recordings --offline --speed 20")(replay)
app.command("report", epilog="Example: cosmic-agent report demo/recordings -o report.html")(report)
app.command("export", epilog="Example: cosmic-agent export demo/recordings --format parquet -o job.parquet")(export)
app.command("install-service", epilog="Example: cosmic-agent install-service --dry-run")(install_service)
app.command("uninstall-service", epilog="Example: cosmic-agent uninstall-service --dry-run")(uninstall_service)


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(app, "cosmic-agent"))
