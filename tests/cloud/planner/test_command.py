"""`cosmic-cloud plan` as its users meet it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloud.commands import app
from cloud.plans import Plan
from cloud.plans.dealings import listed_groups, transition_counts
from cloud.plans.orders import clustered_groups
from cosmic.commands import run
from thermal.part import load_part

Cosmic = Callable[..., tuple[int, str, str]]
STRATEGIES = ["cosmic", "invoke-on-demand", "all-persistent", "all-active", "vm"]
FIELDS = {"strategy", "groups", "functions_per_group", "blocks", "mode", "memory_mb", "precision", "runtime_s",
          "cost_usd_per_layer"}  # fmt: skip


@pytest.fixture
def cosmic(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, square_folder: Path) -> Cosmic:
    """Run `cosmic-cloud plan` on the square; return exit code, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: object) -> tuple[int, str, str]:
        given = ["plan", str(square_folder), "--space", "paper", *(str(word) for word in words)]
        code = run(app, "cosmic-cloud", given)
        out, err = capfd.readouterr()
        return code, out, err

    return call


def document(answer: tuple[int, str, str], code: int = 0) -> dict[str, Any]:
    assert answer[0] == code, answer[2]
    found: dict[str, Any] = json.loads(answer[1])
    return found


def test_the_document_has_the_chosen_plan_beside_every_system(cosmic: Cosmic) -> None:
    found = document(cosmic("--json", "--what-if", "speed_mm_s=200"))
    assert found["feasible"] is True
    assert found["order"] == "smartscan"
    assert list(found["alternatives"]) == STRATEGIES
    for name, one in found["alternatives"].items():
        assert set(one) >= FIELDS
        assert one["strategy"] == name
    chosen = found["chosen"]
    assert chosen == found["alternatives"]["cosmic"]
    assert chosen["blocks"][0] * chosen["blocks"][1] == chosen["functions_per_group"]
    assert chosen["runtime_s"] < found["layer_s"] * 4
    plan = msgspec.convert(chosen["plan"], Plan)
    assert (plan.part, plan.groups) == (found["digest"], chosen["groups"])


def test_chosen_and_alternatives_have_what_programs_are_promised(cosmic: Cosmic) -> None:
    """The fields, by name and kind, that `plan --json` gives at least."""
    found = document(cosmic("--json", "--what-if", "speed_mm_s=200"))
    assert isinstance(found["feasible"], bool)
    for one in (found["chosen"], *found["alternatives"].values()):
        for name in ("groups", "functions_per_group", "memory_mb"):
            assert isinstance(one[name], int), name
        assert len(one["blocks"]) == 2
        assert one["mode"] in {"on_demand", "reuse", "speculative", "persistent"}
        assert one["precision"] in {"float64", "float32"}
        assert one["runtime_s"] > 0
        assert one["cost_usd_per_layer"] > 0
        assert one["functions_per_group"] == one["blocks"][0] * one["blocks"][1]


@pytest.mark.parametrize(("change", "count"), [
    ("speed_mm_s=100:300:3", 3), ("layer_s=1,2", 2), ("memory_mb=1769,10240", 2), ("gb_second=1e-5,2e-5", 2),
    ("precision=float64,float32", 2), ("coordinator_bytes_s=1e8,1e9", 2),
])  # fmt: skip
def test_what_is_varied_gives_a_table_a_document_and_a_picture(
    cosmic: Cosmic, tmp_path: Path, change: str, count: int
) -> None:
    file = tmp_path / "what-if.png"
    found = document(cosmic("--json", "--plot", file, "--what-if", "spreading_s=5", "--what-if", change))
    varied = found["what_if"]
    assert varied["key"] == change.partition("=")[0]
    assert len(varied["points"]) == count
    for point in varied["points"]:
        assert set(point["alternatives"]) == {"cosmic", "vm"}
        assert set(point["alternatives"]["cosmic"]) >= FIELDS
    assert file.read_bytes().startswith(b"\x89PNG")


def test_a_slower_laser_never_costs_deadlines_and_the_layer_takes_its_time(cosmic: Cosmic) -> None:
    found = document(cosmic("--json", "--what-if", "speed_mm_s=100:40000:3"))
    points = found["what_if"]["points"]
    kept = [point["alternatives"]["cosmic"]["feasible"] for point in points]
    assert kept == sorted(kept, reverse=True)
    assert kept[0]
    assert not kept[-1]
    assert [point["layer_s"] for point in points] == sorted((point["layer_s"] for point in points), reverse=True)


