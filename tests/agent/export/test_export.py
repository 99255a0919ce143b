"""Tables and maps of a recording, as other programs read them."""

from __future__ import annotations

import csv
import io
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agent.commands import app
from agent.export.files import write_csv
from agent.export.tables import LayerRow, WindowRow, columns_of, layer_rows, window_rows
from agent.recorder.reading import read
from cosmic.commands import run
from tests.support.recordings import RecordedJob
from thermal.maps import read_map
from thermal.order import order_layer
from thermal.part import Part

CELLS = 36


@pytest.fixture(scope="module")
def recording_file(square: Part, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return RecordedJob(square, tmp_path_factory.mktemp("recordings")).print()


def test_csv_has_a_row_a_window_with_times_in_utc(recording_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(app, "cosmic-agent", ["export", str(recording_file)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 2 * CELLS
    assert list(rows[0]) == list(columns_of(WindowRow))
    assert rows[0]["source"] == "coordinator"
    began, ended = (datetime.fromisoformat(rows[5][name]) for name in ("started", "finished"))
    assert began.utcoffset() == timedelta(0)
    assert (ended - began).total_seconds() * 1e3 == pytest.approx(float(rows[5]["window_ms"]), abs=0.01)
    assert float(rows[5]["compute_ms"]) == 2.0
    assert [int(row["window"]) for row in rows] == [*range(CELLS), *range(CELLS)]


def test_parquet_has_typed_columns_that_pandas_reads(recording_file: Path, tmp_path: Path) -> None:
    for table, kind in (("windows", WindowRow), ("layers", LayerRow)):
        path = tmp_path / f"{table}.parquet"
        words = ["export", str(recording_file), "--format", "parquet", "--table", table, "-o", str(path)]
        assert run(app, "cosmic-agent", words) == 0
        frame = pd.read_parquet(path)
        assert list(frame.columns) == list(columns_of(kind))
        for name, plain in columns_of(kind).items():
            if plain is datetime:
                assert str(frame[name].dtype) == "datetime64[us, UTC]", name
    assert frame["windows"].tolist() == [CELLS, CELLS]
    assert frame["map_from"].tolist() == ["camera", "camera"]


def test_both_formats_say_the_same(recording_file: Path, tmp_path: Path) -> None:
    for form in ("csv", "parquet"):
        words = ["export", str(recording_file), "--format", form, "-o", str(tmp_path / f"job.{form}")]
        assert run(app, "cosmic-agent", words) == 0
    by_csv, by_parquet = pd.read_csv(tmp_path / "job.csv"), pd.read_parquet(tmp_path / "job.parquet")
    assert by_csv["cell"].tolist() == by_parquet["cell"].tolist()
    assert by_csv["slack_ms"].tolist() == by_parquet["slack_ms"].tolist()
    assert pd.to_datetime(by_csv["started"]).tolist() == by_parquet["started"].tolist()


def test_a_map_is_written_as_order_reads_it(recording_file: Path, square: Part, tmp_path: Path) -> None:
    path = tmp_path / "map.npy"
    assert run(app, "cosmic-agent", ["export", str(recording_file), "--map", "1", "-o", str(path)]) == 0
    recording = read(recording_file)
    map_K = read_map(path, square.geometry_of(1).elements)
    assert map_K.tobytes() == recording.map_K(1).tobytes()
    printed = [window.cell for window in recording.windows if window.layer == 1]
    assert order_layer(square, 1, map_K).order == printed
    assert (
        run(app, "cosmic-agent", ["export", str(recording_file), "--map", "all", "-o", str(tmp_path / "all")]) == 0
    )
    assert [each.name for each in sorted((tmp_path / "all").iterdir())] == [
        "layer-00000-map.npy",
        "layer-00001-map.npy",
    ]
    assert np.load(tmp_path / "all" / "layer-00001-map.npy").tobytes() == map_K.tobytes()


def test_what_cannot_be_exported_is_named(
    recording_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = {
        ("--map", "7"): "there is no map of layer 7 - there are maps of layers 0-1",
        ("--map", "top"): "'top' is no layer",
    }
    for words, text in cases.items():
        assert run(app, "cosmic-agent", ["export", str(recording_file), *words]) == 2
        assert text in capsys.readouterr().err
    (tmp_path / "file").touch()
    words = ["export", str(recording_file), "-o", str(tmp_path / "file" / "job.csv")]
    assert run(app, "cosmic-agent", words) == 1
    assert "it cannot be written" in capsys.readouterr().err


def test_what_is_missing_of_a_recording_is_said_and_the_rest_written(
    recording_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / recording_file.name
    content = recording_file.read_bytes()
    cut.write_bytes(content[: len(content) * 3 // 4])
    capsys.readouterr()
    words = ["export", str(cut), "--json", "--table", "layers", "-o", str(tmp_path / "layers.csv")]
    assert run(app, "cosmic-agent", words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == len((tmp_path / "layers.csv").read_text().splitlines()) - 1
    assert "was not ended" in told["problems"][0]


def test_parquet_without_its_library_names_the_extra(
    recording_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    words = ["export", str(recording_file), "--format", "parquet", "-o", str(tmp_path / "job.parquet")]
    assert run(app, "cosmic-agent", words) == 2
    assert 'pip install "cosmic-lpbf[parquet]"' in capsys.readouterr().err


def test_a_table_of_nothing_has_its_head() -> None:
    into = io.StringIO()
    assert write_csv(iter(()), WindowRow, into) == 0
    assert into.getvalue().startswith("job,layer,window,")


def test_a_layer_without_windows_is_a_row(recording_file: Path) -> None:
    recording = read(recording_file)
    windows = recording.windows
    recording.messages = [each for each in recording.messages if each.message not in windows[CELLS:]]
    first, second = layer_rows(recording)
    assert (first.windows, second.windows, second.slack_ms_min) == (CELLS, 0, None)
    assert len(list(window_rows(recording))) == CELLS
