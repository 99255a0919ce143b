"""Plans in files, as the planner prints them and as users bring them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cloud.plans import Plan
from cloud.plans.files import read_plan
from cosmic.errors import UsageError

PLAN = Plan(part="0" * 64, engine="lambda", groups=3, mode="speculative")


@pytest.mark.parametrize("document", [PLAN, {"part": "gear", "chosen": {"strategy": "cosmic", "plan": PLAN}}])
def test_plan_is_read_alone_and_out_of_what_the_planner_printed(tmp_path: Path, document: object) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(msgspec.json.encode(document))
    assert read_plan(file) == PLAN


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is no plan"),
        (b"\xff\xfe", "is no plan"),
        (b"[" * 100_000, "is no plan"),
        (b'{"part": "x", "groups": 0}', "groups"),
        (b'{"chosen": {"strategy": "cosmic", "feasible": false}}', "no plan was found feasible"),
        (b'{"chosen": 3}', "no plan was found feasible"),
    ],
)
def test_what_is_no_plan_is_named(tmp_path: Path, content: bytes, what: str) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=what) as error:
        read_plan(file)
    assert error.value.where == str(file)
    assert error.value.remedy


def test_file_that_is_not_there_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no plan") as error:
        read_plan(tmp_path / "absent.json")
    assert "cosmic-cloud plan" in error.value.remedy
