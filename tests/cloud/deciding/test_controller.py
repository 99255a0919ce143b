"""The controller by itself: a loop over its steps stands for the engine and the printer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cloud.deciding.controller import Carry, Decision, Idle, LayerController
from cosmic.errors import EngineError
from tests.cloud.conftest import a_map
from thermal.operators import Polynomial
from thermal.order import order_layer
from thermal.part import Part
from thermal.smartscan import SmartScan

LAYER = 2


class Bench:
    """A controller of one layer with its operator."""

    def __init__(self, part: Part, map_K: NDArray[np.float32], layer: int = LAYER, **options: Any) -> None:
        geometry = part.geometry_of(layer)
        self.part, self.map_K, self.layer = part, map_K, layer
        self.operator = Polynomial(geometry, part.process)
        scan = SmartScan(geometry, part.process)
        self.cells = len(geometry.cells)
        self.controller = LayerController(
            scan, geometry.lengths, scan.theta_from_map(map_K), layer=layer, epoch=0, **options
        )
        self.products = 0
        self.uniformity: dict[int, float] = {}

    def step(self) -> Decision | Idle | None:
        """Take one step; a product is computed at once."""
        step = self.controller.step()
        if not isinstance(step, Carry):
            return step
        self.carry(step)
        return None

    def carry(self, carry: Carry) -> None:
        self.products += 1
        value = self.controller.carried(carry, self.operator.apply(carry.length, carry.theta))
        if value is not None:
            self.uniformity[carry.window] = value

    def decisions(self) -> list[Decision]:
        """Run until nothing is left to do now."""
        made = []
        while not isinstance(step := self.step(), Idle):
            if step is not None:
                made.append(step)
        return made

    def expected(self, printed: Sequence[int] = ()) -> list[int]:
        return order_layer(self.part, self.layer, self.map_K, self.operator, printed=printed).order


@pytest.fixture(scope="module")
def small_map(part: Part) -> NDArray[np.float32]:
    return a_map(part, LAYER, seed=3)


def test_order_and_uniformity_are_those_of_one_process(part: Part, map_K: NDArray[np.float32]) -> None:
    bench = Bench(part, map_K, layer=0)
    reference = order_layer(part, 0, map_K, bench.operator)
    assert [decision.cell for decision in bench.decisions()] == reference.order
    assert bench.controller.step() is Idle.DONE
    assert [bench.uniformity[window] for window in range(bench.cells)] == reference.uniformity


def test_first_cell_is_chosen_from_the_map_alone(part: Part, small_map: NDArray[np.float32]) -> None:
    bench = Bench(part, small_map)
    first = bench.step()
    assert isinstance(first, Decision)
    assert first.cell == bench.expected()[0]
    assert bench.products == 0


def test_printed_cells_are_caught_up_over_before_anything_is_decided(
    part: Part, small_map: NDArray[np.float32]
) -> None:
    printed = [5, 0, 3]
    bench = Bench(part, small_map, printed=printed, windows_reported=2)
    made = bench.decisions()
    assert [decision.window for decision in made] == list(range(3, bench.cells))
    assert printed + [decision.cell for decision in made] == bench.expected(printed)
    assert bench.controller.caught_up == 3


@pytest.mark.parametrize("lookahead", [1, 2, 5])
def test_look_ahead_is_used_and_never_exceeded(part: Part, small_map: NDArray[np.float32], lookahead: int) -> None:
    bench = Bench(part, small_map, lookahead=lookahead)
    order: list[int] = []
    for scanned in range(bench.cells):
        order += [decision.cell for decision in bench.decisions()]
        assert len(order) == min(scanned + 1 + lookahead, bench.cells)
        bench.controller.observe(0, order[: scanned + 1], scanned + 1)
    assert order == bench.expected()


def test_only_decisions_that_the_printer_needs_soon_are_urgent(part: Part, small_map: NDArray[np.float32]) -> None:
    bench = Bench(part, small_map)
    assert [decision.window for decision in bench.decisions() if decision.urgent] == [0, 1, 2]


def test_result_that_a_deviation_made_useless_is_dropped(part: Part, small_map: NDArray[np.float32]) -> None:
    bench = Bench(part, small_map)
    bench.step()
    carry = bench.controller.step()
    assert isinstance(carry, Carry)
    other = next(cell for cell in range(bench.cells) if cell != carry.cell)
    assert bench.controller.observe(1, [other], 0)
    assert bench.controller.carried(carry, carry.theta) is None
    assert [other] + [decision.cell for decision in bench.decisions()] == bench.expected([other])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_result_that_is_not_finite_is_named_and_changes_nothing(
    part: Part, small_map: NDArray[np.float32], value: float
) -> None:
    bench = Bench(part, small_map)
    bench.step()
    carry = bench.controller.step()
    assert isinstance(carry, Carry)
    y = bench.operator.apply(carry.length, carry.theta)
    wrong = y.copy()
    wrong[-1] = value
    with pytest.raises(EngineError, match="a product is not finite"):
        bench.controller.carried(carry, wrong)
    assert bench.controller.carried(carry, y) is not None
    assert [bench.controller.order[0]] + [decision.cell for decision in bench.decisions()] == bench.expected()


def test_result_that_a_deviation_leaves_valid_is_used(part: Part, small_map: NDArray[np.float32]) -> None:
    bench = Bench(part, small_map)
    expected = bench.expected()
    first = bench.step()
    assert isinstance(first, Decision)
    carry = bench.controller.step()
    assert isinstance(carry, Carry)
    printed = [first.cell, expected[2]]
    bench.controller.observe(1, printed, 1)
    bench.carry(carry)
    assert carry.window in bench.uniformity
    assert printed + [decision.cell for decision in bench.decisions()] == bench.expected(printed)


def test_deviation_goes_back_no_further_than_the_states_kept(part: Part, small_map: NDArray[np.float32]) -> None:
    bench = Bench(part, small_map)
    order = [decision.cell for decision in bench.decisions()]
    bench.controller.observe(0, order[:5], 5)
    before = bench.products
    printed = [*order[:5], order[7]]
    bench.controller.observe(1, printed, 5)
    bench.decisions()
    assert bench.products - before == bench.cells - 5


def test_states_kept_stay_within_their_room(part: Part, map_K: NDArray[np.float32]) -> None:
    state_bytes = map_K.size * 8
    bench = Bench(part, map_K, layer=0, snapshot_bytes_max=4 * state_bytes)
    order = []
    while not isinstance(step := bench.step(), Idle):
        if step is not None:
            order.append(step.cell)
        assert bench.controller.snapshot_bytes <= 4 * state_bytes
    printed = [*order[:13], order[20]]
    bench.controller.observe(1, printed, 13)
    assert printed + [decision.cell for decision in bench.decisions()] == bench.expected(printed)


def test_cell_printed_otherwise_than_decided_is_followed_in_the_same_epoch(
    part: Part, small_map: NDArray[np.float32]
) -> None:
    bench = Bench(part, small_map)
    order = [decision.cell for decision in bench.decisions()]
    printed = [order[0], order[2]]
    assert bench.controller.observe(0, printed, 2), "what was decided and not sent is void"
    assert bench.controller.epochs == 1
    assert printed + [decision.cell for decision in bench.decisions()] == bench.expected(printed)


def test_cells_printed_before_they_were_decided_here_are_carried_over(
    part: Part, small_map: NDArray[np.float32]
) -> None:
    bench = Bench(part, small_map)
    expected = bench.expected([])
    printed = expected[:3]  # a coordinator that joined has decided nothing yet, the printer goes on
    assert bench.controller.observe(0, printed, 2)
    assert printed + [decision.cell for decision in bench.decisions()] == expected


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), lookahead=st.none() | st.integers(1, 4), room=st.integers(2, 30))
def test_after_any_deviations_it_goes_on_as_smartscan_does_in_one_process(
    part: Part, small_map: NDArray[np.float32], data: st.DataObject, lookahead: int | None, room: int
) -> None:
    """A printer that prints or deviates whenever it likes, and an engine whose results come when they like."""
    bench = Bench(part, small_map, lookahead=lookahead, snapshot_bytes_max=room * small_map.size * 8)
    controller = bench.controller
    printed: list[int] = []
    decided: dict[int, int] = {}
    expected = bench.expected()
    epoch = reported = 0
    pending: Carry | None = None
    while len(printed) < bench.cells:
        for _ in range(data.draw(st.integers(0, 6), label="steps")):
            step = controller.step()
            if isinstance(step, Carry):
                pending = step
            elif isinstance(step, Decision):
                assert step.epoch == epoch
                assert step.cell not in decided.values()
                assert step.cell not in printed
                assert step.window == len(printed) + len([w for w in decided if w >= len(printed)])
                assert lookahead is None or step.window < reported + 1 + lookahead
                assert step.cell == expected[step.window]
                decided[step.window] = step.cell
            if pending is not None and data.draw(st.booleans(), label="result comes"):
                bench.carry(pending)
                pending = None
        window = len(printed)
        if window in decided and data.draw(st.integers(0, 4), label="prints as decided") > 0:
            printed.append(decided[window])
            reported = max(reported, len(printed))
            controller.observe(epoch, printed, reported)
        elif data.draw(st.integers(0, 3), label="deviates") == 0:
            left = [cell for cell in range(bench.cells) if cell not in printed]
            printed.append(data.draw(st.sampled_from(left), label="cell"))
            epoch += 1
            reported = max(reported, len(printed) - 1)
            assert controller.observe(epoch, printed, reported)
            decided = {}
            expected = bench.expected(printed)
    assert sorted(printed) == list(range(bench.cells))


def test_time_ahead_of_a_product_is_that_of_the_cells_in_between(part: Part) -> None:
    """From the end of the last window reported to the end of the product's, with what each cell takes."""
    bench = Bench(part, a_map(part, LAYER, seed=4))
    lengths = part.geometry_of(LAYER).lengths
    reported = 0
    while not isinstance(step := bench.controller.step(), Idle):
        if isinstance(step, Carry):
            order = bench.controller.order
            expected = sum(int(lengths[cell]) for cell in order[reported : step.window + 1])
            assert bench.controller.ahead(step) == expected
            bench.carry(step)
            if step.window % 2:
                reported += 1
                bench.controller.observe(0, order[: reported + 1], reported)
    printed = bench.controller.order[: reported + 1]
    other = next(cell for cell in range(bench.cells) if cell not in bench.controller.order[: reported + 2])
    bench.controller.observe(1, [*printed, other], reported + 1)
    while isinstance(step := bench.controller.step(), Carry) and step.window <= reported:
        bench.carry(step)
    assert isinstance(step, Carry)
    assert bench.controller.ahead(step) == int(lengths[other])


