# ruff: noqa: PLC0415  an engine brings its libraries only when it is chosen
"""Which engine a coordinator's settings name. Each is a row of a table; its modules are imported when it is chosen.

What is wrong is found here or in the engine's `load`, before a layer starts, and has a remedy: the printer is told
and prints its fallback order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

from cloud.configuration import EngineSettings
from cloud.engines.interface import Engine
from cloud.plans import Groups, Plan
from cloud.plans.files import read_plan
from cosmic.errors import CosmicError, EngineError, InputError, UsageError
from thermal.part import Part

PLAN_FILE = "plan.json"
"""A part's plan, in the part's folder."""

Maker: TypeAlias = Callable[[Part, EngineSettings, ThreadPoolExecutor], Awaitable[Engine]]
"""Makes an engine, not loaded yet. `executor`: threads shared by all engines of the coordinator."""


async def _inline(part: Part, settings: EngineSettings, executor: ThreadPoolExecutor) -> Engine:
    from cloud.engines.inline import InlineEngine

    return InlineEngine(part, executor, settings.tolerance)


async def _local(part: Part, settings: EngineSettings, executor: ThreadPoolExecutor) -> Engine:
    from cloud.engines.local import LocalEngine
    from cloud.engines.turns import ProductThreads

    turns = executor.turns.of_engine() if isinstance(executor, ProductThreads) else None
    return LocalEngine(part, settings, await asyncio.to_thread(plan_of, part, settings), turns=turns)


async def _simulated(part: Part, settings: EngineSettings, executor: ThreadPoolExecutor) -> Engine:
    from cloud.engines.simulated import simulated_engine

    plan = await asyncio.to_thread(plan_of, part, settings)
    return simulated_engine(part, plan, settings, executor=executor)[0]


async def _lambda(part: Part, settings: EngineSettings, executor: ThreadPoolExecutor) -> Engine:
    from cloud.aws.engine import lambda_engine

    plan = await asyncio.to_thread(plan_of, part, settings)
    return await lambda_engine(part, plan, settings, executor=executor)


async def _ray(part: Part, settings: EngineSettings, executor: ThreadPoolExecutor) -> Engine:
    from cloud.engines.ray import ray_engine

    return await ray_engine(part, await asyncio.to_thread(plan_of, part, settings), settings, executor=executor)


ENGINES: Mapping[str, Maker] = {
    "inline": _inline,
    "local": _local,
    "simulated": _simulated,
    "lambda": _lambda,
    "ray": _ray,
}
"""By the name in the settings."""


async def make_engine(part: Part, settings: EngineSettings, executor: ThreadPoolExecutor) -> Engine:
    """Return the engine that the settings name, not loaded yet.

    Raises EngineError, also for what another kind of error names: a printer is refused in one way.
    """
    try:
        return await ENGINES[settings.name](part, settings, executor)
    except EngineError:
        raise
    except CosmicError as error:
        raise EngineError(error.what, where=error.where, why=error.why, remedy=error.remedy) from error


def plan_of(part: Part, settings: EngineSettings) -> Plan:
    """Return the plan that the settings name or describe. Raises EngineError where its file cannot be used.

    Functions are deployed by a plan: where the settings name none, it is the one in the part's folder.
    """
    file = settings.plan
    if file is None and settings.name == "lambda" and part.folder is not None:
        file = str(part.folder / PLAN_FILE)
    if file is None:
        return Plan(
            part=part.digest,
            engine=settings.name,
            groups=settings.groups,
            dealing=settings.dealing,
            listed=_clustered(part, settings),
            mode=settings.mode,
            rows=settings.blocks_rows,
            columns=settings.blocks_columns,
            precision=settings.precision,
        )
    try:
        return read_plan(Path(file))
    except UsageError as error:
        raise EngineError(error.what, where=error.where, why=error.why, remedy=error.remedy) from error


def _clustered(part: Part, settings: EngineSettings) -> tuple[Groups, ...] | None:
    """Return the groups of dealing `clustered`; None for another. Raises EngineError."""
    if settings.dealing != "clustered":
        return None
    from cloud.plans.orders import clustered_groups

    try:
        return clustered_groups(part, settings.groups, Path(settings.orders) if settings.orders else None)
    except InputError as error:
        raise EngineError(error.what, where=error.where, why=error.why, remedy=error.remedy) from error
