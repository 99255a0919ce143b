"""`cosmic-cloud profile`: what is measured is what is there, on a modelled platform and on real processes."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cloud.bills import price_of
from cloud.commands import app
from cloud.planner import read_platform
from cloud.profiling.estimate import profile_bill
from cloud.profiling.measuring import Effort
from cloud.profiling.parts import square_part
from cloud.simulation.profile import read_profile
from cosmic.commands import run

Cosmic = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cosmic(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cosmic:
    """Run `cosmic-cloud profile`; return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> tuple[int, str, str]:
        code = run(app, "cosmic-cloud", ["profile", *(str(word) for word in words)])
        out, err = capfd.readouterr()
        return code, out, err

    return call


def document(answer: tuple[int, str, str]) -> dict[str, Any]:
    assert answer[0] == 0, answer[2]
    found: dict[str, Any] = json.loads(answer[1])
    return found


def test_a_modelled_platform_is_found_to_be_what_its_profile_says(cosmic: Cosmic, tmp_path: Path) -> None:
    """The paper's figures go in as the model's, and have to come out of the measurement."""
    found = document(cosmic("--engine", "simulated", "--json", "--samples", 300, "--width", 0.01))
    paper, measured = read_profile("paper"), read_profile(str(tmp_path / "simulated.toml"))
    for name, most in (
        ("invocation_median_ms", 0.03), ("invocation_p90_ms", 0.06), ("one_way_ms", 0.1), ("worker_bytes_s", 0.1),
        ("product_bytes_s", 0.03), ("product_p90_factor", 0.03), ("cold_start_ms", 0.02), ("load_bytes_s", 0.05),
    ):  # fmt: skip
        assert getattr(measured, name) == pytest.approx(getattr(paper, name), rel=most), name
        row = found["values"][name]
        assert row["low"] <= row["value"] <= row["high"]
    assert measured.cold_idle_s[:2] == (1.0, 5.0)
    assert measured.cold_idle_s[2:] == paper.cold_idle_s[2:]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile of processes of this machine, as quick as can be."""
    file = tmp_path_factory.mktemp("profile") / "local.toml"
    words = ["profile", "--engine", "local", "--area", "0.8", "--samples", "12", "--workers", "2", "-o", str(file)]
    assert run(app, "cosmic-cloud", words) == 0
    return file


def test_every_value_has_a_date_a_source_and_its_spread(local: Path) -> None:
    text = local.read_text()
    values = tomllib.loads(text)
    assert values["measured"]["engine"] == "local"
    assert values["measured"]["dated"].startswith("20")
    lines = text.splitlines()
    for number, line in enumerate(lines[: lines.index("[measured]")]):
        if " = " in line:
            assert lines[number - 1].startswith("# ")
    names = {row["name"] for row in values["value"]}
    assert {"invocation_median_ms", "message_ms", "one_way_ms", "product_bytes_s", "load_bytes_s"} <= names
    assert all(row["samples"] >= 2 and row["source"] for row in values["value"])
    assert {row["precision"] for row in values["product"]} == {"float64", "float32"}
    assert [row["workers"] for row in values["crowd"]] == [1, 2]
    assert len(values["operator"]) == 3 * len(values["control"])


def test_planner_and_simulated_engine_read_what_was_measured(local: Path) -> None:
    platform, _ = read_platform(str(local))
    values = tomllib.loads(local.read_text())
    last = [row for row in values["product"] if row["precision"] == "float64"][-1]
    rows, columns = np.array([last["rows"]]), np.array([last["columns"]])
    for memory_mb in (512, 10_240):  # processes have processors whatever their memory
        found = platform.product_s(rows, columns, "float64", memory_mb)
        assert found[0] == pytest.approx(last["median_ms"] / 1e3, rel=1e-6)
    assert platform.control_s(values["control"][0]["elements"]) == pytest.approx(
        values["control"][0]["median_ms"] / 1e3
    )
    assert platform.crowding(np.array([1]))[0] >= 1.0
    assert platform.function.gb_second == pytest.approx(1.232 / 3600 / 128)
    assert read_profile(str(local)).name == "local"


def test_the_operator_is_measured_inline(cosmic: Cosmic, tmp_path: Path) -> None:
    document(cosmic("--engine", "inline", "--samples", 10, "--json", "-o", tmp_path / "mine.toml"))
    platform, _ = read_platform(str(tmp_path / "mine.toml"))
    rows = platform.extra.operator
    assert {row.length for row in rows} == {49, 98, 196}
    at = rows[-1]
    found = platform.operator_s(at.elements, np.array([at.length, at.length // 2]))
    assert found[0] == pytest.approx(at.median_ms / 1e3)
    assert platform.operator_s(2 * at.elements, np.array([at.length])) == pytest.approx(2 * found[0])


def test_the_part_has_one_operator_a_size() -> None:
    part = square_part(2.0)
    assert [len(geometry.distinct_lengths) for geometry in part.geometries] == [1] * len(part.geometries)
    sizes = [geometry.elements for geometry in part.geometries]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] <= 5000


def test_the_bill_is_that_of_the_most_samples() -> None:
    price = price_of("lambda-arm64")
    few, many = (
        profile_bill(
            price,
            functions=4,
            memory_mb=10_240,
            sizes=4,
            load_s=3.0,
            effort=Effort(samples_max=count),
            other_usd=0.01,
        )
        for count in (10, 100)
    )
    assert 0.01 < few.usd < many.usd
    expected = few.gb_seconds * price.gb_second + few.requests * price.request + 0.01
    assert few.usd == pytest.approx(expected)


@pytest.mark.parametrize("words", [
    ("--engine", "cloud"), ("--engine", "local", "--precision", "float16"),
    ("--engine", "simulated", "--idle", "x"),
    ("--engine", "simulated", "--idle", "-1"), ("--engine", "local", "-o", "mine.json"),
    ("--engine", "inline", "-o", "/nowhere/mine.toml"), ("--engine", "inline", "--base", "unknown"),
])  # fmt: skip
def test_words_that_mean_nothing_are_refused_before_anything_is_measured(
    cosmic: Cosmic, words: tuple[str, ...]
) -> None:
    code, out, err = cosmic(*words)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
