"""The step matrix A: diffusion and losses of one sub-step, without input.

`theta` is the temperature above ambient, kelvin.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array

from thermal.grid import laplacian
from thermal.process import Process


def times(A: csr_array[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `A x`, a new float64 array of the shape of `x`."""
    product: NDArray[np.float64] = np.asarray(A @ x)
    return product


def step_matrix(row: NDArray[np.int32], col: NDArray[np.int32], process: Process) -> csr_array[np.float64]:
    """Return `A = I - (F L + s I) / m` of one sub-step: csr float64[n, n], symmetric, no entry negative.

    One step of the model is `process.substeps` (m) products with it (design: thermal.md, Step).

    Args:
        row: int32[n], grid row of every element.
        col: int32[n], grid column of every element.
        process: gives F, s and m.
    """
    parts = process.substeps
    kept = eye_array(row.size, format="csr") * (1.0 - process.loss / parts)
    matrix = csr_array(kept - laplacian(row, col) * (process.fourier / parts))
    matrix.sort_indices()
    return matrix
