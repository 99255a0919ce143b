"""Profiles, prices and changes to try out: what is shipped, and what bad input is told."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from cloud.planner.model import Model
from cloud.planner.platform import Platform, read_platform
from cloud.planner.search import search
from cloud.planner.spaces import PAPER
from cosmic.errors import ConfigurationError
from tests.cloud.planner.conftest import job_like_gear

SHAPES = """
[[product]]
rows = 1000
columns = 12000
precision = "float64"
median_ms = 2.0
[[product]]
rows = 4000
columns = 12000
precision = "float64"
median_ms = 6.0
"""


def shipped_profile() -> str:
    return resources.files("cloud.simulation").joinpath("paper.toml").read_text()


def test_the_papers_92_gb_follow_from_the_shipped_prices(paper: Platform) -> None:
    """papers/cosmic.txt, appendix A: 10 GB x price of a Lambda GB-s over price of a VM GB-s."""
    vm_gb_second = 0.334 / 3600 / 64
    assert paper.break_even_gb == pytest.approx(10 * 0.0000133334 / vm_gb_second)
    assert round(paper.break_even_gb) == 92


def test_appendix_a_tells_when_functions_are_cheaper_than_machines(paper: Platform) -> None:
    """`n m > t/(t+15) N_p 92 GB`, from the two costs of a layer rather than from the formula."""
    t, workers = 10.0, 16
    for held_gb in (300.0, 1_500.0):
        machines = held_gb * (t + 15) * paper.machine.machine_hour / 3600 / paper.machine.machine_gb
        functions = workers * 10 * t * paper.function.gb_second
        assert (machines > functions) == (held_gb > t / (t + 15) * workers * paper.break_even_gb)


def test_every_setting_has_unit_and_source() -> None:
    rows = tomllib.loads(resources.files("cloud.planner").joinpath("settings.toml").read_text())
    for name, row in rows.items():
        assert set(row) == {"value", "unit", "source"}, name
        assert row["source"], name


def test_every_price_has_a_date_and_a_source(paper: Platform) -> None:
    for price in (paper.function, paper.machine, paper.coordinator):
        assert price.dated
        assert price.source


def test_measured_shapes_are_interpolated(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(shipped_profile() + SHAPES)
    platform, _ = read_platform(str(file))
    rows, columns = np.array([1000, 2000, 4000, 8000, 100_000]), np.full(5, 12_000)
    found = 1e3 * platform.product_s(rows, columns, "float64", 10_240)
    assert found[:4] == pytest.approx([2.0, 12**0.5, 6.0, 12.0])
    assert np.isnan(found[4])
    assert np.isnan(platform.product_s(rows, columns, "float32", 10_240)).all()
    assert platform.product_s(rows[:1], columns[:1], "float64", 5_120)[0] == pytest.approx(4e-3)


def test_a_profile_without_the_jobs_shapes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(shipped_profile() + SHAPES.replace("float64", "float32"))
    platform, _ = read_platform(str(file))
    with pytest.raises(ConfigurationError, match="no product times for float64 blocks"):
        search(Model(job_like_gear(), platform), PAPER)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("speed=600", "'speed' is not known"),
        ("speed_mm_s=fast", "is not a change"),
        ("speed_mm_s", "is not a change"),
        ("speed_mm_s=-1", "is not possible"),
        ("gb_second=-1", "is not possible"),
        ("gb_second=0", "is nothing"),
        ("accuracy=1.5", "is not possible"),
        ("draws=0", "is not possible"),
        ("invocation_median_ms=1", "is not possible"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(change: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_platform(changes=[change])
    assert caught.value.exit_code == 2
    assert caught.value.remedy or said == "is nothing"


def test_changes_reach_profile_prices_settings_and_job() -> None:
    platform, job = read_platform(
        changes=["coordinator_bytes_s=1e9", "gb_second=2e-5", "machine_hour=1", "draws=10", "speed_mm_s=600"]
    )
    assert platform.profile.coordinator_bytes_s == 1e9
    assert platform.function.gb_second == 2e-5
    assert platform.machine.machine_hour == 1
    assert platform.settings.draws == 10
    assert job == {"speed_mm_s": 600.0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("price = 3", "prices are wrong"),
        ("[[price]]\nname = 'lambda-arm64'\ndated = ''\nsource = ''\ngb_second = -1.0", "prices are wrong"),
        ("price = [", "is not TOML"),
        ("price = []", "there is no price 'lambda-arm64'"),
    ],
)
def test_prices_that_cannot_be_used_are_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        read_platform(prices=file)


def test_files_that_are_missing_or_wrong_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_platform(str(tmp_path / "none.toml"))
    with pytest.raises(ConfigurationError, match="there is no profile 'unknown'"):
        read_platform("unknown")
    (tmp_path / "bad.toml").write_text(shipped_profile().replace("billing_step_ms = 1.0", "billing_step_ms = -1.0"))
    with pytest.raises(ConfigurationError, match="the profile is wrong"):
        read_platform(str(tmp_path / "bad.toml"))
