"""One plan on one job: layers of the real controller, engine, schedule and keep-warm, on virtual time.

Times are drawn from the profile; results are real: what workers answer is computed by the part's own operator, so
that every order is SmartScan's. Nothing is replayed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from cloud.bills import price_of
from cloud.configuration import EngineSettings
from cloud.deciding.controller import Predictor
from cloud.engines import Guess
from cloud.engines.grouped.layer import GroupedLayer
from cloud.engines.simulated import simulated_engine
from cloud.evaluation.records import LayerRun
from cloud.invocation.keepwarm import KeepWarm
from cloud.planner.platform import Settings
from cloud.plans import Plan
from cloud.serving.warming import Warming
from cloud.simulation import virtual_time
from cloud.simulation.printing import Decided, decide_layer
from cloud.simulation.profile import Profile
from thermal.operators import Operator
from thermal.part import Part

JOB = "job"
PATIENCE_MS = 60_000.0
"""Longest wait for a function where nobody can stand in: All-active's windows take long."""


@dataclass(slots=True)
class Ran:
    """What was simulated; see Record."""

    layers: list[LayerRun] = field(default_factory=list)
    orders: list[list[int]] = field(default_factory=list)
    cost_usd: float = 0.0
    warm_usd: float = 0.0
    requests: int = 0
    guesses: int = 0
    guesses_right: int = 0
    in_vain: int = 0
    leads_ms: list[float] = field(default_factory=list)
    cold_starts: int = 0
    spared: int = 0


def first_maps(part: Part, layers: int, seed: int) -> list[NDArray[np.float32]]:
    """Return the maps of layers, float32[n], kelvin: the first at ambient, as the paper's; then warm, uneven."""
    geometry = part.geometry_of(0)
    maps = [np.full(geometry.elements, part.process.ambient_K, dtype=np.float32)]
    for layer in range(1, layers):
        random = np.random.default_rng([seed, layer])
        waves = np.sin(geometry.row / random.uniform(20, 60)) * np.cos(geometry.col / random.uniform(20, 60))
        noise = random.normal(0.0, 2.0, geometry.elements)
        maps.append((380.0 + 15.0 * waves + noise).astype(np.float32))
    return maps


def run_plan(
    part: Part,
    plan: Plan,
    profile: Profile,
    settings: Settings,
    maps: Sequence[NDArray[np.float32]],
    predictor: Predictor,
    *,
    seed: int,
    cold: bool,
) -> Ran:
    """Simulate one layer for each map, with the spreading before it.

    part: with a layer for each map. profile: of the platform. settings: the start of layers, and the interval of
    dummy requests. seed: of the drawn times. cold: environments are lost, and the coordinator stands in.
    """
    with ThreadPoolExecutor(1) as threads:
        return virtual_time.run(_job(part, plan, profile, settings, maps, predictor, threads, seed, cold=cold))


