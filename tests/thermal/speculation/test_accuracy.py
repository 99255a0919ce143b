from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cosmic.errors import UsageError
from thermal.part import Part
from thermal.speculation import PREDICTORS, measure_accuracy


@pytest.mark.parametrize("kind", ["uniform", "residual"])
def test_the_shortlist_is_right_far_more_often_than_the_guess_of_the_paper(
    gear: Part, gear_maps: dict[str, NDArray[np.float32]], kind: str
) -> None:
    found = {each.predictor: each for each in measure_accuracy(gear, 0, gear_maps[kind], groups=25)}
    assert set(found) == set(PREDICTORS)
    assert found["shortlist"].groups_right >= 0.95
    assert found["shortlist"].groups_right >= found["input-only"].groups_right
    assert found["input-only"].best_two_groups >= 0.9
    for each in found.values():
        assert each.cells_right <= each.groups_right <= each.best_two_groups <= 1
        assert each.cells_right <= each.best_two_cells
        assert each.cost_ratio > 0


def test_one_group_is_always_right(gear: Part, gear_maps: dict[str, NDArray[np.float32]]) -> None:
    (only,) = measure_accuracy(gear, 0, gear_maps["uniform"], groups=1, predictors=["input-only"])
    assert only.groups_right == 1


def test_more_groups_than_cells_are_refused(gear: Part, gear_maps: dict[str, NDArray[np.float32]]) -> None:
    with pytest.raises(UsageError, match="groups"):
        measure_accuracy(gear, 0, gear_maps["uniform"], groups=1000)
