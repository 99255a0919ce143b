from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from thermal.building import build_part
from thermal.part import Part
from thermal.process import Process

# Machines are shared: how long an example takes says nothing about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

GEAR = Path(__file__).parents[2] / "examples" / "gear.stl"


@pytest.fixture(scope="session")
def gear() -> Part:
    """The gear of the examples as the demo prepares it: elements of 0.4 mm, islands of 3.2 mm."""
    return build_part(GEAR, Process(element_m=0.4e-3), island_mm=3.2)


@pytest.fixture(scope="session")
def gear_maps(gear: Part) -> dict[str, NDArray[np.float32]]:
    """First maps of a layer of the gear: at ambient, with camera noise, with heat left on one side."""
    geometry = gear.geometry_of(0)
    ambient = np.full(geometry.elements, gear.process.ambient_K)
    noise = np.random.default_rng(7).normal(0, 3, geometry.elements)
    x, y = geometry.col * 0.4, geometry.row * 0.4
    spot = 60 * np.exp(-((x - x.mean() * 0.6) ** 2 + (y - y.mean() * 0.5) ** 2) / 30)
    return {
        "uniform": ambient.astype(np.float32),
        "noisy": (ambient + noise).astype(np.float32),
        "residual": (ambient + noise + spot).astype(np.float32),
    }
