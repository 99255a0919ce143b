"""The engine over Ray: what is missing or too small is named, and workers that die or hang cost no decision."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from cloud.configuration import AwsSettings, EngineSettings, RaySettings
from cloud.engines.ray import ray_engine
from cloud.engines.ray.platform import check_room
from cloud.plans import FunctionId, Plan
from cloud.platforms import WarmUp
from cloud.simulation.printing import decide_layer
from cosmic.errors import EngineError
from tests.cloud.conftest import a_map
from tests.support.amazon import REGION, amazon_server, client_of
from thermal.order import order_layer
from thermal.part import Part

NEEDED = {FunctionId(0, row, 0): {"num_cpus": 2.0, "memory": 2**30} for row in range(4)}


@pytest.mark.parametrize(
    ("free", "what"),
    [({"CPU": 7.0, "memory": 2**40}, "need 8 CPUs"), ({"CPU": 8.0, "memory": 2**30}, "need 4.0 GiB")],
)
def test_cluster_that_is_too_small_is_named_with_what_it_has(free: dict[str, float], what: str) -> None:
    with pytest.raises(EngineError, match=what) as error:
        check_room(NEEDED, free, "ray")
    assert "add machines" in error.value.remedy


async def load(part: Part, ray: RaySettings) -> None:
    engine = await ray_engine(part, Plan(part=part.digest, engine="ray"), EngineSettings(name="ray", ray=ray))
    await engine.load(lambda *_: None)


async def test_cluster_that_is_not_there_is_named_at_once(part: Part) -> None:
    with pytest.raises(EngineError, match="cannot be reached") as error:
        await load(part, RaySettings(address="127.0.0.1:1"))
    assert "ray start --head" in error.value.remedy


async def test_ray_that_is_not_installed_is_named_with_the_extra(
    part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineError, match="not installed") as error:
        await load(part, RaySettings())
    assert error.value.remedy == 'pip install "cosmic-lpbf[ray]"'


def test_actors_read_blocks_from_a_bucket_and_name_one_that_is_not_there(part: Part, ray_cluster: str) -> None:
    """The bucket has what `aws s3 sync parts/plate s3://BUCKET/plate` puts there, as the how-to says."""
    assert part.folder is not None
    map_K = a_map(part, 0, seed=1)
    plan = Plan(part=part.digest, engine="ray", rows=2, columns=2)

    async def order(store: str, endpoint_url: str) -> list[int]:
        ray = RaySettings(address=ray_cluster, cpus=0.5, store=store)
        aws = AwsSettings(region=REGION, endpoint_url=endpoint_url)
        engine = await ray_engine(part, plan, EngineSettings(name="ray", ray=ray, aws=aws))
        await engine.load(lambda *_: None)
        try:
            return (await decide_layer(part, 0, map_K, engine.begin_layer(0, "job"))).order
        finally:
            await engine.close()

    with amazon_server() as address:
        client = client_of("s3", address)
        client.create_bucket(Bucket="parts", CreateBucketConfiguration={"LocationConstraint": REGION})
        for file in part.folder.rglob("*"):
            if file.is_file():
                client.upload_file(str(file), "parts", f"plate/{file.relative_to(part.folder)}")
        assert asyncio.run(order("s3://parts/plate", address)) == order_layer(part, 0, map_K).order
        with pytest.raises(EngineError) as missing:
            asyncio.run(order("s3://parts/another", address))
        assert "s3://parts/another" in str(missing.value)
        assert missing.value.remedy


def test_actor_that_is_killed_or_hangs_in_a_layer_costs_no_decision(part: Part, ray_cluster: str) -> None:
    map_K = a_map(part, 0, seed=1)
    expected = order_layer(part, 0, map_K).order
    plan = Plan(part=part.digest, engine="ray", rows=2, columns=2)
    # Time enough for a busy machine to start another actor.
    settings = EngineSettings(
        name="ray", ray=RaySettings(address=ray_cluster, cpus=0.5), apply_timeout_ms=3000.0, tries_max=40
    )

    async def main() -> None:
        engine = await ray_engine(part, plan, settings)
        await engine.load(lambda *_: None)
        try:
            for sent, cause in ((signal.SIGKILL, "lost"), (signal.SIGSTOP, "hung")):
                said = await engine._actors.ask(FunctionId(0, 1, 0), WarmUp())
                sick = int(said.environment.partition("-")[0])
                work = engine.begin_layer(0, "job")
                windows = 0

                async def apply(*given: object, sent: int = sent, sick: int = sick) -> object:
                    nonlocal windows
                    windows += 1
                    if windows == 5:
                        os.kill(sick, sent)
                    return await ask(*given)  # noqa: B023  called before the loop goes on

                ask = work.apply
                work.apply = apply  # type: ignore[method-assign]
                assert (await decide_layer(part, 0, map_K, work)).order == expected
                work.end()
                assert work.figures()["faults"].get(cause, 0) >= 1
        finally:
            await engine.close()

    asyncio.run(main())
