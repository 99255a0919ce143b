"""Counts become the temperature that made them, whatever emissivity, surroundings and window are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.capture.mapping import make_law
from agent.capture.radiometry import Linear, Planck, Surroundings, counts_of, make_calibration
from agent.capture_settings import CalibrationSettings
from cosmic.errors import ConfigurationError

laws = st.one_of(
    st.builds(Planck, R=st.floats(1e4, 1e6), B=st.floats(1200, 1600), F=st.floats(0.5, 2), O=st.floats(-8000, 0)),
    st.builds(Linear, scale_K=st.sampled_from([0.01, 0.04, 0.1, 0.4]), offset_K=st.floats(-50, 50),
              wavelength_um=st.floats(3, 14)),
)  # fmt: skip
around = st.builds(
    Surroundings, reflected_K=st.floats(280, 400), transmission=st.floats(0.5, 1), window_K=st.floats(280, 350)
)


@settings(max_examples=100, deadline=None)
@given(laws, around, st.lists(st.floats(300, 1700), min_size=1, max_size=20), st.floats(0.2, 1.0))
def test_counts_of_a_temperature_give_it_back(
    law: Planck | Linear, around: Surroundings, kelvin: list[float], emissivity: float
) -> None:
    true = np.array(kelvin)
    counts = counts_of(law, true, emissivity, around).astype(np.float32)
    calibration = make_calibration(law, np.full(true.size, emissivity), around)
    assert np.abs(calibration.kelvin(counts) - true).max() < 0.5  # float32 counts, weak signals included


def test_powder_and_metal_of_one_temperature_get_one_temperature() -> None:
    law, here = Planck(R=2e5, B=1430.0, F=1.0, O=-500.0), Surroundings(310.0, 0.9, 300.0)
    emissivity = np.array([0.35, 0.6])
    counts = counts_of(law, np.array([650.0, 650.0]), emissivity, here)
    assert counts[1] - counts[0] > 1000
    found = make_calibration(law, emissivity, here).kelvin(counts.astype(np.float32))
    assert found == pytest.approx([650.0, 650.0], abs=0.05)


def test_temperature_linear_counts_are_scaled_and_nothing_else() -> None:
    calibration = make_calibration(Linear(0.04, 0.0, 10.0), np.ones(2), Surroundings(293.0, 1.0, 293.0))
    assert calibration.kelvin(np.array([7325, 25000], dtype=np.float32)) == pytest.approx([293.0, 1000.0])


def test_planck_without_its_constants_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="planck_R and planck_B_K"):
        make_law(CalibrationSettings(law="planck"))
