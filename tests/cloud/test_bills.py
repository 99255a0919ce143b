"""Bills: rounded as platforms do, by group and job, with prices that say where they come from."""

from __future__ import annotations

import pytest

from cloud.bills import Bill, Meter, Price, price_of, shipped_prices
from cloud.platforms import Billing
from cosmic.errors import ConfigurationError

PRICE = Price(name="test", dated="2026-01-01", source="test", gb_second=2.0, request=0.5)


def a_meter(**rules: float | bool) -> Meter:
    return Meter(Billing(price="test", **rules), PRICE, memory_mb=2048, functions=3)  # type: ignore[arg-type]


def take(meter: Meter, job: str = "job", now_s: float = 0.0) -> Bill:
    return meter.take(job, "engine", "cosmic", now_s)


@pytest.mark.parametrize(
    ("step_ms", "minimum_ms", "duration_s", "billed_s"),
    [
        (1.0, 0.0, 0.0101, 0.011),
        (1.0, 0.0, 0.010, 0.010),
        (1.0, 0.0, 0.1 + 0.2, 0.3),  # 0.30000000000000004 is not one step more
        (100.0, 0.0, 0.0101, 0.1),
        (1.0, 50.0, 0.0101, 0.05),
        (1.0, 0.0, 0.0, 0.0),
    ],
)
def test_every_invocation_is_rounded_up_to_the_step(
    step_ms: float, minimum_ms: float, duration_s: float, billed_s: float
) -> None:
    meter = a_meter(step_ms=step_ms, minimum_ms=minimum_ms)
    assert meter.billed_s(duration_s) == pytest.approx(billed_s, abs=1e-12)


def test_bill_adds_up_by_group_and_kind() -> None:
    meter = a_meter()
    meter.used("job", 0, "serve", 0.0101)
    meter.used("job", 0, "warm", 0.001)
    meter.used("job", 2, "load", 3.0)
    bill = take(meter)
    assert (bill.total.requests, bill.total.warm_requests, bill.total.loads) == (3, 1, 1)
    assert bill.total.seconds == pytest.approx(3.012)
    assert bill.total.gb_seconds == pytest.approx(2 * 3.012)
    assert bill.total.dollars == pytest.approx(2 * 2 * 3.012 + 3 * 0.5)
    assert sorted(bill.groups) == [0, 2]
    assert bill.groups[0].warm_seconds == pytest.approx(0.001)
    assert bill.figures()["price"] == "test of 2026-01-01"


def test_jobs_are_billed_apart_and_the_first_pays_what_nobody_asked_for() -> None:
    meter = a_meter()
    meter.used("", 0, "load", 1.0)
    meter.used("one", 0, "serve", 1.0)
    meter.used("other", 0, "serve", 2.0)
    assert take(meter, "one").total.seconds == pytest.approx(2.0)
    assert take(meter, "other").total.seconds == pytest.approx(2.0)
    assert take(meter, "other").total.requests == 0


def test_what_comes_after_a_jobs_bill_is_on_the_next_one() -> None:
    meter = a_meter()
    meter.used("one", 0, "serve", 1.0)
    take(meter, "one")
    meter.used("one", 0, "serve", 3.0)
    assert take(meter, "other").total.seconds == pytest.approx(3.0)
    meter.opened("one", 0.0)
    meter.used("one", 0, "serve", 2.0)
    assert take(meter, "other").total.requests == 0
    assert take(meter, "one").total.seconds == pytest.approx(2.0)
    assert meter.everything.seconds == pytest.approx(6.0)


def test_invocation_is_corrected_by_what_its_worker_says() -> None:
    meter = a_meter()
    meter.used("job", 1, "serve", 0.0101)
    meter.corrected("job", 1, "serve", 0.0101, 0.0145)
    meter.corrected("other", 1, "serve", 0.0101, 9.0)
    bill = take(meter)
    assert (bill.total.requests, bill.total.seconds) == (1, pytest.approx(0.015))
    assert bill.total.dollars == pytest.approx(2 * 2 * 0.015 + 0.5)


def test_machines_that_always_run_are_billed_from_the_jobs_first_layer_to_its_end() -> None:
    price = Price(name="vm", dated="2026-01-01", source="test", machine_hour=3.6, machine_gb=64.0)
    meter = Meter(Billing(price="vm", always_on=True), price, memory_mb=65_536, functions=3)
    meter.opened("job", 100.0)
    meter.used("job", 0, "serve", 0.5)
    meter.opened("job", 200.0)
    bill = take(meter, now_s=1100.0)
    assert bill.total.dollars == pytest.approx(3 * 1000 * 0.001)
    assert bill.total.seconds == pytest.approx(3000.0)


def test_prices_are_those_of_the_design_and_say_their_source() -> None:
    arm = price_of("lambda-arm64")
    assert (arm.gb_second, arm.request) == (0.0000133334, 0.2e-6)
    assert price_of("x2gd.xlarge").machine_hour == 0.334
    assert all(price.source and price.dated for price in shipped_prices())
    with pytest.raises(ConfigurationError, match="there is no price 'gold'"):
        price_of("gold")
