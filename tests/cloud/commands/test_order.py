"""`cosmic-cloud order`: rules, speculation and one's own matrices, as users meet them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from cloud.commands import order
from cosmic.commands import run
from thermal.operators import Steps
from thermal.part import Part

Cosmic = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cosmic(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cosmic:
    """Run a command line; return exit code, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer()
    app.command("order")(order.order)
    app.callback()(lambda: None)

    def call(*words: object) -> tuple[int, str, str]:
        code = run(app, "cosmic-cloud", ["order", *(str(word) for word in words)])
        out, err = capfd.readouterr()
        return code, out, err

    return call


def document(answer: tuple[int, str, str]) -> dict[str, Any]:
    code, out, err = answer
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.fixture
def matrices(square: Part, tmp_path: Path) -> Path:
    """The model's own matrices, as if they came from elsewhere."""
    geometry = square.geometry_of(0)
    steps = Steps(geometry, square.process)
    folder = tmp_path / "mine"
    folder.mkdir()
    for length in geometry.distinct_lengths:
        columns = [steps.apply(length, e) for e in np.eye(geometry.elements)]
        np.save(folder / f"length-{length}.npy", np.stack(columns, axis=1))
    return folder


def test_the_propagated_rule_orders_every_cell(cosmic: Cosmic, square_folder: Path) -> None:
    found = document(cosmic(square_folder, "--rule", "propagated", "--json"))
    assert found["rule"] == "propagated"
    assert sorted(found["order"]) == list(range(36))


def test_an_unknown_rule_is_refused(cosmic: Cosmic, square_folder: Path) -> None:
    code, out, err = cosmic(square_folder, "--rule", "best")
    assert (code, out) == (2, "")
    assert "there is no rule 'best'" in err
    assert "input, propagated" in err


def test_speculation_tells_how_often_each_predictor_is_right(cosmic: Cosmic, square_folder: Path) -> None:
    found = document(cosmic(square_folder, "--speculation", "--groups", 9, "--json"))
    assert (found["groups"], found["cells"]) == (9, 36)
    shares = {each["predictor"]: each for each in found["predictors"]}
    assert {"input-only", "shortlist"} <= set(shares)
    for each in shares.values():
        assert 0 <= each["cells_right"] <= each["groups_right"] <= each["best_two_groups"] <= 1
        assert each["cost_ratio"] > 0
    code, out, _ = cosmic(square_folder, "--speculation", "--groups", 9)
    assert code == 0
    assert "shortlist" in out
    assert "9 groups" in out


@pytest.mark.parametrize("words", [["--groups", 37], ["--groups", 0], ["--rule", "propagated"], ["--printed", "1"]])
def test_speculation_refuses_what_it_cannot_tell(cosmic: Cosmic, square_folder: Path, words: list[object]) -> None:
    code, out, err = cosmic(square_folder, "--speculation", *words)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1


def test_own_matrices_are_imported_and_used_again(
    cosmic: Cosmic, square_folder: Path, matrices: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "part"
    shutil.copytree(square_folder, folder)
    own = document(cosmic(folder, "--json"))
    answer = cosmic(folder, "--matrices", matrices, "--blocks", "2x1", "--json")
    assert "GB to write" in answer[2]
    brought = document(answer)
    assert (brought["operator"], brought["order"]) == ("opaque", own["order"])
    again = document(cosmic(folder, "--operator", "opaque", "--blocks", "2x1", "--json"))
    assert again["order"] == own["order"]


def test_bad_matrices_are_one_line_and_leave_the_part_as_it_was(
    cosmic: Cosmic, square_folder: Path, matrices: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "part"
    shutil.copytree(square_folder, folder)
    file = next(matrices.iterdir())
    np.save(file, 1.5 * np.load(file))
    code, out, err = cosmic(folder, "--operator", "opaque", "--matrices", matrices)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert file.name in err
    assert "lets heat grow: its 2-norm is 1." in err
    assert not (folder / "operators").exists()
    code, _, err = cosmic(folder, "--operator", "opaque")
    assert code == 2
    code, _, err = cosmic(folder, "--operator", "steps", "--matrices", matrices)
    assert code == 2
    assert "--operator opaque" in err