async def _job(
    part: Part,
    plan: Plan,
    profile: Profile,
    settings: Settings,
    maps: Sequence[NDArray[np.float32]],
    predictor: Predictor,
    threads: ThreadPoolExecutor,
    seed: int,
    *,
    cold: bool,
) -> Ran:
    if not cold:
        profile = msgspec.structs.replace(profile, cold_share=(0.0,) * len(profile.cold_share))
    engine_settings = EngineSettings(name="simulated", spare=cold, apply_timeout_ms=PATIENCE_MS)
    engine, platform = simulated_engine(
        part, plan, engine_settings, executor=threads, profile=profile, seed=seed, dense=False
    )
    loop = asyncio.get_running_loop()
    await engine.load(lambda *_: None)
    engine.bill("loading")  # once a part, not once a layer
    platform.counts.cold_starts = 0
    engine.meter.opened(JOB, loop.time())
    keep_warm = KeepWarm(settings.warm_interval_s, silence_s=10 * part.process.spreading_s)
    warming = Warming(keep_warm, engine, JOB, lambda *_: None)
    rounds = loop.create_task(warming.run())
    ran = Ran()
    layer_s = float(part.geometry_of(0).windows_s(part.process).sum())
    for layer, map_K in enumerate(maps):
        if not plan.always_on:
            warming.spreading(layer)
        await asyncio.sleep(part.process.spreading_s - 1e-3)  # the round that would come now is the layer's
        keep_warm.layer_began()
        await asyncio.sleep(1e-3)
        started_s = loop.time()
        work = engine.begin_layer(part.manifest.layers[layer], JOB)
        assert isinstance(work, GroupedLayer)
        decided = await decide_layer(part, layer, map_K, work, predictor)
        ran.orders.append(decided.order)
        ran.layers.append(layer_run(part, layer, decided, settings))
        ran.guesses += work.schedule.guesses
        ran.guesses_right += work.schedule.guesses_right
        ran.in_vain += work.schedule.wrong_invoked
        ran.leads_ms += work.leads_ms
        ran.spared += work.spared
        await asyncio.sleep(max(0.0, started_s + layer_s - loop.time()))
    rounds.cancel()
    with suppress(asyncio.CancelledError):
        await rounds
    bill = engine.bill(JOB)
    assert bill is not None
    await engine.close()
    price, total, memory_gb = price_of(bill.price), bill.total, plan.memory_mb / 1024
    warm_s = total.warm_seconds + total.load_seconds
    warm_usd = warm_s * memory_gb * price.gb_second + (total.warm_requests + total.loads) * price.request
    ran.cost_usd, ran.requests = total.dollars / len(maps), total.requests // len(maps)
    ran.warm_usd = warm_usd / len(maps)
    ran.cold_starts = platform.counts.cold_starts
    return ran


class _Alone:
    """A LayerWork of the coordinator alone, whose products take the time that the planner has for them."""

    def __init__(self, operator: Operator, lengths: NDArray[np.int64], taken_s: float) -> None:
        self._operator = operator
        self._lengths = lengths
        self._taken_s = taken_s

    async def apply(self, cell: int, theta: NDArray[np.float64], guess: Guess | None = None) -> NDArray[np.float64]:
        """Return `M_c theta`, float64[n]."""
        del guess
        await asyncio.sleep(self._taken_s)
        return self._operator.apply(int(self._lengths[cell]), theta)

    def rest(self, *, done: bool) -> None:
        """Nothing waits."""

    def end(self) -> None:
        """Nothing runs."""

    def figures(self) -> dict[str, object]:
        """Nothing to say."""
        return {}

    def suspects(self, cell: int) -> str:
        """Nobody."""
        del cell
        return ""


def run_inline(
    part: Part, operator: Operator, taken_s: float, settings: Settings, maps: Sequence[NDArray[np.float32]]
) -> Ran:
    """Simulate layers whose products the coordinator computes itself, each in `taken_s` seconds."""

    async def job() -> Ran:
        ran = Ran()
        for layer, map_K in enumerate(maps):
            work = _Alone(operator, part.geometry_of(layer).lengths, taken_s)
            decided = await decide_layer(part, layer, map_K, work)
            ran.orders.append(decided.order)
            ran.layers.append(layer_run(part, layer, decided, settings))
        return ran

    return virtual_time.run(job())


def layer_run(part: Part, layer: int, decided: Decided, settings: Settings) -> LayerRun:
    """Return how a decided layer stands against the printer's clock, by the agent's rule for its start.

    The first cell waits for `start_windows` decisions, but no longer than `start_wait_ms`; decision w has to be
    there `guard_ms` before cell w-1 ends.
    """
    windows_s = part.geometry_of(layer).windows_s(part.process)[decided.order]
    decided_s = np.array(decided.decided_s)
    begun_s = min(float(decided_s[min(settings.start_windows, decided_s.size) - 1]), settings.start_wait_ms / 1e3)
    due_s = begun_s + np.cumsum(windows_s)[:-1] - settings.guard_ms / 1e3
    late_s = decided_s[1:] - due_s
    return LayerRun(
        runtime_s=decided.runtime_s,
        late_windows=int(np.count_nonzero(late_s > 0)),
        lateness_s=float(late_s.max()) if late_s.size else 0.0,
        equal_share=1.0,
    )
