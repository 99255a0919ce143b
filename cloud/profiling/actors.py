"""Actors of a Ray cluster, measured through the platform and the link that the engine uses."""

from __future__ import annotations

from cloud.engines.blocks import RUNTIME_MB, PlanGroups, block_folder, function_blocks, held_bytes
from cloud.engines.ray.cluster import Cluster
from cloud.engines.ray.platform import RayPlatform, check_room
from cloud.link.link import TcpLink
from cloud.plans import Plan
from cloud.platforms.interface import Billing
from cloud.platforms.tokens import CallbackTokens
from cloud.profiling.functions import FunctionsBench
from thermal.part import Part


class ActorsBench(FunctionsBench):
    """Actors that hold the profile's blocks; see Bench.

    address: `host:port` of the cluster's head; None: a cluster of this machine alone.
    host, advertise: where actors connect, and this machine's address as they see it.
    """

    def __init__(self, part: Part, plan: Plan, address: str | None, host: str, advertise: str | None) -> None:
        blocks = function_blocks(part, plan, PlanGroups(part, plan))
        self._needed = {
            function: {
                "num_cpus": 0.0 if address is None else 1.0,
                "memory": held_bytes(plan, held) + int(RUNTIME_MB * 2**20),
            }
            for function, held in blocks.items()
        }
        self._cluster = Cluster(address)
        self._actors = RayPlatform(self._cluster, self._needed, Billing(price="x2gd.xlarge", always_on=True))
        tokens = CallbackTokens()
        link = TcpLink(tokens.check, host=host, advertise=advertise)
        super().__init__(part, plan, self._actors, link, tokens, {"folder": str(block_folder(part).absolute())})

    async def open(self) -> None:
        """See Bench. Raises EngineError where Ray is missing, or the cluster is not there or too small."""
        await self._cluster.enter()
        free, _ = await self._cluster.free()
        check_room(self._needed, free, self._actors.name)
        await self._actors.start()
        await super().open()
