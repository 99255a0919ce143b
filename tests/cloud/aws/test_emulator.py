"""The emulator does what the tests of our Lambda platform rely on, with the real runtime client and boto3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.amazon import REGION, amazon_session
from tests.support.lambda_emulator import Function, LambdaEmulator, paper_delays_ms

HANDLER = """
import os, time
calls = 0
def handle(event, context):
    global calls
    calls += 1
    if event.get("crash"):
        os._exit(3)
    if event.get("raise"):
        raise ValueError("no")
    if event.get("until"):
        while not os.path.exists(event["until"]):
            time.sleep(0.001)
    return {"calls": calls, "name": context.function_name, "pid": os.getpid()}
"""


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[LambdaEmulator]:
    pytest.importorskip("awslambdaric", reason="awslambdaric is not installed: functions cannot be run")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "little.py").write_text(HANDLER)
    with LambdaEmulator(init_limit_s=30.0) as emulator:
        emulator.deploy(Function("little", tmp_path / "code", "little.handle", memory_mb=512))
        yield emulator


@pytest.fixture
def client(emulator: LambdaEmulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed (extra aws)")
    from botocore.config import Config

    amazon_session(monkeypatch)
    once = Config(retries={"total_max_attempts": 1}, max_pool_connections=20)
    return boto3.client("lambda", region_name=REGION, endpoint_url=emulator.address, config=once)


def call(client: Any, event: dict[str, Any] | None = None, kind: str = "RequestResponse") -> Any:
    answer = client.invoke(FunctionName="little", InvocationType=kind, Payload=json.dumps(event or {}))
    return (json.loads(answer["Payload"].read() or "null"), answer.get("FunctionError"), answer["StatusCode"])


def test_environment_is_used_again_until_it_is_evicted(emulator: LambdaEmulator, client: Any) -> None:
    first, again = call(client)[0], call(client)[0]
    assert (first["calls"], again["calls"], first["name"]) == (1, 2, "little")
    assert first["pid"] == again["pid"]
    assert emulator.evict() == 1
    fresh = call(client)[0]
    assert fresh["calls"] == 1
    assert fresh["pid"] != first["pid"]
    assert [one.cold for one in emulator.usage] == [True, False, True]
    assert all(one.billed_ms >= one.duration_ms for one in emulator.usage)
    assert {one.memory_mb for one in emulator.usage} == {512}


def test_calls_at_a_time_have_an_environment_each_up_to_the_limit(
    emulator: LambdaEmulator, client: Any, tmp_path: Path
) -> None:
    emulator.concurrency_max = 2
    go = tmp_path / "go"
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(call, client, {"until": str(go)}) for _ in range(2)]
        while emulator._active < 2:
            pass
        with pytest.raises(client.exceptions.TooManyRequestsException):
            call(client)
        go.touch()
        assert len({one.result()[0]["pid"] for one in both}) == 2


def test_event_is_accepted_at_once_and_runs(emulator: LambdaEmulator, client: Any) -> None:
    assert call(client, kind="Event") == (None, None, 202)
    (record,) = emulator.wait_for(1, kind="Event")
    assert record.error == ""


@pytest.mark.parametrize(
    ("event", "error"), [({"crash": True}, "Runtime.ExitError"), ({"raise": True}, "ValueError")]
)
def test_crash_and_exception_are_function_errors(
    emulator: LambdaEmulator, client: Any, event: dict[str, Any], error: str
) -> None:
    answer, failed, status = call(client, event)
    assert (answer["errorType"], failed, status) == (error, "Unhandled", 200)
    assert call(client)[0]["calls"] == (1 if "crash" in event else 2)


def test_environment_killed_at_work_ends_its_call(emulator: LambdaEmulator, client: Any, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(call, client, {"until": str(tmp_path / "never")})
        while emulator.kill("little") == 0:
            pass
        assert asked.result()[0]["errorType"] == "Runtime.ExitError"


def test_throttling_and_payload_limits_are_lambdas(emulator: LambdaEmulator, client: Any) -> None:
    emulator.throttle(1)
    with pytest.raises(client.exceptions.TooManyRequestsException):
        call(client)
    with pytest.raises(client.exceptions.RequestTooLargeException):
        call(client, {"x": "y" * 2**20}, kind="Event")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="other", Payload="{}")
    assert call(client, {"x": "y" * 2**20})[1] is None


def test_init_that_takes_too_long_runs_again_inside_the_invocation(tmp_path: Path, client: Any) -> None:
    with LambdaEmulator(init_limit_s=0.0) as slow:
        (tmp_path / "little.py").write_text(HANDLER)
        slow.deploy(Function("little", tmp_path, "little.handle"))
        assert slow.admit("little", {}, 2, "RequestResponse") is None  # type: ignore[arg-type]
        assert json.loads(slow.invoke("little", b"{}", "RequestResponse").answer)["calls"] == 1
        assert slow.inits_cut_off == 1


def test_delays_are_those_of_the_paper() -> None:
    delays = paper_delays_ms(1)
    drawn = np.array([next(delays) for _ in range(20_000)])
    assert np.percentile(drawn, [50, 90]) == pytest.approx([10.2, 13.2], rel=0.03)
    assert drawn.max() > 50.0
    again = paper_delays_ms(1)
    assert [next(again) for _ in range(5)] == drawn[:5].tolist()
