"""A choice of the fault matrix: quick rows, one of each kind. All of them: `python -m benchmarks.fault_matrix`."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.matrix import BY_NAME, Result, run_row
from tests.faults.stage import QUICK, Seen, make_part
from thermal.part import Part

FAULTS = ["cut-down", "half-open", "agent-kill", "disk-full", "dns-silent", "cable"]

WHAT_IS_SEEN = {
    "half-open": "silent",
    "dns-silent": "no name server has answered",
    "cable": "silent",
    "agent-kill": "before this agent had handed a cell over",
}
"""Words that must stand among the causes."""


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Part:
    return make_part(tmp_path_factory.mktemp("faults") / "parts" / "square", QUICK)


@pytest.fixture(scope="module")
def results(part: Part, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """Every row, two at a time: they mostly wait."""
    folder = tmp_path_factory.mktemp("rows")
    folder.chmod(0o755)

    async def run_all() -> dict[str, Result]:
        room = asyncio.Semaphore(2)

        async def one(name: str) -> Result:
            async with room:
                return await run_row(BY_NAME[name], folder / name, part, QUICK)

        found = await asyncio.gather(*(one(name) for name in FAULTS))
        return dict(zip(FAULTS, found, strict=True))

    return asyncio.run(run_all())


@pytest.mark.parametrize("name", FAULTS)
def test_every_cell_is_scanned_once_decisions_come_again_and_nothing_is_lost_unsaid(
    results: dict[str, Result], name: str
) -> None:
    result = results[name]
    if result.skipped:
        pytest.skip(result.skipped)
    assert result.verdict is not None
    assert result.problems == []
    assert WHAT_IS_SEEN.get(name, "") in " ".join(result.verdict.causes)


def test_a_full_disk_is_said_with_its_cause_and_the_job_goes_on(results: dict[str, Result]) -> None:
    verdict = results["disk-full"].verdict
    assert verdict is not None
    assert (verdict.stopped, verdict.layers) == ("File too large", QUICK.layers)
    assert "File too large" in verdict.alarms["recording_stopped"]


def test_what_a_person_saw_keeps_the_order_of_states_and_the_last_words_of_alarms() -> None:
    seen = Seen()
    for state, text in (("printing", "a"), ("degraded", "b"), ("degraded", "c"), ("printing", "")):
        alarms = [{"kind": "link_down", "text": text}] if text else []
        seen.take({"state": state, "alarms": alarms})
    assert seen.states == ["printing", "degraded", "printing"]
    assert seen.alarms == {"link_down": "c"}
