"""The command as its user runs it: figures, comparison, and recordings or parts that are not as they should be."""

from __future__ import annotations

import json
import shutil
from html import escape
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import box

from agent.commands import app
from agent.recorder import channels
from agent.recorder.reading import read
from agent.report.beside import first_difference
from agent.report.read_in import layers_of
from cosmic.commands import run
from thermal.building import build_from_outline
from thermal.part import write_part
from thermal.process import Process


def report(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any, str]:
    """Return exit code, JSON document and what was said."""
    capsys.readouterr()
    code = run(app, "cosmic-agent", ["report", *map(str, words)])
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else None, said.err


def test_a_page_and_its_figures_come_from_one_run(
    lossy_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.html"
    code, found, said = report(capsys, lossy_file, "-o", path, "--json")
    assert code == 0, said
    assert found["windows"] == len(read(lossy_file).windows)
    assert found["bytes"] == path.stat().st_size
    assert f"report written: {path}" in said
    assert found["job"]["job"] == "<b>&job"
    assert sum(group["windows"] for group in found["fallbacks"]) == found["windows"] - found["on_time"]


def test_json_alone_writes_no_file(
    whole_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, found, _ = report(capsys, whole_file.parent, "--json", "--compare-layers", 0)
    assert code == 0
    assert found["tone"] == "good"
    assert found["comparison"]["layers"] == []
    assert list(tmp_path.iterdir()) == []
    assert report(capsys, whole_file)[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["whole-report.html"]


def test_two_recordings_are_compared_layer_by_layer(
    whole_file: Path, lossy_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "comparison.html"
    code, found, said = report(capsys, whole_file, "--compare", lossy_file, "-o", path, "--json")
    assert code == 0, said
    assert path.is_file()
    one, other = (layers_of(read(each)) for each in (whole_file, lossy_file))
    for number, layer in enumerate(found["layers"]):
        expected = first_difference(one[number], other[number])
        same = sum(a.cell == b.cell for a, b in zip(one[number].in_order, other[number].in_order, strict=True))
        assert layer["same_cells"] == same
        assert (layer["first_difference"] is None) == (expected is None) == (same == 36)
        assert layer["first_map"]["rms_K"] >= 0.0
    difference = found["layers"][0]["first_difference"]
    assert difference["other"]["outcome"].startswith("fallback")
    assert difference["one"]["cell"] != difference["other"]["cell"]
    code, alike, _ = report(capsys, whole_file, "--compare", whole_file, "--json")
    assert code == 0
    assert alike["verdict"][0] == "All 72 windows that both recorded got the same cell."
    assert {layer["predicted_map"]["max_K"] for layer in alike["layers"]} == {0.0}


def test_a_recording_cut_short_is_reported_as_far_as_it_goes(
    whole_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = whole_file.read_bytes()
    cut = tmp_path / "cut.mcap"
    for share in (0.6, 0.4):
        cut.write_bytes(content[: int(len(content) * share)])
        path = tmp_path / "report.html"
        code, found, said = report(capsys, cut, "-o", path, "--json")
        assert code == 0, said
        (problem,) = found["problems"]
        assert problem.startswith("cut.mcap at byte ")
        assert problem in said
        assert found["windows"] == len(read(cut).windows) < 72
        assert "The recording ends before the job does." in found["verdict"]
        assert escape(problem) in path.read_text()


@pytest.mark.parametrize(
    ("content", "words"), [(b"layer,window\n", "no MCAP file"), (None, "there is no such recording")]
)
def test_what_is_no_recording_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, words: str
) -> None:
    path = tmp_path / "a.mcap"
    if content is not None:
        path.write_bytes(content)
    code, found, said = report(capsys, path, "-o", tmp_path / "report.html", "--json")
    assert code == 2
    assert words in said
    assert found["error"] in ("ForeignRecording", "RecordingError")
    assert not (tmp_path / "report.html").exists()


def test_a_newer_recording_is_refused_with_both_versions(
    whole_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "FORMAT", 0)
    code, found, said = report(capsys, whole_file, "--json")
    assert code == 2
    assert found["error"] == "NewerRecording"
    assert "update the agent" in said


def test_another_part_is_named_and_the_recording_alone_is_reported(
    lossy_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = build_from_outline(
        box(0, 0, 1.6, 1.6), "other", Process(element_m=2e-4, speed_m_s=0.08), layers=1, island_mm=0.8
    )
    write_part(other, tmp_path / "other")
    path = tmp_path / "report.html"
    code, found, said = report(capsys, lossy_file, "--part", tmp_path / "other", "-o", path, "--json")
    assert code == 2
    assert "this is another part: 'other'" in said
    assert found["comparison"] is None
    assert "this is another part" in found["missing"][0]
    assert "this is another part" in path.read_text()
    code, _, said = report(capsys, lossy_file, "--part", tmp_path / "nowhere", "-o", path)
    assert code == 2
    assert "cannot be read" in said


def test_a_part_that_was_moved_is_found_with_part(
    whole_file: Path, square_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(square_folder, moved)
    code, found, _ = report(capsys, whole_file, "--part", moved, "--json")
    assert code == 0
    assert found["missing"] == []


def test_a_place_that_cannot_be_written_is_named(
    whole_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    code, _, said = report(capsys, whole_file, "-o", tmp_path / "file" / "report.html")
    assert code == 1
    assert "it cannot be written" in said
    assert "choose another place with -o" in said
