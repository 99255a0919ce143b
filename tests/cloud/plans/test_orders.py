"""Clustered dealing by a setting: from recorded orders or predicted ones, the same every time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloud.configuration import EngineSettings
from cloud.engines.choosing import plan_of
from cloud.plans.dealings import listed_groups, transition_counts
from cosmic.errors import EngineError
from thermal.part import Part


def test_a_setting_deals_cells_by_recorded_orders(square: Part, tmp_path: Path) -> None:
    orders = [list(range(36)), list(range(35, -1, -1))]
    file = tmp_path / "orders.jsonl"
    file.write_text(
        "".join(json.dumps({"order": one, "layer": 0, "digest": square.digest}) + "\n" for one in orders)
    )
    settings = EngineSettings(name="simulated", groups=4, dealing="clustered", orders=str(file))
    plan = plan_of(square, settings)
    assert plan.listed == listed_groups([transition_counts(orders, 36)], 4)
    assert plan == plan_of(square, settings)


def test_without_a_file_orders_are_predicted_and_the_plan_is_the_same_again(square: Part) -> None:
    settings = EngineSettings(name="simulated", groups=6, dealing="clustered")
    plan = plan_of(square, settings)
    assert plan == plan_of(square, settings)
    assert plan.listed is not None
    assert sorted(cell for group in plan.listed[0] for cell in group) == list(range(36))


@pytest.mark.parametrize("text", ["{}", "[1]", '{"order": [0, 99], "layer": 0}', '{"order": [0], "layer": 9}',
                                  '{"order": [0], "layer": 0, "digest": "x"}', "\x00"])  # fmt: skip
def test_orders_that_cannot_be_used_are_named(square: Part, tmp_path: Path, text: str) -> None:
    file = tmp_path / "orders.json"
    file.write_text(text)
    with pytest.raises(EngineError) as error:
        plan_of(square, EngineSettings(name="local", groups=2, dealing="clustered", orders=str(file)))
    assert str(file) in error.value.where
