"""The engine over a deployment: grouped, with the Lambda platform, the worker link and the blocks in S3."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from cloud.aws.checks import find_place
from cloud.aws.clients import Amazon
from cloud.aws.deploying import blocks_store
from cloud.aws.layout import lay_out
from cloud.aws.platform import LambdaPlatform
from cloud.configuration import EngineSettings
from cloud.engines.grouped import GroupedEngine
from cloud.engines.inline import InlineEngine
from cloud.link.link import TcpLink
from cloud.plans import Plan
from cloud.platforms.tokens import CallbackTokens
from thermal.part import Part


async def lambda_engine(
    part: Part, plan: Plan, settings: EngineSettings, *, executor: ThreadPoolExecutor | None = None
) -> GroupedEngine:
    """Return an engine, not loaded yet, over what `deploy` made.

    Args:
        part: the part, in its folder.
        plan: the plan that was deployed.
        settings: of the engine; `settings.aws` says where the deployment is.
        executor: threads of the spare, which computes windows where workers are at fault, where the settings want
            one.

    Raises:
        VersionError: functions are missing, of another part or size, or run another version of the worker.
        CosmicError: credentials, plan or blocks are not what they must be.
    """
    place = settings.aws
    name = place.deployment or part.name
    amazon = Amazon(place.region, place.endpoint_url)
    layout = await asyncio.to_thread(lay_out, part, plan, name)
    found = await asyncio.to_thread(find_place, amazon, place.bucket, f"cosmic-{name}")
    platform = await asyncio.to_thread(LambdaPlatform, name, plan, amazon)
    try:
        await asyncio.to_thread(platform.check)
    except BaseException:
        await platform.close()
        raise
    tokens = CallbackTokens()
    link = TcpLink(tokens.check, host=place.link_host, port=place.link_port, advertise=place.link_address)
    store = blocks_store(layout, found, amazon)
    spare = InlineEngine(part, executor, settings.tolerance) if settings.spare and executor is not None else None
    return GroupedEngine(part, plan, settings, platform, link, tokens, store, spare=spare)
