# ruff: noqa: PLC0415  Amazon's library is imported when a command runs, so that --help is quick
"""`cosmic-cloud deploy` and `cosmic-cloud destroy`: a plan's functions on AWS Lambda."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosmic.commands import DebugOption, JsonOption, console, print_json, print_lines
from cosmic.errors import UsageError

if TYPE_CHECKING:
    from cloud.aws.checks import Place
    from cloud.aws.clients import Amazon
    from cloud.aws.costs import Costs
    from cloud.aws.deploying import Told
    from cloud.aws.existing import Existing
    from cloud.aws.layout import Layout
    from cloud.plans import Plan
    from thermal.part import Part

Inputs = Annotated[
    list[Path], typer.Argument(metavar="PLAN|PART...", help="Plan files (JSON), or part folders with a plan.json.")
]
Deployment = Annotated[
    str | None, typer.Option(metavar="NAME", help="Name of the deployment; unset: the part's name.")
]
PartFolder = Annotated[
    Path | None, typer.Option("--part", metavar="DIR", help="The plan's part; unset: the folder of the plan file.")
]
Region = Annotated[str | None, typer.Option(metavar="NAME", help="AWS region; unset: the configured one.")]
Bucket = Annotated[
    str | None, typer.Option(metavar="NAME", help="A bucket of yours for code and blocks; unset: one of its own.")
]
Endpoint = Annotated[str | None, typer.Option(metavar="URL", help="Another address for all services, for tests.")]
Reports = Annotated[
    bool, typer.Option("--reports", help="Keep Lambda's own reports, so that bills can be compared with them.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check and show everything, create nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Policy = Annotated[bool, typer.Option("--policy", help="Print the IAM policies that are needed, and leave.")]
Wheels = Annotated[Path | None, typer.Option(metavar="DIR", help="Cache of wheels for the functions.")]


def deploy(
    inputs: Inputs,
    deployment: Deployment = None,
    part: PartFolder = None,
    region: Region = None,
    bucket: Bucket = None,
    wheels: Wheels = None,
    reports: Reports = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    policy: Policy = False,
    endpoint_url: Endpoint = None,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Create a plan's functions on AWS Lambda, after showing what that makes and costs. Repeatable."""
    from cloud.aws.checks import check_place, find_place
    from cloud.aws.clients import Amazon
    from cloud.aws.costs import costs_of
    from cloud.aws.package import fetch_wheels, make_package, worker_version
    from cloud.aws.starting import import_s

    if len(inputs) > 1 and (deployment is not None or part is not None):
        raise UsageError("--deployment and --part are for one plan", remedy="deploy the plans one by one")
    amazon = Amazon(region, endpoint_url)
    needed_s = import_s()
    layouts = [_layout(path, deployment, part, reports=reports, import_s=needed_s) for path in inputs]
    places = [find_place(amazon, bucket, f"cosmic-{layout.deployment}") for layout in layouts]
    if policy:
        print_json([_policies(layout, place) for layout, place in zip(layouts, places, strict=True)])
        return
    existing = [check_place(amazon, layout, place) for layout, place in zip(layouts, places, strict=True)]
    costs = [costs_of(layout) for layout in layouts]
    shown = list(zip(layouts, places, existing, costs, strict=True))
    if not json:
        for one in shown:
            _show(*one)
    if dry_run:
        if json:
            print_json([_figures(*one) for one in shown])
        return
    _ask(yes, json, f"Create {sum(len(layout.plan.functions) for layout in layouts)} functions?")
    package = make_package(fetch_wheels(wheels or _cache()))
    results = []
    for layout, place, there, cost in shown:
        counts = _run(amazon, layout, place, package, there, json)
        _keep_plan(layout)
        results.append({**_figures(layout, place, there, cost), "version": worker_version(), "done": counts})
        if not json:
            print_lines(f"{layout.deployment}: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    if json:
        print_json(results)


def destroy(
    deployment: Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="Name of the deployment.")],
    region: Region = None,
    bucket: Bucket = None,
    yes: Yes = False,
    endpoint_url: Endpoint = None,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Remove everything that carries a deployment's tag, and say what is left."""
    from cloud.aws.checks import find_place
    from cloud.aws.clients import Amazon
    from cloud.aws.destroying import destroy as remove
    from cloud.aws.existing import find_existing
    from cloud.aws.layout import check_name

    check_name(deployment)
    amazon = Amazon(region, endpoint_url)
    place = find_place(amazon, bucket, f"cosmic-{deployment}")
    existing = find_existing(amazon, deployment, place.bucket)
    if not json:
        print_lines(_there(deployment, existing))
    if not existing.nothing:
        _ask(yes, json, "Remove all of it?")
    left = remove(amazon, deployment, existing)
    if json:
        print_json({"deployment": deployment, "removed": existing.figures(), "left": left.figures()})
    elif left.nothing:
        print_lines("nothing is left")
    else:
        print_lines("left: " + _there(deployment, left))
    if not left.nothing:
        raise typer.Exit(1)


