"""Bystanders are told what happens, and none of them can hurt the printing."""

from __future__ import annotations

from structlog.testing import capture_logs

from agent.keeper import Outcome
from agent.observers import (
    DecisionReceived,
    DriverTold,
    HandedOver,
    Happening,
    JobBegan,
    JobEnded,
    LayerEnded,
    LinkChanged,
    MapTaken,
    Observers,
    Stopping,
    WindowEnded,
)
from tests.agent.test_printing import CELLS, Job
from thermal.part import Part


class Bystander:
    """Keeps what it is told, and breaks where it is asked to."""

    def __init__(self, *, breaks: bool = False) -> None:
        self.told: list[Happening] = []
        self.breaks = breaks

    def observe(self, happening: Happening) -> None:
        self.told.append(happening)
        if self.breaks:
            raise ValueError("a bug of the bystander")

    def of(self, kind: type) -> list[object]:
        return [happening for happening in self.told if isinstance(happening, kind)]


def test_a_failing_bystander_hurts_neither_the_others_nor_the_caller() -> None:
    broken, well = Bystander(breaks=True), Bystander()
    observers = Observers(broken)
    observers.add(well)
    with capture_logs() as lines:
        for text in ("one", "two"):
            observers.tell(Stopping(text))
    assert well.told == [Stopping("one"), Stopping("two")]
    (line,) = lines
    assert (line["event"], line["observer"], line["told"]) == ("observer_failed", "Bystander", "Stopping")
    assert line["cause"] == "ValueError: a bug of the bystander"


def test_a_bystander_hears_all_of_a_job(square: Part) -> None:
    bystander, broken = Bystander(), Bystander(breaks=True)

    async def listen(job: Job) -> None:
        job.printing.observers.add(broken)
        job.printing.observers.add(bystander)

    job = Job(square).print(listen)
    kinds = {type(happening) for happening in bystander.told}
    assert {DriverTold, HandedOver, MapTaken, LinkChanged, JobBegan} <= kinds
    ended = [happening for happening in bystander.told if isinstance(happening, WindowEnded)]
    assert [happening.cell for happening in ended] == job.order(0) + job.order(1)
    assert {happening.handover.outcome for happening in ended} == {Outcome.ON_TIME}
    assert len(bystander.of(HandedOver)) == len(ended) == 2 * CELLS
    decided = [happening for happening in bystander.told if isinstance(happening, DecisionReceived)]
    assert [happening.cell for happening in decided if happening.layer == 0] == job.order(0)
    assert {happening.drop for happening in decided} == {None}
    (first, second) = [happening for happening in bystander.told if isinstance(happening, LayerEnded)]
    assert (list(first.order), list(second.order)) == (job.order(0), job.order(1))
    (end,) = [happening for happening in bystander.told if isinstance(happening, JobEnded)]
    assert (end.tally.windows, end.layers, end.reason) == (2 * CELLS, 2, "all layers printed")
