"""Random layers for the tests of the thermal model."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from thermal.cells import islands
from thermal.geometry import Geometry
from thermal.inputs import inputs
from thermal.process import Process

INSULATED = Process(top_loss_W_m2K=0, base_loss_W_m2K=0)
# F = 0.35, s = 0.003: two sub-steps, and heat that crosses several elements within a cell.
CREEPING = Process(speed_m_s=0.05)


@st.composite
def masks(draw: st.DrawFn, largest: int = 14) -> NDArray[np.bool_]:
    """Draw an outline as bool[rows, columns]: holes, islands and single elements included."""
    rows, columns = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    density = draw(st.sampled_from([0.4, 0.7, 0.9, 1.0]))
    mask = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random((rows, columns)) < density
    mask[rows // 2, columns // 2] = True
    return mask


def squares(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return row and column of every element of a mask."""
    row, col = np.nonzero(mask)
    return row.astype(np.int32), col.astype(np.int32)


def geometry_of(mask: NDArray[np.bool_], process: Process, side: int = 4) -> Geometry:
    """Return a layer geometry of a mask with square islands."""
    row, col = squares(mask)
    return geometry_with(row, col, islands(row, col, side), process)


def geometry_with(
    row: NDArray[np.int32],
    col: NDArray[np.int32],
    cells: tuple[NDArray[np.int32], ...],
    process: Process,
) -> Geometry:
    """Return a layer geometry of given cells."""
    f, g = inputs(row, col, cells, process)
    lengths = np.array([cell.size for cell in cells], dtype=np.int64)
    return Geometry(0, process.element_m, (0.0, 0.0), row, col, cells, lengths, f, g)


def warm(elements: int, seed: int = 0) -> NDArray[np.float64]:
    """Return some theta, K."""
    return np.random.default_rng(seed).uniform(0, 400, elements)
