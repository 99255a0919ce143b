"""SmartScan at the printer: the same cells as the coordinator's, when it had the time to think."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fallback import Ladder, Layout, SmartScanOrder
from fallback.random import RandomOrder
from thermal.order import order_layer
from thermal.part import Part


def map_of(part: Part, seed: int = 0) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    return (300.0 + 20.0 * generator.random(part.geometry_of(0).elements)).astype(np.float32)


def test_thinking_before_every_answer_gives_smartscans_order(bracket: Part, layout: Layout) -> None:
    map_K, order = map_of(bracket), SmartScanOrder()
    order.start_layer(0, layout)
    order.begin(map_K)
    printed: list[int] = []
    for _ in layout.geometry.cells:
        assert not order.ready
        assert order.think() > 0
        assert order.ready
        cell = order.next_cell([], None)
        assert cell is not None
        order.handed(cell)
        printed.append(cell)
    assert order.ready, "a whole layer leaves nothing to think about"
    assert order.think() == 0
    assert printed == order_layer(bracket, 0, map_K).order


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_it_follows_whatever_was_handed_over_and_answers_only_when_it_has(
    bracket: Part, layout: Layout, data: st.DataObject
) -> None:
    map_K, order = map_of(bracket), SmartScanOrder()
    order.start_layer(0, layout)
    cells = list(range(len(layout.geometry.cells)))
    printed = data.draw(st.permutations(cells))[: data.draw(st.integers(0, len(cells) - 1))]
    begin_after = data.draw(st.integers(0, len(printed)))
    for number, cell in enumerate(printed):
        if number == begin_after:
            order.begin(map_K)
        order.handed(cell)
        assert order.next_cell([], None) is None, "what it may have thought does not follow this cell"
        if data.draw(st.booleans()):
            order.think()
    order.begin(map_K)
    order.think()
    assert order.next_cell([], None) == order_layer(bracket, 0, map_K, printed=printed).order[len(printed)]


def test_without_a_layer_or_a_map_there_is_nothing_to_think_and_no_answer(layout: Layout) -> None:
    order = SmartScanOrder()
    order.begin(np.zeros(1, dtype=np.float32))
    order.handed(0)
    assert order.ready
    assert order.think() == 0
    assert order.next_cell([0], None) is None
    order.start_layer(0, layout)
    assert order.ready
    assert order.think() == 0
    assert order.next_cell([0], None) is None


def test_a_new_layer_has_no_answer_of_the_layer_before(bracket: Part, layout: Layout) -> None:
    order = SmartScanOrder()
    order.start_layer(0, layout)
    order.begin(map_of(bracket))
    order.think()
    order.start_layer(1, layout)
    assert order.next_cell([], None) is None
    order.begin(map_of(bracket, seed=1))
    order.think()
    assert order.next_cell([], None) == order_layer(bracket, 0, map_of(bracket, seed=1)).order[0]


def test_a_machine_that_strayed_is_followed_from_the_map_on(bracket: Part, layout: Layout) -> None:
    map_K, order = map_of(bracket), SmartScanOrder()
    ladder = Ladder([order, RandomOrder()])
    ladder.strayed([0])
    order.start_layer(0, layout)
    order.begin(map_K)
    for cell in (0, 1):
        ladder.handed(cell)
    order.think()
    ladder.strayed([0, 3])
    assert order.next_cell([], None) is None
    order.think()
    assert order.next_cell([], None) == order_layer(bracket, 0, map_K, printed=[0, 3]).order[2]
    Ladder([RandomOrder()]).strayed([0, 3])
