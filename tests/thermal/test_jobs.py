from __future__ import annotations

from pathlib import Path

import pytest

import thermal.jobs
from thermal.jobs import build_job, build_jobs, job_name
from thermal.part import load_part


def test_thirty_jobs_are_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thermal.jobs, "JOB_AREAS_CM2", (0.5, 1.0))
    monkeypatch.setattr(thermal.jobs, "SHAPES", dict.fromkeys(["holed-gear", "ribbed-bar"]))
    build_job(tmp_path, "ribbed-bar", 0.5, 2)
    before = (tmp_path / "ribbed-bar-0.5cm2" / "part.json").stat().st_mtime_ns
    told: list[tuple[str, int, int]] = []
    parts = build_jobs(tmp_path, layers=2, processes=1, progress=lambda *step: told.append(step))
    assert [part.name for part in parts] == [
        "holed-gear 0.5 cm2", "holed-gear 1 cm2", "ribbed-bar 0.5 cm2", "ribbed-bar 1 cm2",
    ]  # fmt: skip
    assert told[-1] == ("jobs", 4, 4)
    assert (tmp_path / "ribbed-bar-0.5cm2" / "part.json").stat().st_mtime_ns == before
    assert load_part(tmp_path / job_name("holed-gear", 1.0)).digest == parts[1].digest


def test_jobs_are_built_in_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thermal.jobs, "JOB_AREAS_CM2", (0.5, 1.0))
    monkeypatch.setattr(thermal.jobs, "SHAPES", {"holed-gear": None})
    assert [part.layers for part in build_jobs(tmp_path, layers=3, processes=2)] == [3, 3]
