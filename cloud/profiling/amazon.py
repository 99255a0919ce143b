"""The profile's part on AWS Lambda: a deployment of its own, made, measured and removed again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cloud.aws.checks import Place, check_place, find_place
from cloud.aws.clients import Amazon
from cloud.aws.costs import Costs, costs_of
from cloud.aws.deploying import blocks_store, deploy
from cloud.aws.destroying import destroy
from cloud.aws.existing import Existing, find_existing
from cloud.aws.layout import Layout, lay_out
from cloud.aws.package import fetch_wheels, make_package
from cloud.aws.platform import LambdaPlatform
from cloud.link.link import TcpLink
from cloud.plans import Plan
from cloud.platforms.tokens import CallbackTokens
from cloud.profiling.functions import FunctionsBench
from cloud.profiling.parts import Told
from thermal.part import Part


@dataclass(frozen=True, slots=True)
class Deployment:
    """What will be made, and what making it costs."""

    name: str
    part: Part
    plan: Plan
    amazon: Amazon
    layout: Layout
    place: Place
    existing: Existing
    costs: Costs


def plan_deployment(part: Part, plan: Plan, amazon: Amazon, name: str, bucket: str | None) -> Deployment:
    """Check everything that can be before anything is made. Raises CosmicError."""
    layout = lay_out(part, plan, name)
    place = find_place(amazon, bucket, f"cosmic-{name}")
    existing = check_place(amazon, layout, place)
    return Deployment(name, part, plan, amazon, layout, place, existing, costs_of(layout))


@asynccontextmanager
async def deployed(
    made: Deployment, wheels: Path, host: str, advertise: str | None, told: Told
) -> AsyncIterator[FunctionsBench]:
    """Make the deployment and give its bench; it is removed at the end, whatever happened."""
    package = await asyncio.to_thread(lambda: make_package(fetch_wheels(wheels)))
    try:
        await asyncio.to_thread(deploy, made.amazon, made.layout, made.place, package, made.existing, told)
        platform = LambdaPlatform(made.name, made.plan, made.amazon)
        tokens = CallbackTokens()
        link = TcpLink(tokens.check, host=host, advertise=advertise)
        store = blocks_store(made.layout, made.place, made.amazon)
        yield FunctionsBench(made.part, made.plan, platform, link, tokens, store)
    finally:
        await asyncio.to_thread(_remove, made)


def _remove(made: Deployment) -> None:
    existing = find_existing(made.amazon, made.name, made.place.bucket)
    if not existing.nothing:
        destroy(made.amazon, made.name, existing)
