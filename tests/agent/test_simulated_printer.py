"""The simulated printer keeps a real one's times: no gap between cells, and it says how long it stood still."""

from __future__ import annotations

import asyncio

import pytest

from agent.configuration import Simulated
from agent.driver import CellFinished, CellStarted, DriverEvent, LayerDone, LayerReady, SpreadingStarted
from agent.driver.simulated import SimulatedPrinter
from agent.plant import Plant
from cosmic.errors import DriverError
from tests.support import virtual_time
from thermal.part import Part


def run(part: Part, settings: Simulated, wait_s: dict[int, float]) -> list[tuple[float, DriverEvent]]:
    """Print cells in their order; the one for window `w` is handed over `wait_s[w]` after the one before began."""
    printer = SimulatedPrinter(part, settings, Plant(part, 1.0))
    events: list[tuple[float, DriverEvent]] = []

    def listen(event: DriverEvent) -> None:
        loop = asyncio.get_running_loop()
        events.append((loop.time(), event))
        window = (
            0 if isinstance(event, LayerReady) else event.window + 1 if isinstance(event, CellStarted) else None
        )
        if window is not None and window < 36:
            loop.call_later(wait_s.get(window, 0.0), printer.scan, window, window)

    virtual_time.run(printer.run(listen))
    return events


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_cells_follow_each_other_without_a_gap_at_the_parts_speed(square: Part, scale: float) -> None:
    events = run(square, Simulated(layers=1, spreading_s=2.0, time_scale=scale), {})
    started = [event.at_s for _, event in events if isinstance(event, CellStarted)]
    finished = [event.at_s for _, event in events if isinstance(event, CellFinished)]
    assert started[0] == pytest.approx(2.0 / scale)
    assert started[1:] == pytest.approx(finished[:-1])
    assert finished[-1] - started[0] == pytest.approx(36 * 0.040 / scale)
    assert [event.seconds for _, event in events if isinstance(event, SpreadingStarted)] == [2.0 / scale]


def test_a_late_cell_makes_the_laser_stand_still_and_that_is_told(square: Part) -> None:
    events = run(square, Simulated(layers=1, spreading_s=0.0), {5: 0.050, 9: 0.045})
    (done,) = [event for _, event in events if isinstance(event, LayerDone)]
    assert done.starved_s == pytest.approx(0.010 + 0.005)


def test_a_cell_handed_over_is_never_changed(square: Part) -> None:
    printer = SimulatedPrinter(square, Simulated(), Plant(square, 1.0))
    printer.scan(0, 3)
    with pytest.raises(DriverError, match="cell 3 was handed over for it before"):
        printer.scan(0, 4)
