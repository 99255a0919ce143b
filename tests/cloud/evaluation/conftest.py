"""A small evaluation that the tests share: one job with every system, one with the paper's five."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud.evaluation.jobs import Task
from cloud.evaluation.schedule import run_all
from cloud.evaluation.summary import Records
from cloud.evaluation.systems import FIVE, SYSTEMS


def task(folder: Path, shape: str = "segmented-gear", area_cm2: float = 4.0, **changes: object) -> Task:
    values = {"systems": tuple(SYSTEMS), "layers": 1, "seed": 0, "profile": "paper"} | changes
    return Task(folder=str(folder), shape=shape, area_cm2=area_cm2, **values)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Records]:
    """Return the folder and the records of the small evaluation."""
    folder = tmp_path_factory.mktemp("evaluation")
    tasks = [task(folder), task(folder, "simple-l-bracket", systems=FIVE)]
    return folder, Records(run_all(tasks, 0, lambda *_: None))
