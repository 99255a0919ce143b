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
from cosmic.commands import run

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


def test_a_strategy_can_be_asked_for(cosmic: Cosmic) -> None:
    found = document(cosmic("--json", "--strategy", "vm", "--order", "random", "--what-if", "speed_mm_s=200"))
    assert (found["chosen"]["strategy"], found["order"]) == ("vm", "random")


def test_the_table_names_every_system_and_the_place(cosmic: Cosmic) -> None:
    code, out, _ = cosmic("--what-if", "speed_mm_s=200")
    assert code == 0
    assert all(name in out for name in STRATEGIES)
    assert "where to compute: printer - no cloud is needed" in out


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
    assert found["chosen"]["feasible"] is False
    assert "no plan holds every deadline" in answer[2]


@pytest.mark.parametrize("words", [
    ("--strategy", "best"), ("--objective", "fun"), ("--budget", "-1"), ("--deadline-ms", "0"), ("--order", "x"),
    ("--deadline-ms", "nan"), ("--what-if", "no=1"), ("--profile", "none"), ("--prices", "none.toml"),
])  # fmt: skip
def test_words_that_mean_nothing_are_refused_in_one_line(cosmic: Cosmic, words: tuple[str, ...]) -> None:
    code, out, err = cosmic(*words)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert " - " in err


def test_a_folder_that_is_no_part_is_refused(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(app, "cosmic-cloud", ["plan", str(tmp_path)]) == 2
    assert len(capfd.readouterr().err.splitlines()) == 1