class Naming:
    """Guesses the cells it was made with, and remembers what it was asked."""

    def __init__(self, *cells: int) -> None:
        self.cells = cells
        self.asked: list[int] = []

    def predict(self, theta: NDArray[np.float64], cell: int, scanned: NDArray[np.bool_]) -> Sequence[int]:
        assert theta.ndim == 1
        assert scanned[cell]
        self.asked.append(cell)
        return self.cells


def test_guess_is_the_known_cell_where_it_is_known_else_the_predictors(part: Part) -> None:
    predictor = Naming(3, 4)
    map_K = a_map(part, LAYER, seed=5)
    bench = Bench(part, map_K, printed=[0, 1], predictor=predictor)
    first = bench.controller.step()
    assert isinstance(first, Carry)
    assert bench.controller.guess(first) == (1,)
    assert predictor.asked == []
    bench.carry(first)
    assert bench.controller.guess(first) == ()  # its result is there: nothing is awaited
    second = bench.controller.step()
    assert isinstance(second, Carry)
    assert bench.controller.guess(second) == (3, 4)
    assert predictor.asked == [1]


def test_nothing_is_guessed_without_a_predictor_or_after_the_last_cell(part: Part) -> None:
    map_K = a_map(part, LAYER, seed=5)
    without = Bench(part, map_K, printed=[0])
    carry = without.controller.step()
    assert isinstance(carry, Carry)
    assert without.controller.guess(carry) == ()
    every = list(range(without.cells))
    whole = Bench(part, map_K, printed=every, predictor=Naming(0))
    for _ in every[:-1]:
        whole.step()
    last = whole.controller.step()
    assert isinstance(last, Carry)
    assert last.window == whole.cells - 1
    assert whole.controller.guess(last) == ()
