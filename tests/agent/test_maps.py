"""What a layer starts from when its frame does not come."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.printing import maps as printing_maps
from agent.printing.maps import Maps
from cosmic.errors import CaptureError
from tests.support import virtual_time
from thermal.operators import Polynomial
from thermal.order import cool, predict_map
from thermal.part import Part

ORDER = list(range(36))


class NoCamera:
    """Never gives a frame."""

    async def capture(self, layer: int) -> NDArray[np.float32]:
        raise CaptureError(f"no frame of layer {layer}")


def first_map(part: Part) -> NDArray[np.float32]:
    return np.full(part.geometry_of(0).elements, 400.0, dtype=np.float32)


def test_the_prediction_is_the_layer_below_as_it_was_scanned_and_cooled_while_powder_was_laid(square: Part) -> None:
    async def live() -> None:
        maps = Maps(square, NoCamera(), 1.0)
        maps.printed(0, first_map(square), ORDER)
        found = await maps.take(1)
        operator = Polynomial(square.geometry_of(0), square.process, square.manifest.operator.tolerance)
        hot_K = predict_map(square, 0, first_map(square), ORDER, operator)
        ambient_K = square.process.ambient_K
        theta = cool(square, 0, hot_K.astype(np.float64) - ambient_K, square.process.spreading_s, operator)
        assert found.map_from == "predicted"
        np.testing.assert_allclose(found.map_K, theta + ambient_K, atol=1e-3)
        assert found.map_K.mean() < hot_K.mean(), "it cooled"

    virtual_time.run(live())


def test_where_it_is_made_ahead_it_is_there_before_the_frame_is_missed(
    square: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    real = printing_maps.predicted_map

    def counted(part: Part, printed: printing_maps._Printed, layer: int) -> NDArray[np.float32]:
        begun.append(layer)
        return real(part, printed, layer)

    monkeypatch.setattr(printing_maps, "predicted_map", counted)

    async def live() -> None:
        maps = Maps(square, NoCamera(), 1.0, ahead=True)
        maps.spreading(0)
        assert begun == [], "below the first layer there is nothing"
        maps.printed(0, first_map(square), ORDER)
        maps.spreading(1)
        await asyncio.sleep(1.0)
        assert begun == [1]
        assert (await maps.take(1)).map_from == "predicted"
        assert begun == [1], "made once"
        maps.reconfigure(1.0, "ambient")
        maps.printed(1, first_map(square), ORDER)
        maps.spreading(2)
        assert (await maps.take(2)).map_from == "ambient"
        assert begun == [1]

    virtual_time.run(live())


@pytest.mark.parametrize("layer", [0, 2])
def test_without_the_layer_just_below_it_is_ambient(square: Part, layer: int) -> None:
    async def live() -> None:
        maps = Maps(square, NoCamera(), 1.0, ahead=True)
        maps.printed(0, first_map(square), ORDER)
        found = await maps.take(layer)
        assert found.map_from == "ambient"
        assert (found.map_K == np.float32(square.process.ambient_K)).all()

    virtual_time.run(live())


def test_a_prediction_that_fails_costs_the_prediction_and_nothing_else(
    square: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> NDArray[np.float32]:
        raise ValueError("no operator")

    monkeypatch.setattr(printing_maps, "predicted_map", broken)

    async def live() -> None:
        maps = Maps(square, NoCamera(), 1.0)
        maps.printed(0, first_map(square), ORDER)
        assert (await maps.take(1)).map_from == "ambient"

    virtual_time.run(live())
