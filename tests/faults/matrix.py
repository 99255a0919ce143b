"""The fault matrix: every row, how one is run, and what is wrong with its outcome."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from tests.faults import network, peers, surroundings
from tests.faults.row import Row
from tests.faults.stage import Pace, Stage
from tests.faults.verdict import Verdict, judge
from thermal.part import Part

ROWS = [*network.ROWS, *peers.ROWS, *surroundings.ROWS]
BY_NAME = {row.name: row for row in ROWS}


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a row.

    Attributes:
        row: the fault.
        verdict: the outcome; None where this machine cannot show it.
        skipped: why not.
        worst_s: the longest recovery that the settings allow, seconds.
        problems: what is not as it must be, in words.
    """

    row: Row
    verdict: Verdict | None
    skipped: str
    worst_s: float | None
    problems: list[str]


async def run_row(row: Row, folder: Path, part: Part, pace: Pace) -> Result:
    """Run one row in `folder` and judge it."""
    worst_s = None if row.worst is None else row.worst.seconds(pace.uplink)
    if missing := row.missing():
        return Result(row, None, missing, worst_s, [])
    async with Stage(folder, part, pace) as stage:
        async with asyncio.timeout(180.0):
            await row.story(stage)
            await stage.job_ends()
        verdict = await asyncio.to_thread(judge, stage)  # others may be running beside it
    return Result(row, verdict, "", worst_s, _problems(row, verdict, worst_s, pace.layers))


def _problems(row: Row, verdict: Verdict, worst_s: float | None, layers: int) -> list[str]:
    """Return what is not as it must be. Times are judged by who runs the matrix, not here."""
    found = []
    if not verdict.every_cell_once:
        found.append("a cell was not scanned exactly once")
    if verdict.layers != layers:
        found.append(f"{verdict.layers} of {layers} layers were printed")
    if verdict.orders_equal < verdict.orders_checked:
        found.append(f"{verdict.orders_checked - verdict.orders_equal} layers do not follow SmartScan")
    if verdict.doubled and not row.retold:
        found.append(f"{verdict.doubled} windows are recorded twice")
    if verdict.lost and not row.loses:
        found.append(f"{verdict.lost} windows are not recorded")
    if verdict.recovery_s is None and worst_s is not None:
        found.append("decisions did not come again")
    if row.none_fall and verdict.fallbacks:
        found.append(f"{verdict.fallbacks} windows fell back")
    return found
