"""A part of two geometries with dense operators beside it, and coordinators on ports of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from shapely.geometry import box

from tests.cloud.printer import Running, start
from thermal.building import build_from_outline
from thermal.operators import write_blocks
from thermal.part import Part, make_part, write_part
from thermal.process import Process

BLOCKS = [(1, 1), (4, 1), (2, 2)]


@pytest.fixture(scope="session")
def part(tmp_path_factory: pytest.TempPathFactory) -> Part:
    """Layers 0 and 1: 30 x 30 elements in islands of 5 x 5; layer 2: 17 x 13, with smaller islands at the edge."""
    large = build_from_outline(box(0, 0, 6.0, 6.0), "large", Process(), island_mm=1.0)
    small = build_from_outline(box(0, 0, 3.4, 2.6), "small", Process(), island_mm=1.0)
    geometries = [large.geometries[0], replace(small.geometries[0], number=1)]
    made = make_part("plate", large.process, geometries, [0, 0, 1], cells=large.manifest.cells)
    folder = tmp_path_factory.mktemp("cloud") / "parts" / "plate"
    written = write_part(made, folder)
    for geometry in written.geometries:
        for blocks in BLOCKS:
            write_blocks(folder, written.digest, geometry, written.process, blocks=blocks)
    return written


@pytest.fixture(scope="session")
def parts_directory(part: Part) -> Path:
    """The folder of part folders."""
    assert part.folder is not None
    return part.folder.parent


@pytest.fixture(scope="session")
def map_K(part: Part) -> NDArray[np.float32]:
    """A first map of layer 0, float32[n], kelvin: warm in one corner, with some noise."""
    return a_map(part, 0, seed=1)


def a_map(part: Part, layer: int, seed: int) -> NDArray[np.float32]:
    """Return a first map of a layer, float32[n], kelvin."""
    geometry = part.geometry_of(layer)
    noise = np.random.default_rng(seed).normal(0.0, 5.0, geometry.elements)
    warm = 80.0 * np.exp(-(geometry.row**2 + geometry.col**2) / 100.0)
    return (330.0 + warm + noise).astype(np.float32)


@pytest.fixture
async def coordinator(parts_directory: Path, tmp_path: Path) -> AsyncIterator[Running]:
    """A coordinator with the inline engine."""
    async with start(parts_directory, tmp_path) as running:
        yield running
