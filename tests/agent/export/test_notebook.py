"""The notebook of the examples runs on the tables of a real recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

from agent.commands import app
from cosmic.commands import run
from tests.support.recordings import RecordedJob
from thermal.part import Part

NOTEBOOK = Path(__file__).parents[3] / "examples" / "analyse_a_job.ipynb"


def test_every_cell_of_the_notebook_runs(square: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    path = RecordedJob(square, tmp_path).print()
    for table in ("windows", "layers"):
        words = [
            "export",
            str(path),
            "--format",
            "parquet",
            "--table",
            table,
            "-o",
            str(tmp_path / f"{table}.parquet"),
        ]
        assert run(app, "cosmic-agent", words) == 0
    monkeypatch.setenv("JOB_TABLES", str(tmp_path))
    names: dict[str, Any] = {}
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code"), "kept without results"
    for code in codes:
        exec(compile(code, NOTEBOOK.name, "exec"), names)  # noqa: S102  what a reader of the notebook does
    assert len(plt.get_fignums()) == 2
    plt.close("all")
    assert names["outcomes"].loc[1, "on_time"] == 36
    assert names["slack_ms"].loc[0, "count"] == 35
