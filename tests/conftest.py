"""What many tests print: a small square part."""

from __future__ import annotations

from pathlib import Path

import pytest
from shapely.geometry import box

from thermal.building import build_from_outline
from thermal.part import Part, write_part
from thermal.process import Process


@pytest.fixture(scope="session")
def square() -> Part:
    """24 x 24 elements in 36 islands of 4 x 4, three layers, windows of 40 ms."""
    process = Process(element_m=2e-4, speed_m_s=0.08, spreading_s=1.0)
    return build_from_outline(box(0, 0, 4.8, 4.8), "square", process, layers=3, island_mm=0.8)


@pytest.fixture(scope="session")
def square_folder(square: Part, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The square, written to a folder."""
    folder = tmp_path_factory.mktemp("parts") / "square"
    write_part(square, folder)
    return folder
