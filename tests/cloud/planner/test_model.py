"""Runtime and cost of a layer: every component against figures computed by hand."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.planner.job import Job, random_job
from cloud.planner.model import Model, Point
from cloud.planner.pattern import group_counts, pattern_of
from cloud.planner.platform import Platform, read_platform

CALM = ["product_p90_factor=1"]


def point(job: Job, groups: int, rows: int, mode: str, **changes: object) -> Point:
    return replace(Point(pattern_of(job, groups), rows, 1, mode, "float64", 10_240), **changes)  # type: ignore[arg-type]


def test_a_persistent_window_is_network_messages_and_product(job: Job) -> None:
    platform, _ = read_platform(changes=CALM)
    found = Model(job, platform).estimate(point(job, 4, 8, "persistent"))
    n, cells = job.elements, job.cells
    assert found.invocation_s == 0
    assert found.transfer_s == pytest.approx(
        cells * n * 8 * (8 / 805e6 + 1 / 375e6 - 1 / 805e6 + 1 / 8 / 805e6), rel=1e-3
    )
    assert found.message_s == pytest.approx(cells * 2 * 0.25e-3)
    assert found.compute_s == pytest.approx(cells * -(-n // 8) * n * 8 / 74e9)
    assert found.runtime_s == pytest.approx(found.transfer_s + found.message_s + found.compute_s)
    milliseconds = np.ceil(found.runtime_s * 1e3)
    assert found.serving_usd == pytest.approx(4 * 8 * milliseconds / 1e3 * 10 * 0.0000133334)
    assert found.requests_usd == pytest.approx(4 * 8 * 2e-7)
    assert found.warm_usd == pytest.approx(3 * 4 * 8 * (2e-7 + 1e-3 * 10 * 0.0000133334))


def test_the_cost_is_the_sum_of_its_components(model: Model, job: Job) -> None:
    for mode in ("on_demand", "reuse", "speculative", "persistent"):
        found = model.estimate(point(job, 6, 5, mode))
        parts = found.serving_usd + found.wasted_usd + found.requests_usd + found.warm_usd
        assert found.cost_usd == pytest.approx(parts)
        spent = found.invocation_s + found.transfer_s + found.message_s + found.compute_s
        assert found.runtime_s == pytest.approx(spent)


def test_delays_have_the_papers_median_and_p90(model: Model) -> None:
    delays_ms = 1e3 * model.draws.delay_s(1)
    assert np.median(delays_ms) == pytest.approx(10.2, rel=0.02)
    assert np.quantile(delays_ms, 0.9) == pytest.approx(13.2, rel=0.03)
    assert delays_ms.max() > 20


def test_the_slowest_of_more_functions_is_slower_in_every_draw(model: Model) -> None:
    for few, many in ((1, 2), (4, 5), (16, 34)):
        assert (model.draws.delay_s(many) >= model.draws.delay_s(few)).all()
        for spacing in (0.0, 0.05, 2.0):
            assert (model.draws.slowest(many, spacing) >= model.draws.slowest(few, spacing)).all()


def test_modes_wait_ever_less(model: Model, job: Job) -> None:
    waited = [model.estimate(point(job, 6, 5, m)).invocation_s for m in (
        "on_demand", "reuse", "speculative", "persistent"
    )]  # fmt: skip
    assert waited == sorted(waited, reverse=True)
    assert waited[-1] == 0


def test_one_group_waits_for_the_first_window_alone(model: Model, job: Job) -> None:
    found = model.estimate(point(job, 1, 12, "reuse"))
    assert found.invocation_s == pytest.approx(float(model.draws.delay_s(12)[:, 0].mean()))
    assert found.invocations == 12


def test_machines_cost_their_hours_with_the_spreading(model: Model, job: Job, paper: Platform) -> None:
    found = model.estimate(point(job, 1, 3, "persistent", memory_mb=65_536, machines=True))
    assert found.cost_usd == pytest.approx(3 * 0.334 / 3600 * (job.layer_s + 15))


def test_same_seed_same_estimate_and_another_seed_another(job: Job, paper: Platform) -> None:
    one, two, other = (Model(job, paper, seed).estimate(point(job, 6, 5, "reuse")) for seed in (1, 1, 2))
    assert one == two
    assert one != other


def test_random_orders_reuse_a_group_as_chance_has_it() -> None:
    job = random_job([196] * 60, seed=3)
    assert pattern_of(job, 6).reuse == pytest.approx(9 / 59, abs=0.03)  # 9 of the 59 other cells are in the group


def test_spacing_by_the_layer_is_the_papers_criterion(job: Job, paper: Platform) -> None:
    plan = point(job, 4, 8, "persistent")
    by_layer = Model(job, paper, criterion="layer").estimate(plan)
    assert by_layer.lateness_s == pytest.approx(by_layer.runtime_p99_s - job.layer_s)


@given(rows=st.integers(1, 40), groups=st.integers(1, 60))
@settings(max_examples=25, deadline=None)
def test_estimates_never_undercut_the_products(model: Model, job: Job, rows: int, groups: int) -> None:
    found = model.estimate(point(job, groups, rows, "speculative"))
    assert found.runtime_s >= found.compute_s > 0
    assert found.serving_usd >= rows * (found.compute_s + found.transfer_s) * 10 * 0.0000133334


def test_numbers_of_groups_come_from_cells_a_group() -> None:
    assert group_counts(10) == [1, 2, 3, 4, 5, 10]


@pytest.mark.parametrize(("functions", "spacing"), [(1, 0.0), (7, 0.0), (7, 0.05), (24, 0.02), (24, 3.0)])
def test_the_last_of_products_that_begin_one_after_the_other_is_found_as_drawing_them_finds_it(
    model: Model, functions: int, spacing: float
) -> None:
    sigma = np.log(1.08) / 1.2815515655446004
    drawn = np.exp(sigma * np.random.default_rng(3).standard_normal((200_000, functions)))
    last = (drawn - spacing * np.arange(functions)).max(axis=1)
    found = model.draws.slowest(functions, spacing)
    assert found.mean() == pytest.approx(last.mean(), abs=3e-3)
    assert np.quantile(found, [0.05, 0.95]) == pytest.approx(np.quantile(last, [0.05, 0.95]), abs=5e-3)
    assert model.draws.slowest_mean(functions, spacing) == pytest.approx(found.mean(), abs=1e-9)


def test_the_last_product_comes_no_later_where_maps_leave_more_slowly(model: Model) -> None:
    for functions in (2, 24):
        close, far = (model.draws.slowest(functions, spacing) for spacing in (0.01, 0.1))
        assert (far <= close).all()


def test_a_group_guessed_right_waits_for_what_its_delay_exceeds_the_median(model: Model, job: Job) -> None:
    plan = point(job, 6, 1, "speculative")
    pattern = plan.pattern
    assert pattern.right is not None
    found = model.estimate(plan)
    delays = model.draws.delay_s(1)
    missed = delays[:, (pattern.switches & ~pattern.right)[0]].sum(axis=1)
    ahead_s = model.draws.delay_median_s(1)  # windows are longer than that here
    late = np.maximum(delays - ahead_s, 0.0)[:, pattern.right[0]].sum(axis=1)
    assert found.invocation_s == pytest.approx(float((missed + late).mean()))


def test_functions_with_delays_of_their_own_are_later_than_groups_with_one(job: Job) -> None:
    together, alone = (
        Model(job, replace(platform, profile=msgspec.structs.replace(platform.profile, invocation_per=per)))
        for platform in [read_platform()[0]]
        for per in ("group", "function")
    )
    plan = point(job, 6, 5, "reuse")
    assert together.estimate(plan).waiting_usd == 0
    assert alone.estimate(plan).waiting_usd > 0
    assert alone.estimate(plan).runtime_s > together.estimate(plan).runtime_s
