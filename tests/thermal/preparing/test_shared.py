from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.thermal.outlines import CREEPING, masks, squares
from thermal.geometry import CutLayer
from thermal.inputs import inputs
from thermal.partitions import islands
from thermal.preparing.shared import SharedInputs
from thermal.process import Process


def cut(mask: NDArray[np.bool_], side: int) -> CutLayer:
    row, col = squares(mask)
    return CutLayer(0.2e-3, (0.0, 0.0), row, col, islands(row, col, side))


@settings(max_examples=30)
@given(masks(), masks(), st.integers(2, 5), st.sampled_from([Process(), CREEPING]))
def test_inputs_shared_between_layers_are_those_of_each_layer_alone(
    one: NDArray[np.bool_], other: NDArray[np.bool_], side: int, process: Process
) -> None:
    shared = SharedInputs(process)
    for mask in (one, other, one):
        layer = cut(mask, side)
        f, g = inputs(layer.row, layer.col, layer.cells, process)
        geometry = shared.geometry(layer, 0)
        assert np.array_equal(geometry.inputs.toarray(), f.toarray())
        assert np.allclose(geometry.g, g, rtol=1e-13, atol=0)


def test_a_surrounding_met_before_is_not_computed_again() -> None:
    computed: list[int] = []
    shared = SharedInputs(Process())
    mask = np.ones((140, 140), dtype=np.bool_)
    for _ in range(2):
        mask = mask.copy()
        shared.geometry(cut(mask, 10), 0, lambda _done, total: computed.append(total))
        mask[130:, 130:] = False  # only what lies within reach of the corner changes
    first, second = computed[0], computed[-1]
    assert first < 140 * 140 // 100
    assert second < first / 2
