from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmic.errors import UsageError
from thermal.speculation import contiguous_groups


@given(st.integers(1, 2000), st.data())
def test_groups_hold_neighbours_and_differ_by_one_cell_at_most(cells: int, data: st.DataObject) -> None:
    groups = data.draw(st.integers(1, cells))
    group = contiguous_groups(cells, groups)
    sizes = np.bincount(group)
    assert group.size == cells
    assert sizes.size == groups
    assert np.all(np.diff(group) >= 0)
    assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("groups", [0, 7])
def test_empty_groups_are_refused(groups: int) -> None:
    with pytest.raises(UsageError, match="6 cells"):
        contiguous_groups(6, groups)
