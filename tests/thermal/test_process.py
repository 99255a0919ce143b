from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from cosmic.errors import ConfigurationError, ProcessError
from thermal.process import RANGES, SUBSTEPS_MAX, Process, with_element
from thermal.processfile import read_process


def test_defaults_give_the_numbers_of_the_design() -> None:
    process = Process()
    assert process.step_s == pytest.approx(0.25e-3)
    assert process.diffusivity == pytest.approx(3.4957e-6, rel=1e-4)
    assert process.fourier == pytest.approx(0.021848, rel=1e-4)
    assert process.loss == pytest.approx(1.9072e-4, rel=1e-4)
    assert process.rise_K == pytest.approx(94.648, rel=1e-4)
    assert process.substeps == 1
    assert process.layer_m == 50e-6
    assert process.spreading_s == 15


def test_a_cell_of_160_elements_lasts_40_ms() -> None:
    assert 160 * Process().step_s == pytest.approx(0.040)


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("end", [0, 1])
def test_a_value_outside_its_physical_range_is_refused_by_name(name: str, end: int) -> None:
    bound = RANGES[name][end]
    beyond = bound * 1.01 if end else bound - 0.01 * abs(bound) - 1e-9
    with pytest.raises(ProcessError) as refused:
        msgspec.structs.replace(Process(), **{name: beyond})
    assert name in refused.value.what
    assert f"{bound:g}" in refused.value.why
    assert refused.value.remedy
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ProcessError, match="speed_m_s"):
        Process(speed_m_s=value)


def test_ambient_must_be_below_the_melting_point() -> None:
    with pytest.raises(ProcessError, match="ambient_K"):
        Process(ambient_K=700, melt_K=600)


def test_substeps_are_the_fewest_that_keep_a_step_positive() -> None:
    process = Process(speed_m_s=0.01)
    unstable = 4 * process.fourier + process.loss
    assert process.substeps == math.ceil(unstable) > 1
    assert unstable / process.substeps <= 1


def test_more_than_64_substeps_are_refused_with_the_names_that_cause_them() -> None:
    with pytest.raises(ProcessError) as refused:
        Process(speed_m_s=0.001, conductivity_W_mK=400)
    assert all(name in refused.value.what for name in ("conductivity_W_mK", "speed_m_s", "element_m", "depth_m"))
    assert str(SUBSTEPS_MAX) in refused.value.why


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError, match="power"):
        msgspec.convert({"power": 200}, Process)


def test_another_element_changes_the_hatch_too() -> None:
    process = with_element(Process(), 0.4)
    assert process.element_m == 0.4e-3
    assert process.step_s == pytest.approx(0.5e-3)


def test_a_file_and_single_changes_make_a_process(tmp_path: Path) -> None:
    file = tmp_path / "steel.toml"
    file.write_text("power_W = 280\nspeed_m_s = 1.2\n")
    assert read_process(file, ["speed_m_s=0.6"]) == Process(power_W=280, speed_m_s=0.6)


def test_an_unknown_key_names_the_nearest_known_one(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="did you mean power_W"):
        read_process(None, ["power=280"])
    file = tmp_path / "steel.toml"
    file.write_text("speed = 1.2\n")
    with pytest.raises(ConfigurationError, match="did you mean speed_m_s"):
        read_process(file)


def test_a_change_that_is_no_number_or_out_of_range_is_refused() -> None:
    with pytest.raises(ProcessError, match="not a number"):
        read_process(None, ["power_W=much"])
    with pytest.raises(ProcessError, match="power_W = -5"):
        read_process(None, ["power_W=-5"])
