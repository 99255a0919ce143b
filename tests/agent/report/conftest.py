"""Recordings to report: jobs of the square, printed by the real agent; in one the link is lost for ten windows."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.recorder.reading import Recording, read
from tests.support.recordings import RecordedJob
from thermal.part import Part, load_part


async def cut_and_mend(job: RecordedJob) -> None:
    assert job.coordinator is not None
    await job.window_reached(0, 10)
    job.coordinator.cut("cable pulled")
    await job.window_reached(0, 20)
    job.coordinator.connect()


@pytest.fixture(scope="session")
def printed(square_folder: Path) -> Part:
    return load_part(square_folder)


@pytest.fixture(scope="session")
def whole_file(printed: Part, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers, every window decided in time."""
    return RecordedJob(printed, tmp_path_factory.mktemp("whole"), name="whole").print()


@pytest.fixture(scope="session")
def lossy_file(printed: Part, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers, the link lost and found again in the first. Its name is one that a page must not believe."""
    job = RecordedJob(printed, tmp_path_factory.mktemp("lossy"), name="<b>&job")
    return job.print(cut_and_mend, lookahead=4)


@pytest.fixture
def whole(whole_file: Path) -> Recording:
    return read(whole_file)


@pytest.fixture
def lossy(lossy_file: Path) -> Recording:
    return read(lossy_file)
