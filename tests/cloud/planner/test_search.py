"""The search finds what estimating every plan finds; limits, objectives, and what is said of nothing feasible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cloud.planner.candidates import candidates_of
from cloud.planner.compare import plan_of, propose
from cloud.planner.job import Job, random_job
from cloud.planner.model import Model
from cloud.planner.platform import Platform, read_platform
from cloud.planner.report import document, nearest_miss, remedies
from cloud.planner.search import Limits, search
from cloud.planner.spaces import PAPER, Space
from cloud.plans.dealings import groups_of, listed_groups, transition_counts
from cosmic.errors import ConfigurationError, UsageError
from tests.cloud.planner.conftest import job_like_gear

SMALL = Space(
    memories_mb=(3_538, 10_240),
    precisions=("float64", "float32"),
    columns_max=2,
    dealings=("contiguous", "round-robin"),
    groups=(1, 5, 20),
)


@pytest.mark.parametrize("objective", ["cost", "runtime"])
@pytest.mark.parametrize("known", [True, False])
def test_pruning_finds_what_estimating_every_plan_finds(paper: Platform, objective: str, known: bool) -> None:
    job = job_like_gear(cells=20, distinct=6)
    if not known:
        job = random_job(job.lengths, seed=2)
    platform = replace(paper, settings=read_platform(changes=["draws=40", "concurrency_max=8"])[0].settings)
    model = Model(job, platform)
    pruned = search(model, SMALL, objective)  # type: ignore[arg-type]
    every = search(model, SMALL, objective, prune=False)  # type: ignore[arg-type]
    assert pruned.feasible
    assert every.estimate is not None
    assert pruned.estimate == every.estimate
    assert pruned.estimated < every.estimated / 10


def test_no_bound_exceeds_the_estimate(model: Model) -> None:
    candidates = candidates_of(model, replace(SMALL, groups=(1, 7, 60)))
    for number in range(0, candidates.cost_usd.size, max(1, candidates.cost_usd.size // 150)):
        found = model.estimate(candidates.point(number))
        assert candidates.cost_usd[number] <= found.cost_usd * (1 + 1e-9)
        assert candidates.runtime_s[number] <= found.runtime_s * (1 + 1e-9)


def test_every_candidate_fits_into_its_functions(model: Model, job: Job) -> None:
    candidates = candidates_of(model, PAPER)
    for number in range(0, candidates.cost_usd.size, max(1, candidates.cost_usd.size // 200)):
        plan = candidates.point(number)
        block = -(-job.elements // plan.rows) * job.elements * 8
        assert plan.pattern.operators * block + 96 * 2**20 <= 0.85 * plan.memory_mb * 2**20


def test_cosmic_is_never_dearer_than_the_serverless_systems(job: Job, paper: Platform) -> None:
    found = propose(job, paper, space=PAPER).found
    assert found["cosmic"].feasible
    for name in ("invoke-on-demand", "all-persistent", "all-active"):
        own, other = found["cosmic"].estimate, found[name].estimate
        if found[name].feasible:
            assert own is not None
            assert other is not None
            assert own.cost_usd <= other.cost_usd


def test_the_runtime_objective_is_faster_and_dearer(model: Model) -> None:
    cheap, fast = search(model, PAPER), search(model, PAPER, "runtime")
    assert cheap.estimate is not None
    assert fast.estimate is not None
    assert fast.estimate.runtime_s < cheap.estimate.runtime_s
    assert fast.estimate.cost_usd > cheap.estimate.cost_usd


def test_accuracy_takes_float64_where_cost_takes_float32(model: Model) -> None:
    cheap, fine = search(model, SMALL), search(model, SMALL, "accuracy")
    assert cheap.point is not None
    assert fine.point is not None
    assert (cheap.point.precision, fine.point.precision) == ("float32", "float64")
    limited = search(model, SMALL, limits=Limits(error_max=1e-12))
    assert limited.estimate == fine.estimate


def test_a_precision_that_does_not_exist_is_refused(model: Model) -> None:
    with pytest.raises(ConfigurationError, match="no precision rounds to 1e-20"):
        search(model, SMALL, limits=Limits(error_max=1e-20))


def test_a_budget_below_the_cheapest_plan_says_what_it_would_take(job: Job, paper: Platform) -> None:
    free = propose(job, paper, space=PAPER)
    assert free.chosen.estimate is not None
    needed = free.chosen.estimate.cost_usd
    tight = propose(job, paper, space=PAPER, limits=Limits(budget_usd=needed / 2))
    assert not tight.chosen.feasible
    assert remedies(tight)[0] == f"allow {needed:.6f} USD a layer"
    assert nearest_miss(tight).endswith(f"{needed:.6f} USD where {needed / 2:.6f} USD are allowed")
    assert propose(job, paper, space=PAPER, limits=Limits(budget_usd=needed * 1.000001)).chosen.feasible


def test_printing_too_fast_says_the_speed_that_holds(job: Job, paper: Platform) -> None:
    fast = job.with_changes(speed_mm_s=20_000)
    late = propose(fast, paper, space=PAPER)
    assert not late.chosen.feasible
    first = remedies(late)[0]
    assert first.startswith("print at ")
    speed = float(first.split()[2])
    assert 800 < speed < 20_000
    assert propose(job.with_changes(speed_mm_s=0.97 * speed), paper, space=PAPER).chosen.feasible


def test_a_layer_no_function_holds_is_said_to_be_too_large(paper: Platform) -> None:
    small = propose(random_job([40_000] * 30), paper, space=PAPER)
    assert "use --space full" in remedies(small)[0]
    huge = random_job([60_000] * 30)
    found = propose(huge, paper)
    assert found.chosen.point is None
    first = remedies(found)[0]
    assert "no function holds its share of one operator" in first
    side_mm = float(first.rpartition("use elements of at least ")[2].split()[0])
    fewer = random_job([round(60_000 * (0.2 / side_mm) ** 2)] * 30)
    assert propose(fewer, paper).chosen.point is not None
    shown = document(found)
    assert shown["feasible"] is False
    assert shown["chosen"]["groups"] is None
    assert shown["where"]["recommended"] is None or shown["where"]["recommended"] in {"printer", "coordinator"}


def test_own_matrices_need_workers_and_a_known_model_does_not(job: Job, paper: Platform) -> None:
    assert document(propose(job, paper, space=PAPER))["where"]["cloud_needed"] is False
    gear = replace(random_job([196] * 204, seed=1), variant="opaque")
    places = {place["where"]: place for place in document(propose(gear, paper, space=PAPER))["where"]["places"]}
    assert places["printer"]["feasible"] is False
    assert "450 ms" in places["printer"]["why"] or "451 ms" in places["printer"]["why"]


def test_an_unknown_strategy_is_refused(job: Job, paper: Platform) -> None:
    with pytest.raises(UsageError, match="there is no strategy 'best'"):
        propose(job, paper, strategy="best")


def test_where_float64_is_late_and_float32_is_not_that_is_said(job: Job, paper: Platform) -> None:
    late = propose(job, paper, space=PAPER)
    speed = 800.0
    while late.chosen.feasible or late.wider is None or not late.wider.feasible:
        speed *= 1.15
        late = propose(job.with_changes(speed_mm_s=speed), paper, space=PAPER)
        assert speed < 20_000
    assert any(said.startswith("use --space full") and "float32" in said for said in remedies(late))


def test_cells_are_clustered_by_earlier_orders_where_that_is_cheaper(job: Job, paper: Platform) -> None:
    counts = transition_counts(job.orders.tolist(), job.cells)
    known = replace(job, transitions=(counts,))
    plain, clustered = propose(job, paper, space=PAPER), propose(known, paper, space=PAPER)
    point = clustered.chosen.point
    assert point is not None
    assert clustered.chosen.estimate is not None
    assert plain.chosen.estimate is not None
    assert point.pattern.dealing == "clustered"
    assert clustered.chosen.estimate.cost_usd < plain.chosen.estimate.cost_usd
    plan = plan_of(known, "cosmic", point, "lambda")
    assert plan.listed == listed_groups([counts], point.pattern.groups)
    assert plan == plan_of(known, "cosmic", point, "lambda")
    assert groups_of(plan, 0, job.cells) == plan.listed[0]


@pytest.mark.parametrize("variant", ["polynomial", "opaque"])
def test_the_place_of_the_lowest_total_is_recommended(paper: Platform, variant: str) -> None:
    part = replace(random_job([196] * 24, seed=1), variant=variant)
    where = document(propose(part, paper, space=PAPER))["where"]
    feasible = [place for place in where["places"] if place["feasible"]]
    assert where["recommended"] == min(feasible, key=lambda place: place["total_usd"])["where"]
    assert [place["engine"] for place in where["places"]][2:] == ["ray", "lambda"]


def test_a_small_part_of_own_matrices_needs_no_functions(paper: Platform) -> None:
    part = replace(random_job([196] * 102, seed=1), variant="opaque")  # 20,000 elements, 8 cm2: 3.2 GB
    where = document(propose(part, paper, space=PAPER))["where"]
    assert (where["recommended"], where["cloud_needed"]) == ("coordinator", False)
    tight = replace(part, lengths=part.lengths - np.arange(102))  # 102 operators: 126 GB
    held = {place["where"]: place for place in document(propose(tight, paper, space=PAPER))["where"]["places"]}
    assert "GB of matrices" in held["coordinator"]["why"] or held["coordinator"]["feasible"]
