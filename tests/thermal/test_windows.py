from __future__ import annotations

import numpy as np
import pytest

from thermal.windows import window_statistics


def test_windows_are_summed_up() -> None:
    found = window_statistics(np.array([10.0, 20.0, 30.0, 40.0, 50.0]))
    assert (found["min"], found["lower_quartile"], found["median"]) == (10, 20, 30)
    assert (found["mean"], found["upper_quartile"], found["max"]) == (30, 40, 50)
    assert found["histogram"] == {"bin_ms": 5.0, "cells": [0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]}


@pytest.mark.parametrize("high_ms", [0.25, 5.0, 49.0, 199.9, 200.0, 3000.0, 60_000.0])
def test_a_histogram_has_every_cell_and_a_bounded_number_of_bins(high_ms: float) -> None:
    windows_ms = np.linspace(high_ms / 100, high_ms, 100)
    histogram = window_statistics(windows_ms)["histogram"]
    assert sum(histogram["cells"]) == 100
    assert len(histogram["cells"]) <= 41
    assert histogram["bin_ms"] % 5 == 0
