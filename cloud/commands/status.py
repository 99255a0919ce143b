# ruff: noqa: PLC0415  Amazon's library is imported when the command runs, so that --help is quick
"""`cosmic-cloud status`: what there is of a deployment on AWS."""

from __future__ import annotations

from typing import Annotated

import typer

from cosmic.commands import DebugOption, JsonOption, print_json, print_lines


def status(
    deployment: Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="Name of the deployment.")],
    region: Annotated[
        str | None, typer.Option(metavar="NAME", help="AWS region; unset: the configured one.")
    ] = None,
    bucket: Annotated[str | None, typer.Option(metavar="NAME", help="The bucket, where it is yours.")] = None,
    endpoint_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Another address for all services.")
    ] = None,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Say which functions, role and objects there are, and of which version. Exit 1: no functions."""
    from cloud.aws.checks import find_place
    from cloud.aws.clients import Amazon
    from cloud.aws.existing import find_existing
    from cloud.aws.layout import check_name

    check_name(deployment)
    amazon = Amazon(region, endpoint_url)
    place = find_place(amazon, bucket, f"cosmic-{deployment}")
    existing = find_existing(amazon, deployment, place.bucket)
    versions = sorted({one.version for one in existing.functions})
    if json:
        print_json({"deployment": deployment, "region": place.region, "versions": versions, **existing.figures()})
    else:
        print_lines(*(f"{one.name}  {one.memory_mb} MB  {one.state}  {one.version}" for one in existing.functions))
        size = f"{existing.objects} objects, {existing.object_bytes / 1e9:.3g} GB"
        role = "with" if existing.role else "without"
        print_lines(f"{deployment}: {len(existing.functions)} functions, {role} role, {size}")
        if len(versions) > 1:
            print_lines(f"functions of {len(versions)} versions ({', '.join(versions)}): deploy again")
    if not existing.functions:
        raise typer.Exit(1)
