"""Plans, names of functions, dealings of cells, and the comparison systems."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.plans import FunctionId, Plan, group_of_cells, parse_function_name
from cloud.plans.dealings import clustered, contiguous, groups_of, round_robin, transition_counts
from cloud.plans.strategies import comparison_plan
from cosmic.errors import ConfigurationError
from thermal.part import Part


def test_name_of_a_function_can_be_read_back() -> None:
    function = FunctionId(12, 0, 3)
    assert function.name("gear-16") == "cosmic-gear-16-g12-0-3"
    assert parse_function_name("cosmic-gear-16-g12-0-3") == ("gear-16", function)
    with pytest.raises(ConfigurationError, match="not the name of a function of ours"):
        parse_function_name("cosmic-gear-16")


def test_plan_survives_being_written_and_read() -> None:
    plan = Plan(part="0" * 64, groups=2, dealing="listed", listed=(((0, 2), (1,)),), mode="speculative", rows=2)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan
    assert [str(function) for function in plan.functions] == ["g0-0-0", "g0-1-0", "g1-0-0", "g1-1-0"]


@pytest.mark.parametrize(
    "changes",
    [{"dealing": "clustered"}, {"groups": 3, "dealing": "listed", "listed": [[[0], [1]]]}, {"memory_mb": 1}],
)
def test_plan_that_contradicts_itself_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"part": "0" * 64, **changes}, Plan)


def test_plan_of_more_functions_than_any_platform_has_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="are 200000 functions, more than 100000"):
        msgspec.json.decode(b'{"part": "a", "groups": 1000, "rows": 20, "columns": 10}', type=Plan)


@given(cells=st.integers(1, 60), groups=st.integers(1, 12), seed=st.integers(0, 99))
def test_every_dealing_gives_each_cell_one_group_and_groups_of_equal_size(
    cells: int, groups: int, seed: int
) -> None:
    counts = np.random.default_rng(seed).integers(0, 5, (cells, cells))
    for dealt in (contiguous(cells, groups), round_robin(cells, groups), clustered(counts, groups)):
        assert len(dealt) == groups
        assert len(group_of_cells(dealt, cells)) == cells
        sizes = [len(group) for group in dealt]
        assert max(sizes) - min(sizes) <= 1


def test_clustered_puts_cells_that_follow_each_other_together() -> None:
    orders = [[0, 3, 1, 4, 2, 5], [3, 0, 4, 1, 5, 2]]
    counts = transition_counts(orders, 6)
    assert counts[0, 3] == counts[3, 0] == 1
    together = clustered(transition_counts([[0, 3, 0, 3], [1, 4, 1, 4], [2, 5, 2, 5]], 6), 3)
    assert sorted(together) == [(0, 3), (1, 4), (2, 5)]
    assert counts.sum() == 10


def test_groups_that_do_not_fit_the_geometry_are_refused() -> None:
    plan = Plan(part="0" * 64, groups=2, dealing="listed", listed=(((0, 2), (1, 2)),))
    with pytest.raises(ConfigurationError, match="cell 2 is in two groups"):
        groups_of(plan, 0, 3)
    with pytest.raises(ConfigurationError, match="geometry 1 has no groups"):
        groups_of(plan, 1, 3)
    with pytest.raises(ConfigurationError, match="cell 1 is in no group"):
        group_of_cells([[0], [2]], 3)
    with pytest.raises(ConfigurationError, match="cell 9 does not exist"):
        group_of_cells([[0], [9]], 3)


def test_comparison_systems_are_points_of_the_same_space(part: Part) -> None:
    on_demand = comparison_plan("invoke-on-demand", part, rows=2)
    assert (on_demand.groups, on_demand.mode, on_demand.functions_per_group) == (36, "on_demand", 2)
    all_active = comparison_plan("all-active", part, rows=2, columns=2)
    assert (all_active.groups, all_active.mode, all_active.always_on) == (1, "persistent", False)
    assert comparison_plan("vm", part).always_on
    persistent = comparison_plan("all-persistent", part, rows=1, memory_mb=128)
    assert (persistent.groups, persistent.mode) == (1, "persistent")
    with pytest.raises(ConfigurationError, match="there is no strategy 'best'"):
        comparison_plan("best", part)
