"""The engine over a simulated platform: for planning, evaluation and tests. Results are real, times are drawn."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from cloud.configuration import EngineSettings
from cloud.engines.grouped import GroupedEngine
from cloud.engines.inline import InlineEngine
from cloud.plans import Plan
from cloud.platforms.tokens import CallbackTokens
from cloud.simulation.platform import SimulatedPlatform
from cloud.simulation.profile import Profile, read_profile
from thermal.part import Part


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
    platform = SimulatedPlatform(part, plan, profile or read_profile(settings.profile), seed, dense=dense)
    spare = InlineEngine(part, executor, settings.tolerance) if settings.spare and executor is not None else None
    engine = GroupedEngine(
        part, plan, settings, platform, platform.link, CallbackTokens(), {"folder": ""}, spare=spare
    )
    return engine, platform
