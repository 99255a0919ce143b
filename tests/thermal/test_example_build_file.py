from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.thermal.conftest import GEAR
from thermal.building import HatchesUsed, build_part
from thermal.process import Process

ISLANDS = GEAR.with_name("islands.cli")


def test_the_script_makes_the_build_file_that_is_committed(tmp_path: Path) -> None:
    made = tmp_path / "islands.cli"
    subprocess.run(
        [sys.executable, str(GEAR.with_name("make_build_file.py")), str(made)], check=True, capture_output=True
    )
    assert made.read_bytes() == ISLANDS.read_bytes()


def test_its_islands_are_its_cells() -> None:
    part = build_part(ISLANDS, Process(element_m=0.25e-3), cells=HatchesUsed())
    assert part.layers == 2
    assert part.manifest.layers == (0, 1)  # the hatches turn from layer to layer
    geometry = part.geometry_of(0)
    assert len(geometry.cells) == 32
    assert sum(cell.size == 100 for cell in geometry.cells) > 20
