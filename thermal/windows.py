"""The distribution of a layer's windows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BIN_MS = 5.0
BINS_MAX = 40


def window_statistics(windows_ms: NDArray[np.floating]) -> dict[str, Any]:
    """Return smallest, quartiles, mean, largest and a histogram of windows, ms.

    The histogram has bins of 5 ms from 0 on, of a multiple of 5 ms where that would make more than 40; a bin
    holds its lower edge.
    """
    low, lower, median, upper, high = np.percentile(windows_ms, (0, 25, 50, 75, 100)).tolist()
    bin_ms = BIN_MS * max(1, int(np.ceil((high + 1e-9) / (BIN_MS * BINS_MAX))))
    counts = np.bincount(np.floor(windows_ms / bin_ms + 1e-9).astype(np.int64)).tolist()
    return {
        "min": round(low, 6),
        "lower_quartile": round(lower, 6),
        "median": round(median, 6),
        "mean": round(float(windows_ms.mean()), 6),
        "upper_quartile": round(upper, 6),
        "max": round(high, 6),
        "histogram": {"bin_ms": bin_ms, "cells": counts},
    }