def test_orders_of_earlier_prints_are_read_and_give_the_same_plan_again(
    cosmic: Cosmic, capfd: pytest.CaptureFixture[str], square_folder: Path, tmp_path: Path
) -> None:
    run(app, "cosmic-cloud", ["order", str(square_folder), "--json"])
    file = tmp_path / "orders.json"
    file.write_text(capfd.readouterr().out)
    words = ("--json", "--orders", file, "--what-if", "speed_mm_s=200")
    found = document(cosmic(*words))
    assert found == document(cosmic(*words))
    recorded = json.loads(file.read_text())
    transitions = transition_counts([recorded["order"]], 36)
    part = load_part(square_folder)
    assert listed_groups([transitions], 4) == clustered_groups(part, 4, file)
    file.write_text(json.dumps({"order": [0, 0], "layer": 0}))
    code, _, err = cosmic("--orders", file)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "is no order of its layer's cells" in err


def test_a_strategy_can_be_asked_for(cosmic: Cosmic) -> None:
    found = document(cosmic("--json", "--strategy", "vm", "--order", "random", "--what-if", "speed_mm_s=200"))
    assert (found["chosen"]["strategy"], found["order"]) == ("vm", "random")


def test_the_table_names_every_system_and_the_place(cosmic: Cosmic) -> None:
    code, out, _ = cosmic("--what-if", "speed_mm_s=200")
    assert code == 0
    assert all(name in out for name in STRATEGIES)
    (chosen,) = [line for line in out.splitlines() if line.startswith("->")]
    assert "printer" in chosen
    assert "no cloud is needed" in chosen


def test_a_picture_is_drawn(cosmic: Cosmic, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "plans.png"
    assert cosmic("--plot", file, "--what-if", "speed_mm_s=200")[0] == 0
    assert file.read_bytes().startswith(b"\x89PNG")
    code, _, err = cosmic("--plot", tmp_path / "plans.txt", "--what-if", "speed_mm_s=200")
    assert (code, len(err.splitlines())) == (2, 1)


@pytest.mark.parametrize(("words", "said"), [
    (("--budget", "1e-9"), "USD a layer"),
    (("--deadline-ms", "0.01"), "allow a deadline of"),
])  # fmt: skip
def test_limits_nothing_keeps_are_input_and_say_what_would_do(
    cosmic: Cosmic, words: tuple[str, ...], said: str
) -> None:
    answer = cosmic("--json", "--what-if", "speed_mm_s=200", *words)
    found = document(answer, code=2)
    assert found["feasible"] is False
    assert any(said in remedy for remedy in found["remedies"])
    assert len(answer[2].splitlines()) == 1
    assert said in answer[2]


def test_a_layer_printed_too_fast_fails_with_the_speed_that_holds(cosmic: Cosmic) -> None:
    answer = cosmic("--json", "--what-if", "speed_mm_s=40000")
    found = document(answer, code=1)
    assert found["remedies"][0].startswith("print at ")
    assert "ms late" in found["nearest_miss"]
    assert found["nearest_miss"] in answer[2]
    assert found["chosen"]["feasible"] is False
    assert "no plan holds every deadline" in answer[2]


@pytest.mark.parametrize("words", [
    ("--strategy", "best"), ("--objective", "fun"), ("--budget", "-1"), ("--deadline-ms", "0"), ("--order", "x"),
    ("--deadline-ms", "nan"), ("--what-if", "no=1"), ("--profile", "none"), ("--prices", "none.toml"),
    ("--what-if", "speed_mm_s=1:2"), ("--what-if", "speed_mm_s=1:2:1000"), ("--what-if", "precision=float16"),
    ("--what-if", "speed_mm_s=1,2", "--what-if", "memory_mb=512"), ("--what-if", "memory_mb=64"),
    ("--what-if", "speed_mm_s=400", "--what-if", "layer_s=2"), ("--what-if", "gb_second=-1,1"),
    ("--orders", "none.json"), ("--plot", "plans.txt"),
])  # fmt: skip
def test_words_that_mean_nothing_are_refused_in_one_line(cosmic: Cosmic, words: tuple[str, ...]) -> None:
    code, out, err = cosmic(*words)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert " - " in err


def test_a_folder_that_is_no_part_is_refused(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(app, "cosmic-cloud", ["plan", str(tmp_path)]) == 2
    assert len(capfd.readouterr().err.splitlines()) == 1
