"""Orders at the printer: every cell left is answered once, whatever happens before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallback import Order, RandomOrder, SequentialOrder, UnknownOrder, make_order

NAMES = ["random", "sequential"]


def run_order(order: Order, cells: int, layer: int = 0) -> list[int]:
    order.start_layer(layer)
    left, printed = list(range(cells)), []
    while left:
        cell = order.next_cell(left, printed[-1] if printed else None)
        left.remove(cell)
        printed.append(cell)
    return printed


@pytest.mark.parametrize("name", NAMES)
@given(cells=st.integers(1, 60), layer=st.integers(0, 1000), seed=st.integers(0, 2**32))
def test_every_cell_is_answered_exactly_once(name: str, cells: int, layer: int, seed: int) -> None:
    assert sorted(run_order(make_order(name, seed), cells, layer)) == list(range(cells))


@given(cells=st.integers(2, 60), layer=st.integers(0, 1000), seed=st.integers(0, 2**32))
def test_random_repeats_itself_for_the_same_seed_and_layer_whatever_was_printed_before(
    cells: int, layer: int, seed: int
) -> None:
    first, second = RandomOrder(seed), RandomOrder(seed)
    run_order(second, 7, layer + 1)
    assert run_order(first, cells, layer) == run_order(second, cells, layer)


def test_random_differs_between_layers_and_between_seeds() -> None:
    assert run_order(RandomOrder(0), 40, 0) != run_order(RandomOrder(0), 40, 1)
    assert run_order(RandomOrder(0), 40, 0) != run_order(RandomOrder(1), 40, 0)


def test_random_gives_every_cell_the_same_chance() -> None:
    order, counts = RandomOrder(3), [0] * 5
    for layer in range(5000):
        order.start_layer(layer)
        counts[order.next_cell([0, 1, 2, 3, 4], None)] += 1
    assert all(900 < count < 1100 for count in counts)  # 1000 expected, standard deviation 28


def test_sequential_takes_the_lowest_cell_left() -> None:
    assert run_order(SequentialOrder(), 5) == [0, 1, 2, 3, 4]
    assert SequentialOrder().next_cell([3, 7], 9) == 3


def test_an_unknown_order_names_the_nearest_known_one() -> None:
    with pytest.raises(UnknownOrder, match="did you mean 'random'") as caught:
        make_order("randm")
    assert caught.value.exit_code == 2
    assert "sequential" in caught.value.why
