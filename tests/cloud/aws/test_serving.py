"""A coordinator with engine lambda, as a printer meets it: what is wrong is told before a layer starts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed

from cloud.plans import Plan
from protocol.messages import Failed, OpenJob, Progress
from tests.cloud.aws.conftest import Account
from tests.cloud.aws.test_platform import SMALL, deployed
from tests.cloud.conftest import a_map
from tests.cloud.printer import Printer, start
from thermal.order import order_layer


def a_plan(account: Account, **changes: Any) -> Plan:
    settings: dict[str, Any] = {"part": account.part.digest, "groups": 2, "mode": "reuse", "memory_mb": 512}
    return Plan(engine="lambda", **{**settings, **changes})


def written(folder: Path, plan: Plan) -> str:
    file = folder / "chosen.json"
    file.write_bytes(msgspec.json.encode(plan))
    return str(file)


async def refusal(account: Account, folder: Path, plan: Plan) -> str:
    """Return why a coordinator refuses a job by a plan."""
    engine = account.engine_settings(plan=written(folder, plan))
    assert account.part.folder is not None
    async with start(account.part.folder.parent, folder, engine=engine) as running, running.connect() as socket:
        printer = Printer(socket)
        await printer.tell(OpenJob(job="job", part=account.part.digest, printer="press-1"))
        said = await printer.hear()
        while isinstance(said, Progress):
            said = await printer.hear()
        assert isinstance(said, Failed)
        assert said.code == "engine_failed"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        return said.message


async def test_printer_is_told_what_is_wrong_with_the_functions(account: Account, tmp_path: Path) -> None:
    plan = a_plan(account)
    said = await refusal(account, tmp_path, plan)
    assert "2 functions are missing" in said
    assert f"cosmic-cloud deploy PLAN --deployment {account.name}" in said
    await asyncio.to_thread(deployed, account, plan)
    said = await refusal(account, tmp_path, a_plan(account, memory_mb=1024))
    assert "2 functions are of another size" in said
    client = account.amazon.client("lambda")
    for tag, what in (("cosmic:version", "of another version"), ("cosmic:part", "of another part")):
        for one in client.list_functions()["Functions"]:
            if account.name in one["FunctionName"]:
                client.tag_resource(Resource=one["FunctionArn"], Tags={tag: "other"})
        assert f"2 functions are {what}" in await refusal(account, tmp_path, plan)


async def test_printer_is_told_of_a_plan_of_another_part_and_of_absent_credentials(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "the plan is for another part" in await refusal(account, tmp_path, a_plan(account, part="0" * 64))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    said = await refusal(account, tmp_path, a_plan(account))
    assert "no credentials for Amazon" in said
    assert "aws configure" in said


async def test_job_is_printed_on_functions_in_the_order_of_one_process(account: Account, tmp_path: Path) -> None:
    plan = a_plan(account, mode="speculative")
    place = await asyncio.to_thread(deployed, account, plan)
    account.unpack(place.bucket)
    engine = account.engine_settings(plan=written(tmp_path, plan), spare_after_ms=2_000.0)
    map_K = a_map(account.part, SMALL, seed=1)
    assert account.part.folder is not None
    async with start(account.part.folder.parent, tmp_path, engine=engine) as running, running.connect() as socket:
        printer = Printer(socket)
        ready = await printer.open(account.part)
        assert ready.engine == "lambda eu-central-1 2 x 1x1 float64 speculative"
        await printer.start_layer(SMALL, map_K)
        expected = order_layer(account.part, SMALL, map_K).order
        assert await printer.decided([], len(expected)) == expected
    assert {one.error for one in account.emulator.usage} == {""}
