"""A deployment in trouble, on the emulator of Lambda: deployed twice, interrupted once; evicted, killed; destroyed.

Every function is a process under Lambda's real runtime client, with the paper's invocation delays. Needs the
development tools (`make check` installs them).

    PYTHONPATH=. python benchmarks/functions.py --layers 5
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry import box

from cloud.aws.checks import check_place, find_place
from cloud.aws.clients import Amazon
from cloud.aws.deploying import deploy
from cloud.aws.destroying import destroy
from cloud.aws.engine import lambda_engine
from cloud.aws.existing import find_existing
from cloud.aws.layout import lay_out
from cloud.aws.package import fetch_wheels, make_package
from cloud.configuration import AwsSettings, EngineSettings
from cloud.engines.grouped import GroupedEngine
from cloud.engines.grouped.layer import GroupedLayer
from cloud.plans import FunctionId, Plan
from cloud.simulation.printing import decide_layer
from tests.support.amazon import REGION, moto_server
from tests.support.lambda_emulator import LambdaEmulator, paper_delays_ms
from thermal.building import build_from_outline
from thermal.operators import write_blocks
from thermal.order import order_layer
from thermal.part import Part, write_part
from thermal.process import Process

NAME = "bench"
KILLED_AT = 3
"""The window of a layer before which its worker is killed."""


class Interrupted(Exception):
    """The deployment ends here."""


def deployments(part: Part, plan: Plan, amazon: Amazon, wheels: Path) -> dict[str, Any]:
    """Deploy: interrupted before the functions, on to the end, and once more."""
    layout = lay_out(part, plan, NAME, reports=True)
    place = find_place(amazon, None, f"cosmic-{NAME}")
    package = make_package(fetch_wheels(wheels))

    def stop(what: str, _done: int, _total: int) -> None:
        if what == "role":
            raise Interrupted

    def run(told: Any) -> dict[str, int]:
        return deploy(amazon, layout, place, package, check_place(amazon, layout, place), told)

    try:
        run(stop)
    except Interrupted:
        there = len(find_existing(amazon, NAME, place.bucket).functions)
    again, once_more = run(lambda *_: None), run(lambda *_: None)
    return {"functions": len(plan.functions), "after_interruption": there, "again": again, "once_more": once_more}


async def layer(part: Part, engine: GroupedEngine, seed: int, kill: Any = None) -> dict[str, Any]:
    """Decide a layer; return how it went. kill: called before one window."""
    map_K = (350.0 + np.random.default_rng(seed).normal(0.0, 5.0, part.geometry_of(0).elements)).astype(np.float32)
    work = engine.begin_layer(0, "job")
    assert isinstance(work, GroupedLayer)
    apply, spared = work.apply, list[int]()
    count = 0

    async def watched(cell: int, theta: Any, guess: Any = None) -> Any:
        nonlocal count
        count += 1
        if count == KILLED_AT and kill is not None:
            await asyncio.to_thread(kill)
        before = work.spared
        y = await apply(cell, theta, guess)
        spared.extend([count] * (work.spared - before))
        return y

    work.apply = watched  # type: ignore[method-assign]
    decided = await decide_layer(part, 0, map_K, work)
    return {
        "order_right": decided.order == order_layer(part, 0, map_K).order,
        "every_cell_once": sorted(decided.order) == list(range(len(decided.order))),
        "windows": len(decided.order),
        "spared": len(spared),
        "recovered_at_window": max(spared, default=0) + 1 if kill is not None else None,
        "faults": dict(work.causes),
    }


async def troubles(part: Part, plan: Plan, emulator: LambdaEmulator, layers: int) -> dict[str, Any]:
    """Evict a third of the environments while powder is spread; kill one worker a layer."""
    aws = AwsSettings(deployment=NAME, region=REGION, endpoint_url=emulator.address)
    settings = EngineSettings(name="lambda", aws=aws, load_timeout_s=60.0)
    with ThreadPoolExecutor(1) as threads:
        engine = await lambda_engine(part, plan, settings, executor=threads)
        await engine.load(lambda *_: None)
        evicted, killed = [], []
        for number in range(layers):
            await asyncio.to_thread(emulator.wait_idle)
            for function in plan.functions[number % 3 :: 3]:
                await asyncio.to_thread(emulator.evict, function.name(NAME))
            report = await engine.warm("job")
            one = await layer(part, engine, number)
            evicted.append({"cold": report.cold, "reloaded": report.reloaded, **one})
        for number in range(layers):
            await engine.warm("job")
            victim = FunctionId(number % plan.groups, 0, 0).name(NAME)
            killed.append(await layer(part, engine, number, lambda name=victim: emulator.kill(name)))
        await asyncio.to_thread(emulator.wait_idle)
        bill = engine.bill("job")
        await engine.close()
    assert bill is not None
    requests = {"on_the_bill": bill.total.requests, "run": len(emulator.usage)}
    return {"evicted": evicted, "killed": killed, "requests": requests, "bill": bill.figures()}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=5, help="of each kind of trouble")
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_CONFIG_FILE=os.devnull)  # noqa: S106
    os.environ.update(AWS_SHARED_CREDENTIALS_FILE=os.devnull, NO_PROXY="127.0.0.1")
    with tempfile.TemporaryDirectory() as folder, moto_server() as plane:
        made = build_from_outline(box(0, 0, 12.0, 12.0), "square", Process(), island_mm=2.0)
        part = write_part(made, Path(folder) / "square")
        write_blocks(Path(folder) / "square", part.digest, part.geometries[0], part.process, blocks=(2, 1))
        wheels = Path(folder) / "wheels"
        wheels.mkdir()
        # The emulator's functions have this machine's numpy: nothing is downloaded.
        name = f"numpy-{metadata.version('numpy')}-cp313-cp313-manylinux_2_28_aarch64.whl"
        zipfile.ZipFile(wheels / name, "w").close()
        plan = Plan(part=part.digest, engine="lambda", groups=3, rows=2, mode="persistent", memory_mb=1024)
        with LambdaEmulator(delays_ms=paper_delays_ms(1), init_limit_s=60.0, control_plane=plane) as emulator:
            amazon = Amazon(REGION, emulator.address)
            figures: dict[str, Any] = {"deploy": deployments(part, plan, amazon, wheels)}
            figures |= asyncio.run(troubles(part, plan, emulator, words.layers))
            place = find_place(amazon, None, f"cosmic-{NAME}")
            left = destroy(amazon, NAME, find_existing(amazon, NAME, place.bucket))
            figures["left"] = left.figures()
    if words.json:
        json.dump(figures, sys.stdout, indent=1)
        return
    deployed = figures["deploy"]
    print(f"deploy, {deployed['functions']} functions: interrupted with {deployed['after_interruption']} there;")
    print(f"  again {deployed['again']}; once more {deployed['once_more']}")
    for kind in ("evicted", "killed"):
        for number, one in enumerate(figures[kind], 1):
            print(f"{kind}, layer {number}: " + ", ".join(f"{key} {value}" for key, value in one.items()))
    print(f"invocations: {figures['requests']}")
    print(f"bill: {figures['bill']}")
    print(f"left after destroy: {'nothing' if left.nothing else figures['left']}")


if __name__ == "__main__":
    main()
