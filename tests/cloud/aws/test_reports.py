"""Our bill against what Lambda reports, with functions under the real runtime client."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any

import pytest
import structlog

from cloud.aws.reports import add_up, times_ms
from cloud.bills import Line
from cloud.engines.grouped.comparison import compared
from cloud.platforms import Reported
from tests.cloud.aws.conftest import Account
from tests.cloud.aws.test_platform import engine_of, printed
from tests.support.lambda_emulator import paper_delays_ms

JOBS_MAX = 20
"""Jobs after which a bill must have been as near as Lambda's billing step: a busy machine takes its time."""

LINE = (
    "REPORT RequestId: 8f507cfc-{n}\tDuration: {ms:.2f} ms\tBilled Duration: {billed} ms"
    "\tMemory Size: {memory} MB\tMax Memory Used: 50 MB\tInit Duration: 99.50 ms\t\n"
)


def test_reports_are_added_up_once_each() -> None:
    one = LINE.format(n=1, ms=12.3, billed=13, memory=512)
    other = LINE.format(n=2, ms=1000.0, billed=1000, memory=2048)
    assert add_up([one, "START RequestId: 8f507cfc-2", other, one]) == Reported(
        requests=2, seconds=1.013, gb_seconds=0.013 / 2 + 2.0
    )
    assert add_up([]) == Reported()


def test_tail_of_a_call_says_what_is_billed() -> None:
    tail = "START RequestId: 8f507cfc-1\nfoo\n" + LINE.format(n=1, ms=12.3, billed=113, memory=512)
    assert times_ms(b64encode(tail.encode()).decode()) == (12.3, 113.0)
    assert times_ms(b64encode(b"cut off").decode()) == times_ms("") == (0.0, 0.0)


@pytest.mark.parametrize(("ours", "theirs", "percent"), [(1.02, 1.0, 2.0), (0.5, 1.0, -50.0), (1.0, 0.0, None)])
def test_difference_is_in_percent_of_what_the_platform_says(ours: float, theirs: float, percent: Any) -> None:
    said = compared(Line(requests=3, gb_seconds=ours), Reported(requests=3, gb_seconds=theirs))
    assert said["difference_percent"] == percent


async def test_bill_agrees_with_lambdas_reports_within_its_billing_step(account: Account) -> None:
    """Of some jobs, since a busy machine takes its time around the worker's code now and then."""
    off_ms = []
    account.emulator.delays_ms = paper_delays_ms(1)
    async with engine_of(account, reports=True, groups=2, mode="reuse") as engine:
        while not off_ms or (min(off_ms) > 1.0 and len(off_ms) < JOBS_MAX):
            job = f"job-{len(off_ms)}"
            before = len(account.emulator.usage) if off_ms else 0
            for _ in range(2):
                await engine.warm(job)
                await printed(account, engine, job)
            await asyncio.to_thread(account.emulator.wait_idle)
            with structlog.testing.capture_logs() as lines:
                bill = engine.bill(job)
                await engine.compared()
            assert bill is not None
            (line,) = [line for line in lines if line["event"] == "bill_compared"]
            usage = account.emulator.usage[before:]
            assert line["job"] == job
            assert line["requests"] == line["requests_reported"] == bill.total.requests == len(usage)
            assert line["gb_seconds_reported"] == pytest.approx(sum(one.billed_ms for one in usage) / 2e3, abs=1e-4)
            off_ms.append(abs(line["gb_seconds"] - line["gb_seconds_reported"]) * 2e3 / len(usage))
    assert min(off_ms) <= 1.0
