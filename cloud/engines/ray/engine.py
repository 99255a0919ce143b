"""The engine over a Ray cluster: grouped, with actors as functions, the worker link, and blocks from a store."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cloud.bills import Price, price_of
from cloud.configuration import EngineSettings
from cloud.engines.blocks import (
    RUNTIME_MB,
    PlanGroups,
    block_folder,
    check_block_files,
    function_blocks,
    held_bytes,
)
from cloud.engines.grouped import GroupedEngine
from cloud.engines.grouped.engine import Spare
from cloud.engines.inline import InlineEngine
from cloud.engines.interface import Progress
from cloud.engines.ray.cluster import Cluster
from cloud.engines.ray.platform import RayPlatform, check_room
from cloud.link.link import TcpLink
from cloud.plans import FunctionId, Plan
from cloud.platforms.interface import Billing
from cloud.platforms.tokens import CallbackTokens
from thermal.part import Part

UNPRICED = Price(
    name="own-machines", dated="", source="machines of one's own: engine.ray.price is not set", machine_gb=1.0
)
"""What machines cost for which no price is set: nothing, but their hours are counted."""


class RayEngine(GroupedEngine):
    """The dense operators of `part`, spread over the actors of a Ray cluster.

    spare: computes windows where workers are at fault; None: nobody does.
    """

    def __init__(self, part: Part, plan: Plan, settings: EngineSettings, *, spare: Spare | None = None) -> None:
        ours = settings.ray
        self._cluster = Cluster(ours.address)
        self._needed = _needed(part, plan, settings)
        price = UNPRICED if ours.price is None else price_of(ours.price)
        self._actors = RayPlatform(self._cluster, self._needed, Billing(price=price.name, always_on=True))
        tokens = CallbackTokens()
        link = TcpLink(tokens.check, host=ours.link_host, port=ours.link_port, advertise=ours.link_address)
        super().__init__(
            part, plan, settings, self._actors, link, tokens, _store(part, settings), spare=spare, price=price
        )

    async def load(self, progress: Progress) -> None:
        """Enter the cluster, starting one where none is named, and have every actor read its blocks.

        Raises EngineError: Ray is missing, the cluster is not there or too small, or blocks cannot be read.
        """
        total = len(self._needed)
        try:
            if self._settings.ray.store is None:
                await asyncio.to_thread(check_block_files, self._part, self._plan)
            progress(0, total, "Ray cluster")
            await self._cluster.enter()
            free, machines = await self._cluster.free()
            check_room(self._needed, free, self._actors.name)
            self.meter.machines = machines
            progress(0, total, "Ray actors")
            await self._actors.start()
        except BaseException:
            await self.close()
            raise
        await super().load(progress)


async def ray_engine(
    part: Part, plan: Plan, settings: EngineSettings, *, executor: ThreadPoolExecutor | None = None
) -> RayEngine:
    """Return an engine, not loaded yet. Raises EngineError where Ray is missing or the plan cannot be followed.

    executor: threads of the spare, which computes windows where workers are at fault, where the settings want one.
    """
    spare = InlineEngine(part, executor, settings.tolerance) if settings.spare and executor is not None else None
    return RayEngine(part, plan, settings, spare=spare)


def _needed(part: Part, plan: Plan, settings: EngineSettings) -> dict[FunctionId, dict[str, Any]]:
    """Return what every actor takes of the cluster, in Ray's words.

    On a cluster of this machine alone workers share the processors, as those of engine `local` do.
    """
    cpus = 0.0 if settings.ray.address is None else settings.ray.cpus
    placed = {} if settings.ray.address is None else {"scheduling_strategy": "SPREAD"}
    return {
        function: {
            "num_cpus": cpus,
            "memory": held_bytes(plan, blocks) + int(RUNTIME_MB * 2**20),
            **placed,
        }
        for function, blocks in function_blocks(part, plan, PlanGroups(part, plan)).items()
    }


def _store(part: Part, settings: EngineSettings) -> dict[str, str]:
    """Return where actors read blocks."""
    address = settings.ray.store
    if address is None:
        return {"folder": str(block_folder(part).absolute())}
    if "://" not in address:
        return {"folder": address}
    return {
        "address": address,
        "region": settings.aws.region or "",
        "endpoint_url": settings.aws.endpoint_url or "",
    }
