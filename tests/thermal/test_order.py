from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cosmic.errors import MapError, PartError, UsageError
from tests.thermal.outlines import warm
from thermal.operators import Dense, Operator, Polynomial, Steps, block_ranges, dense_in_memory
from thermal.order import cool, order_layer, part_operator, predict_map, uniformity_of
from thermal.part import Part

Maps = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="module")
def dense(gear: Part) -> Dense:
    return dense_in_memory(gear.geometry_of(0), gear.process)


def cut(dense: Dense, elements: int, blocks: tuple[int, int]) -> Dense:
    """The same matrices in blocks."""
    rows, columns = block_ranges(elements, blocks[0]), block_ranges(elements, blocks[1])

    def block(length: int, i: int, j: int) -> NDArray[np.floating]:
        return dense._block(length, 0, 0)[slice(*rows[i]), slice(*columns[j])]

    return Dense(elements, block, blocks, "float64")


@pytest.mark.parametrize("kind", ["uniform", "noisy", "residual"])
def test_every_operator_and_every_cut_gives_the_same_order(
    gear: Part, gear_maps: Maps, dense: Dense, kind: str
) -> None:
    geometry, map_K = gear.geometry_of(0), gear_maps[kind]
    reference = order_layer(gear, 0, map_K, Steps(geometry, gear.process))
    others: list[Operator | None] = [None, Polynomial(geometry, gear.process, 1e-11)]
    others += [cut(dense, geometry.elements, blocks) for blocks in ((1, 1), (4, 1), (2, 2), (3, 7))]
    for operator in others:
        other = order_layer(gear, 0, map_K, operator)
        assert other.order == reference.order
        assert other.uniformity == pytest.approx(reference.uniformity, rel=1e-7)


@pytest.mark.parametrize("kind", ["uniform", "noisy", "residual"])
def test_an_order_has_every_cell_once(gear: Part, gear_maps: Maps, kind: str) -> None:
    result = order_layer(gear, 0, gear_maps[kind])
    assert sorted(result.order) == list(range(len(gear.geometry_of(0).cells)))
    assert len(result.uniformity) == len(result.order)


def gains(part: Part, map_K: NDArray[np.float32]) -> tuple[float, float]:
    """Mean R of random (ten seeds) and of sequential orders over that of SmartScan."""
    cells = len(part.geometry_of(0).cells)
    operator = part_operator(part, 0)
    best = np.mean(order_layer(part, 0, map_K, operator).uniformity)
    chance = [
        np.mean(uniformity_of(part, 0, map_K, np.random.default_rng(seed).permutation(cells).tolist(), operator))
        for seed in range(10)
    ]
    in_turn = np.mean(uniformity_of(part, 0, map_K, range(cells), operator))
    return float(np.mean(chance) / best), float(in_turn / best)


@pytest.mark.parametrize(
    ("kind", "over_random", "over_sequential"),
    [("uniform", 1.08, 1.28), ("noisy", 1.08, 1.28), ("residual", 1.2, 1.4)],
)
def test_smartscan_is_more_uniform_than_random_and_sequential(
    gear: Part, gear_maps: Maps, kind: str, over_random: float, over_sequential: float
) -> None:
    random, sequential = gains(gear, gear_maps[kind])
    assert random >= over_random
    assert sequential >= over_sequential


def test_printed_cells_come_first_and_the_rest_follows_from_them(gear: Part, gear_maps: Maps) -> None:
    whole = order_layer(gear, 0, gear_maps["noisy"])
    rejoined = order_layer(gear, 0, gear_maps["noisy"], printed=whole.order[:7])
    assert rejoined.order == whole.order
    deviated = order_layer(gear, 0, gear_maps["noisy"], printed=[5, 40, 12])
    assert deviated.order[:3] == [5, 40, 12]
    assert sorted(deviated.order) == sorted(whole.order)


@pytest.mark.parametrize("printed", [[0, 0], [999], [-1]])
def test_impossible_printed_cells_are_refused(gear: Part, gear_maps: Maps, printed: list[int]) -> None:
    for ask in (
        lambda: order_layer(gear, 0, gear_maps["noisy"], printed=printed),
        lambda: uniformity_of(gear, 0, gear_maps["noisy"], printed),
    ):
        with pytest.raises(UsageError, match=f"cells 0 to {len(gear.geometry_of(0).cells) - 1}"):
            ask()


def test_uniformity_of_the_same_order_is_the_same(gear: Part, gear_maps: Maps) -> None:
    result = order_layer(gear, 0, gear_maps["noisy"])
    assert uniformity_of(gear, 0, gear_maps["noisy"], result.order) == result.uniformity


def test_the_predicted_map_is_where_the_order_ends(gear: Part, gear_maps: Maps) -> None:
    result = order_layer(gear, 0, gear_maps["noisy"])
    predicted = predict_map(gear, 0, gear_maps["noisy"], result.order)
    assert predicted.dtype == np.float32
    assert np.abs(predicted - (result.theta + gear.process.ambient_K)).max() < 1e-3
    assert np.array_equal(predict_map(gear, 0, gear_maps["noisy"], []), gear_maps["noisy"])


def test_a_layer_without_losses_ends_with_all_its_heat(gear: Part, gear_maps: Maps) -> None:
    order = order_layer(gear, 0, gear_maps["uniform"])
    assert 0 < order.theta.mean() < gear.process.rise_K  # losses only take


def test_cooling_is_the_steps_of_the_pause(gear: Part) -> None:
    theta = warm(gear.geometry_of(0).elements)
    seconds = 0.5
    steps = round(seconds / gear.process.step_s)
    expected = Steps(gear.geometry_of(0), gear.process).apply(steps, theta)
    after = cool(gear, 0, theta, seconds)
    assert np.linalg.norm(after - expected) <= 1e-8 * np.linalg.norm(theta)
    mean = theta.mean() * (1 - gear.process.loss) ** steps
    assert after.mean() == pytest.approx(mean, rel=1e-6)
    assert np.array_equal(cool(gear, 0, theta, 0.0), theta)


def test_cooling_in_two_pauses_is_cooling_in_one(gear: Part) -> None:
    theta = warm(gear.geometry_of(0).elements)
    twice = cool(gear, 0, cool(gear, 0, theta, 1.0), 0.5)
    assert np.linalg.norm(twice - cool(gear, 0, theta, 1.5)) <= 3e-8 * np.linalg.norm(theta)


def test_spreading_leaves_next_to_nothing(gear: Part) -> None:
    theta = np.full(gear.geometry_of(0).elements, 100.0)
    assert np.abs(cool(gear, 0, theta, gear.process.spreading_s)).max() < 0.01


def test_an_impossible_map_or_layer_is_refused(gear: Part, gear_maps: Maps) -> None:
    with pytest.raises(MapError):
        order_layer(gear, 0, gear_maps["noisy"][:-1])
    with pytest.raises(PartError, match="layers 0 to 39"):
        order_layer(gear, 40, gear_maps["noisy"])
