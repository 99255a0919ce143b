"""The engine over a simulated platform: for planning, evaluation and tests. Results are real, times are drawn."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from cloud.configuration import EngineSettings
from cloud.engines.grouped import GroupedEngine
from cloud.engines.inline import InlineEngine
from cloud.plans import Plan
from cloud.platforms.tokens import CallbackTokens
from cloud.simulation.platform import SimulatedPlatform
from cloud.simulation.profile import Profile, read_profile
from thermal.part import Part


class _Spare(InlineEngine):
    """The coordinator's own product, which takes `taken_ms` of the platform's time."""

    def __init__(self, part: Part, executor: ThreadPoolExecutor, tolerance: float | None, taken_ms: float) -> None:
        super().__init__(part, executor, tolerance)
        self._taken_s = taken_ms / 1e3

    async def apply(self, geometry: int, cell: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `M_c theta`, float64[n], after that time."""
        await asyncio.sleep(self._taken_s)
        return await super().apply(geometry, cell, theta)


def simulated_engine(
    part: Part,
    plan: Plan,
    settings: EngineSettings,
    *,
    executor: ThreadPoolExecutor | None = None,
    profile: Profile | None = None,
    seed: int = 0,
    dense: bool | None = None,
) -> tuple[GroupedEngine, SimulatedPlatform]:
    """Return the engine, not loaded yet, and its platform.

    executor: for the spare, where the settings want one.
    profile: of the platform; None: the settings'.
    dense: whether workers answer from real blocks; None: where these are small.
    Raises ConfigurationError where there is no such profile, EngineError where the plan does not fit the part.
    """
    profile = profile or read_profile(settings.profile)
    platform = SimulatedPlatform(part, plan, profile, seed, dense=dense)
    spare = _Spare(part, executor, settings.tolerance, profile.spare_ms) if settings.spare and executor else None
    engine = GroupedEngine(
        part, plan, settings, platform, platform.link, CallbackTokens(), {"folder": ""}, spare=spare
    )
    return engine, platform
