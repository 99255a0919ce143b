"""The engine over a deployment: grouped, with the Lambda platform, the worker link and the blocks in S3."""

from __future__ import annotations

import asyncio

from cloud.aws.checks import find_place
from cloud.aws.clients import Amazon
from cloud.aws.deploying import blocks_store
from cloud.aws.layout import lay_out
from cloud.aws.platform import LambdaPlatform
from cloud.configuration import EngineSettings
from cloud.engines.grouped import GroupedEngine
from cloud.engines.grouped.engine import Spare
from cloud.link.link import TcpLink
from cloud.plans import Plan
from cloud.platforms.tokens import CallbackTokens
from thermal.part import Part


async def lambda_engine(
    part: Part,
    plan: Plan,
    settings: EngineSettings,
    amazon: Amazon,
    *,
    deployment: str | None = None,
    bucket: str | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    advertise: str | None = None,
    spare: Spare | None = None,
) -> GroupedEngine:
    """Return an engine, not loaded yet, over what `deploy` made.

    Args:
        part: the part, in its folder.
        plan: the plan that was deployed.
        settings: of the engine.
        amazon: where the deployment is.
        deployment: its name; None: the part's.
        bucket: the user's, where deploy was told one.
        host: where workers connect, on this machine.
        port: 0 takes a free one.
        advertise: this machine's address as workers see it; None: `host`.
        spare: computes windows where workers are at fault.

    Raises:
        VersionError: functions are missing, or run another version of the worker.
        CosmicError: credentials, plan or blocks are not what they must be.
    """
    name = deployment or part.name
    layout = await asyncio.to_thread(lay_out, part, plan, name)
    place = await asyncio.to_thread(find_place, amazon, bucket, f"cosmic-{name}")
    platform = LambdaPlatform(name, plan, amazon)
    try:
        await asyncio.to_thread(platform.check)
    except BaseException:
        await platform.close()
        raise
    tokens = CallbackTokens()
    link = TcpLink(tokens.check, host=host, port=port, advertise=advertise)
    return GroupedEngine(
        part, plan, settings, platform, link, tokens, blocks_store(layout, place, amazon), spare=spare
    )