def _layout(
    path: Path, deployment: str | None, part_folder: Path | None, *, reports: bool, import_s: float
) -> Layout:
    import msgspec

    from cloud.aws.layout import lay_out
    from cloud.engines.choosing import PLAN_FILE
    from cloud.plans.files import read_plan
    from thermal.part import load_part

    plan_file = path / PLAN_FILE if path.is_dir() else path
    part = load_part(part_folder or plan_file.parent)
    plan = read_plan(plan_file) if plan_file.exists() or not path.is_dir() else _default_plan(part)
    if plan.engine not in {"lambda", "simulated"} or plan.always_on:
        what = "machines that always run" if plan.always_on else f"engine '{plan.engine}'"
        raise UsageError(
            f"the plan is for {what}", where=str(plan_file), remedy="plan with a strategy that runs on functions"
        )
    plan = msgspec.structs.replace(plan, engine="lambda")
    return lay_out(part, plan, deployment or part.name, reports=reports, import_s=import_s)


def _keep_plan(layout: Layout) -> None:
    """Put the plan into the part's folder, where the coordinator looks for it; one that is there stays."""
    import msgspec

    from cloud.engines.choosing import PLAN_FILE

    file = layout.folder / PLAN_FILE
    if not file.exists():
        file.write_bytes(msgspec.json.encode(layout.plan))


def _default_plan(part: Part) -> Plan:
    """Return the cheapest plan that holds every deadline by the shipped profile, as `cosmic-cloud plan` does."""
    from cloud.planner.compare import plan_of, propose
    from cloud.planner.job import job_of
    from cloud.planner.platform import read_platform

    job = job_of(part)
    found = propose(job, read_platform("paper", None, ())[0])
    if not found.chosen.feasible or found.chosen.point is None:
        raise UsageError(
            "no plan holds every deadline", where=part.name, remedy="see 'cosmic-cloud plan' for what would"
        )
    console().print(f"{part.name}: no plan.json, so the cheapest plan of 'cosmic-cloud plan' is taken")
    return plan_of(job, found.strategy, found.chosen.point, "lambda")


def _run(
    amazon: Amazon, layout: Layout, place: Place, package: Any, existing: Existing, json: bool
) -> dict[str, int]:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from cloud.aws.deploying import deploy as create

    terminal = console()
    columns = (TextColumn("{task.description:10}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal, disable=json or not terminal.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def told(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        following: Told = told
        return create(amazon, layout, place, package, existing, following)


def _show(layout: Layout, place: Place, existing: Existing, costs: Costs) -> None:
    from cloud.aws.starting import INIT_S_MAX

    functions = layout.plan.functions
    gb = sum(layout.files.values()) / 1e9
    lines = [
        f"deployment {layout.deployment}: part {layout.part.name}, region {place.region}, account {place.account}",
        f"  functions  {len(functions)} x {layout.plan.memory_mb} MB arm64",
        f"             {functions[0].name(layout.deployment)} to {functions[-1].name(layout.deployment)}",
        f"  bucket     {place.bucket} ({'its own' if place.own_bucket else 'yours'})",
        f"  blocks     {len(layout.files)} files, {gb:.3g} GB",
        f"  role       {layout.role}",
        f"  reports    {_reports_line(layout)}",
        f"  start      some {layout.init_s:.1f} s, as the worker imports here; Lambda allows {INIT_S_MAX:.0f} s",
        f"  there now  {len(existing.functions)} functions, {existing.objects} objects",
        f"  storage    ${costs.storage_month_usd:.2g} a month, and ${costs.upload_usd:.2g} once for uploading",
        f"  loading    ${costs.load_usd:.2g} a job, {costs.load_s:.3g} s",
        f"  printing   at most ${costs.layer_usd_max:.2g} a layer; functions that do not run cost nothing",
    ]
    print_lines(*lines, *(f"  warning    {warning}" for warning in layout.warnings))


def _reports_line(layout: Layout) -> str:
    from cloud.aws.layout import log_group_name

    if not layout.reports:
        return "none (--reports keeps Lambda's own, to compare bills with)"
    return f"log group {log_group_name(layout.deployment)}; some $0.2 a million invocations"


def _figures(layout: Layout, place: Place, existing: Existing, costs: Costs) -> dict[str, Any]:
    return {
        **layout.figures(),
        "account": place.account,
        "region": place.region,
        "bucket": place.bucket,
        "costs": costs.figures(),
        "existing": existing.figures(),
    }


def _policies(layout: Layout, place: Place) -> dict[str, Any]:
    from cloud.aws.layout import log_group_name
    from cloud.aws.policies import coordinator_policy, deployer_policy, function_policy, log_group_arn

    deployment, account, region = layout.deployment, place.account, place.region
    arn = log_group_arn(log_group_name(deployment), account, region)
    group = arn if layout.reports else None
    return {
        "deployment": deployment,
        "deployer": deployer_policy(deployment, account, region, place.bucket, layout.role, arn),
        "functions": function_policy(place.bucket, layout.prefix, group),
        "coordinator": coordinator_policy(deployment, account, region, group),
    }


def _there(deployment: str, existing: Existing) -> str:
    words = [
        f"{len(existing.functions)} functions",
        f"{existing.objects} objects ({existing.object_bytes / 1e9:.3g} GB)",
    ]
    if existing.role:
        words.append("the role")
    if existing.log_group:
        words.append("the log group")
    if existing.bucket_owned:
        words.append(f"the bucket {existing.bucket}")
    return f"{deployment}: " + ", ".join(words)


def _ask(yes: bool, json: bool, question: str) -> None:
    """Ask before anything is changed. Raises UsageError where nobody can answer."""
    if yes:
        return
    if json or not sys.stdin.isatty():
        raise UsageError("nobody can be asked here", why="standard input is no terminal", remedy="give --yes")
    typer.confirm(question, abort=True)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cosmic" / "wheels"
