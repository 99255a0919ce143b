"""Orders at the printer: every cell left is answered once, whatever happens before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box

from cosmic.errors import ConfigurationError
from fallback import (
    ORDERS,
    ChessboardOrder,
    FarthestOrder,
    Layout,
    Order,
    RandomOrder,
    SequentialOrder,
    UnknownOrder,
    make_ladder,
)
from thermal.building import build_from_outline
from thermal.process import Process

SQUARE = build_from_outline(box(0, 0, 4.8, 4.8), "square", Process(), island_mm=0.8)
BOARD = Layout(SQUARE.geometry_of(0), SQUARE.process)
SIDE = 6


def run_order(order: Order, layout: Layout, layer: int = 0) -> list[int]:
    order.start_layer(layer, layout)
    left, printed = list(range(len(layout.geometry.cells))), []
    while left:
        cell = order.next_cell(left, printed[-1] if printed else None)
        assert cell is not None
        left.remove(cell)
        order.handed(cell)
        printed.append(cell)
    return printed


@pytest.mark.parametrize("name", list(ORDERS))
@given(layer=st.integers(0, 1000), seed=st.integers(0, 2**32), missing=st.sets(st.integers(0, 35), max_size=35))
def test_every_cell_left_is_answered_exactly_once(name: str, layer: int, seed: int, missing: set[int]) -> None:
    ladder = make_ladder([name], seed)
    ladder.start_layer(layer, BOARD)
    left = [cell for cell in range(36) if cell not in missing]
    last = None
    while left:
        last = ladder.next_cell(left, last)
        left.remove(last)
        ladder.handed(last)
    assert ladder.answered_by in (name, "random")


@given(layer=st.integers(0, 1000), seed=st.integers(0, 2**32))
def test_random_repeats_itself_for_the_same_seed_and_layer_whatever_was_printed_before(
    layer: int, seed: int
) -> None:
    first, second = RandomOrder(seed), RandomOrder(seed)
    run_order(second, BOARD, layer + 1)
    assert run_order(first, BOARD, layer) == run_order(second, BOARD, layer)


def test_random_differs_between_layers_and_between_seeds() -> None:
    assert run_order(RandomOrder(0), BOARD, 0) != run_order(RandomOrder(0), BOARD, 1)
    assert run_order(RandomOrder(0), BOARD, 0) != run_order(RandomOrder(1), BOARD, 0)


def test_random_gives_every_cell_the_same_chance() -> None:
    order, counts = RandomOrder(3), [0] * 5
    for layer in range(5000):
        order.start_layer(layer, BOARD)
        counts[order.next_cell([0, 1, 2, 3, 4], None)] += 1
    assert all(900 < count < 1100 for count in counts)  # 1000 expected, standard deviation 28


def test_sequential_takes_the_lowest_cell_left() -> None:
    assert run_order(SequentialOrder(), BOARD) == list(range(36))
    assert SequentialOrder().next_cell([3, 7], 9) == 3


def test_chessboard_scans_one_colour_first_and_no_two_neighbours_have_the_same() -> None:
    order = run_order(ChessboardOrder(), BOARD)
    parity = [(cell // SIDE + cell % SIDE) % 2 for cell in order]
    assert parity == [0] * 18 + [1] * 18
    assert order[:4] == [0, 2, 4, 7]


def test_colours_are_given_to_every_piece_of_a_layer_in_several_pieces() -> None:
    outline = box(0, 0, 1.6, 0.8).union(box(3.2, 0, 4.8, 0.8))
    part = build_from_outline(outline, "two", Process(), island_mm=0.8)
    assert Layout(part.geometry_of(0), part.process).colours.tolist() == [0, 1, 0, 1]


def test_farthest_goes_to_the_opposite_corner_and_to_the_lowest_of_equals() -> None:
    order = FarthestOrder()
    order.start_layer(0, BOARD)
    left = list(range(36))
    assert order.next_cell(left, None) == 0
    assert order.next_cell(left, 0) == 35
    assert order.next_cell([5, 30], 0) == 5, "5 and 30 are equally far from 0"


def test_centres_are_where_the_cells_are(layout: Layout) -> None:
    geometry = layout.geometry
    for cell, centre_m in zip(geometry.cells, layout.centres_m, strict=True):
        assert centre_m[0] == pytest.approx((geometry.col[cell] + 0.5).mean() * geometry.dx_m)
        assert centre_m[1] == pytest.approx((geometry.row[cell] + 0.5).mean() * geometry.dx_m)


@pytest.mark.parametrize("name", ["sequential", "chessboard", "farthest"])
def test_orders_that_draw_nothing_are_the_same_for_every_seed_and_layer(name: str, layout: Layout) -> None:
    assert run_order(ORDERS[name](0), layout, 0) == run_order(ORDERS[name](5), layout, 3)


def test_the_first_rung_that_has_an_answer_gives_it(layout: Layout) -> None:
    ladder = make_ladder(["smartscan", "farthest", "random"])
    assert ladder.name == "smartscan, farthest, random"
    ladder.start_layer(0, layout)
    assert ladder.next_cell([3, 5], None) == 3
    assert ladder.answered_by == "farthest"


def test_below_an_order_that_may_have_no_answer_there_is_random() -> None:
    assert make_ladder(["smartscan"]).name == "smartscan, random"
    assert make_ladder(["random"]).thinker is None


def test_an_unknown_order_names_the_nearest_known_one() -> None:
    with pytest.raises(UnknownOrder, match="did you mean 'random'") as caught:
        make_ladder(["farthest", "randm"])
    assert caught.value.exit_code == 2
    assert "sequential" in caught.value.why


def test_no_order_at_all_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no order is named"):
        make_ladder([])


def test_a_ladder_without_an_answer_is_a_bug() -> None:
    ladder = make_ladder(["smartscan"])
    ladder.rungs = ladder.rungs[:1]
    ladder.start_layer(0, BOARD)
    with pytest.raises(AssertionError, match="always answers"):
        ladder.next_cell([1], None)


def test_colours_and_centres_are_arrays_of_the_promised_types(layout: Layout) -> None:
    cells = len(layout.geometry.cells)
    assert (layout.colours.dtype, layout.colours.shape) == (np.int8, (cells,))
    assert (layout.centres_m.dtype, layout.centres_m.shape) == (np.float64, (cells, 2))
