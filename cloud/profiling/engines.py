# ruff: noqa: PLC0415  one engine's libraries are not needed for another
"""How each engine is brought up to be measured: its workers, what is known of it anyway, and what it costs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloud.plans import Plan, Precision
from cloud.profiling.figures import Figures
from cloud.profiling.measuring import Effort, measure_bench, measure_own
from cloud.profiling.parts import NAME, Told, square_part, written_part
from thermal.part import Part

if TYPE_CHECKING:
    from cloud.profiling.interface import Bench

OWN_CM2 = 9.0
"""Largest layer on which the coordinator's own work is measured: it needs no matrices."""


@dataclass(frozen=True, slots=True)
class AmazonPlace:
    """Where on AWS: see the options of `cosmic-cloud profile`."""

    region: str | None = None
    bucket: str | None = None
    endpoint_url: str | None = None
    host: str = "127.0.0.1"
    advertise: str | None = None
    wheels: Path = Path("wheels")


@dataclass(frozen=True, slots=True)
class Setup:
    """How an engine is measured.

    Attributes:
        folder: for the part and its matrices, which is removed afterwards.
        area_cm2: of the largest layer with matrices.
        workers: functions or processes; None: what suits the engine.
        memory_mb: of a function, MiB.
        precisions: of matrices; the first gives network and delays as well.
        effort: how much is measured.
        progress: gives what is told how far it is.
        base: name of the profile that a simulated platform has.
        amazon: where, for Lambda; `host` and `advertise` for Ray as well.
        ray: `host:port` of a Ray cluster's head; None: a cluster of this machine alone.
        agreed: asked (question, lines of costs) before money is spent; raises where the answer is no.
    """

    folder: Path
    area_cm2: float
    workers: int | None
    memory_mb: int
    precisions: tuple[Precision, ...]
    effort: Effort
    progress: Callable[[], AbstractContextManager[Told]]
    base: str
    amazon: AmazonPlace
    agreed: Callable[[str, list[str]], None]
    ray: str | None = None


@dataclass(slots=True)
class Profiled:
    """What was found.

    Attributes:
        figures: measured.
        known: fields of the profile that need no measuring.
        about: of the measurement.
    """

    known: dict[str, Any]
    about: dict[str, Any]
    figures: Figures = field(default_factory=Figures)


def profile_engine(engine: str, setup: Setup) -> Profiled:
    """Measure an engine. Raises CosmicError."""
    return ENGINES[engine](setup)


def _inline(setup: Setup) -> Profiled:
    found = Profiled({"name": "inline", "price": "m6g.8xlarge"}, {})
    with setup.progress() as told:
        asyncio.run(measure_own(square_part(OWN_CM2, odd=True, sizes=6), setup.effort, found.figures, told))
    return found


