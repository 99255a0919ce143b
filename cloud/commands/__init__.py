"""The commands of `cosmic-cloud`."""

from __future__ import annotations

import sys

import typer

from cloud.commands import (
    bench,
    bench_agent,
    bench_link,
    bench_load,
    bench_paper,
    config,
    demo,
    deploy,
    order,
    part,
    plan,
    profile,
    serve,
    status,
    token,
)
from cosmic.commands import VersionOption, run

app = typer.Typer(help="Prepare parts, choose scan orders, and coordinate printers.", no_args_is_help=True)
app.add_typer(part.app, name="part")
app.command("order")(order.order)
app.command("plan", epilog="Example: cosmic-cloud plan gear --what-if speed_mm_s=600")(plan.plan)
app.command("profile", epilog="Example: cosmic-cloud profile --engine local -o mine.toml")(profile.profile)
app.command("serve", epilog="Example: cosmic-cloud serve --config coordinator.toml")(serve.serve)
app.add_typer(config.app, name="config")
app.add_typer(token.app, name="token")
app.add_typer(bench.app, name="bench")
bench.app.command("agent", epilog="Example: cosmic-cloud bench agent --area 16 --json")(bench_agent.agent)
bench.app.command("link", epilog="Example: cosmic-cloud bench link --workers 16 --json")(bench_link.link)
bench.app.command("load", epilog="Example: cosmic-cloud bench load --printers 20 --json")(bench_load.load)
bench.app.command("paper", epilog="Example: cosmic-cloud bench paper --jobs segmented-gear --strategies five")(
    bench_paper.paper
)
app.command("deploy", epilog="Example: cosmic-cloud deploy parts/gear --dry-run")(deploy.deploy)
app.command("destroy", epilog="Example: cosmic-cloud destroy gear --yes")(deploy.destroy)
app.command("status", epilog="Example: cosmic-cloud status gear --json")(status.status)
app.command("demo", epilog="Example: cosmic-cloud demo --fault coordinator")(demo.demo)


@app.callback()
def _cosmic_cloud(version: VersionOption = False) -> None:
    """Prepare parts, choose scan orders, and coordinate printers."""


def main() -> None:
    """Run `cosmic-cloud`."""
    sys.exit(run(app, "cosmic-cloud"))
