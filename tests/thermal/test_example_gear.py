from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.thermal.conftest import GEAR
from thermal.solid import Solid, read_solid


def area_cm2(solid: Solid) -> float:
    return float(solid.mesh.volume) / solid.height_mm / 100


def test_the_script_makes_the_gear_that_is_committed(tmp_path: Path) -> None:
    made = tmp_path / "gear.stl"
    subprocess.run(
        [sys.executable, str(GEAR.with_name("make_gear.py")), str(made)],
        check=True, capture_output=True, env={"PYTHONPATH": str(GEAR.parents[1])},
    )  # fmt: skip
    new, kept = read_solid(made), read_solid(GEAR)
    assert area_cm2(new) == pytest.approx(area_cm2(kept), rel=1e-6)
    assert new.bounds_mm == pytest.approx(kept.bounds_mm, abs=1e-5)


def test_the_gear_is_watertight_small_and_of_4_cm2() -> None:
    solid = read_solid(GEAR)
    assert solid.mesh.is_watertight
    assert solid.mesh.is_winding_consistent
    assert area_cm2(solid) == pytest.approx(4.0, rel=0.001)
    assert solid.height_mm == pytest.approx(2.0)
    assert GEAR.stat().st_size < 300_000