def _local(setup: Setup) -> Profiled:
    from cloud.profiling.processes import ProcessesBench

    processors = len(os.sched_getaffinity(0))
    most = setup.workers or 2 * processors
    cuts = sorted({*(2**power for power in range(6) if 2**power < most), most})
    about = {"processors": processors, "memory_scales": False}
    found = Profiled(_always_on("local", _memory_mb() // processors), about)
    with setup.progress() as told:
        part = written_part(setup.folder / NAME, setup.area_cm2, cuts, setup.precisions, told)
        for precision in setup.precisions:
            _measure(ProcessesBench(part, cuts, precision), setup.effort, found, told)
        asyncio.run(measure_own(square_part(OWN_CM2, odd=True, sizes=6), setup.effort, found.figures, told))
    return found


def _simulated(setup: Setup) -> Profiled:
    from cloud.platforms.tokens import CallbackTokens
    from cloud.profiling.functions import FunctionsBench
    from cloud.simulation import virtual_time
    from cloud.simulation.platform import SimulatedPlatform
    from cloud.simulation.profile import read_profile

    base = read_profile(setup.base)
    known = {"name": "simulated", "price": base.price, "billing_step_ms": base.billing_step_ms}
    found = Profiled({**known, "product_memory_mb": setup.memory_mb}, {})
    part = square_part(setup.area_cm2)
    with setup.progress() as told:
        for precision in setup.precisions:
            plan = _plan(part, setup, precision, "simulated")
            platform = SimulatedPlatform(part, plan, base, seed=1, dense=False)
            bench = FunctionsBench(part, plan, platform, platform.link, CallbackTokens(), {"folder": ""})
            _measure(bench, setup.effort, found, told, run=virtual_time.run)
    return found


def _lambda(setup: Setup) -> Profiled:
    from cloud.aws.clients import Amazon
    from cloud.bills import price_of
    from cloud.profiling.amazon import deployed, plan_deployment
    from cloud.profiling.estimate import profile_bill

    place = setup.amazon
    amazon = Amazon(place.region, place.endpoint_url)
    made, price = [], price_of("lambda-arm64")
    with setup.progress() as told:
        part = written_part(setup.folder / NAME, setup.area_cm2, [setup.workers or 4], setup.precisions, told)
        for precision in setup.precisions:
            plan = _plan(part, setup, precision, "lambda")
            made.append(plan_deployment(part, plan, amazon, f"{NAME}-{precision}", place.bucket))
    bills = [
        profile_bill(
            price, functions=len(one.plan.functions), memory_mb=setup.memory_mb, sizes=len(one.part.geometries),
            load_s=one.costs.load_s, effort=setup.effort, other_usd=one.costs.upload_usd,
        )
        for one in made
    ]  # fmt: skip
    count = sum(len(one.plan.functions) for one in made)
    usd, minutes = sum(bill.usd for bill in bills), sum(bill.seconds for bill in bills) / 60
    used = f"{sum(bill.gb_seconds for bill in bills):,.0f} GB-s, {sum(bill.requests for bill in bills):,} requests"
    lines = [
        f"{count} functions of {setup.memory_mb:,} MB in {made[0].place.region}, made for this, then removed",
        f"at most {usd:.2f} USD ({used}) and {minutes:.0f} min",
    ]
    setup.agreed("Measure?", lines)
    known = {
        "name": "lambda",
        "price": "lambda-arm64",
        "billing_step_ms": 1.0,
        "product_memory_mb": setup.memory_mb,
    }
    found = Profiled(known, {"region": made[0].place.region, "usd_at_most": round(usd, 4)})
    with setup.progress() as told:
        for one in made:

            async def measured(one: Any = one) -> None:
                async with deployed(one, place.wheels, place.host, place.advertise, told) as bench:
                    await _into(bench, setup.effort, found, told)

            asyncio.run(measured())
        asyncio.run(measure_own(square_part(OWN_CM2, odd=True, sizes=6), setup.effort, found.figures, told))
    return found


def _ray(setup: Setup) -> Profiled:
    from cloud.profiling.actors import ActorsBench

    place = setup.amazon
    workers = setup.workers or 4
    about: dict[str, Any] = {"memory_scales": False}
    if setup.ray is None:  # a cluster of this machine alone: actors share its processors
        about["processors"] = len(os.sched_getaffinity(0))
    found = Profiled(_always_on("ray", _memory_mb() // workers) | {"price": "x2gd.xlarge"}, about)
    with setup.progress() as told:
        part = written_part(setup.folder / NAME, setup.area_cm2, [workers], setup.precisions, told)
        for precision in setup.precisions:
            plan = Plan(part=part.digest, engine="ray", rows=workers, precision=precision)
            bench = ActorsBench(part, plan, setup.ray, place.host, place.advertise)
            _measure(bench, setup.effort, found, told)
        asyncio.run(measure_own(square_part(OWN_CM2, odd=True, sizes=6), setup.effort, found.figures, told))
    return found


ENGINES: Mapping[str, Callable[[Setup], Profiled]] = {
    "inline": _inline,
    "local": _local,
    "simulated": _simulated,
    "lambda": _lambda,
    "ray": _ray,
}


def _measure(
    bench: Bench, effort: Effort, found: Profiled, told: Told, run: Callable[[Any], Any] = asyncio.run
) -> None:
    run(_into(bench, effort, found, told))


async def _into(bench: Bench, effort: Effort, found: Profiled, told: Told) -> None:
    """Measure workers; of a second precision only the products are kept."""
    if not found.figures.products:
        await measure_bench(bench, effort, found.figures, told)
        return
    second = Figures()
    await measure_bench(bench, Effort(effort.samples_max, effort.width, ()), second, told)
    found.figures.products += second.products


def _plan(part: Part, setup: Setup, precision: Precision, engine: Any) -> Plan:
    return Plan(
        part=part.digest, engine=engine, rows=setup.workers or 4, precision=precision, memory_mb=setup.memory_mb
    )


def _always_on(name: str, memory_mb: int) -> dict[str, Any]:
    """Return what is known of workers on machines of one's own: they never end, and nobody limits them."""
    return {
        "name": name, "price": "m6g.8xlarge", "billing_step_ms": 1.0, "product_memory_mb": memory_mb,
        "straggler_share": 0.0, "straggler_ms": 0.0, "invocations_per_s_max": 0.0, "throttled_share": 0.0,
        "cold_idle_s": [1e9], "cold_share": [0.0],
    }  # fmt: skip


def _memory_mb() -> int:
    """Return this machine's memory, MiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
