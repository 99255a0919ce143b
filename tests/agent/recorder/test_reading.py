"""What can be read is read, what is missing is said, what is foreign or newer is refused by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.writer import Writer

from agent.recorder import channels
from agent.recorder.channels import Event, Window
from agent.recorder.errors import ForeignRecording, NewerRecording, RecordingError
from agent.recorder.reading import Recording, read
from agent.recorder.writing import Beginning, Disk, RecordingFile
from thermal.part import Part, part_digest

KEPT = Path(__file__).parents[2] / "data"
CELLS = 36

HEADER = channels.JobHeader(
    job="job", part="square", digest="0" * 64, printer="printer", started="2026-11-21T06:12:00Z", started_ns=10**18
)


def written(path: Path, *messages: tuple[str, int, channels.Channel], **header: object) -> Path:
    """Write a file with messages: topic, ms since its beginning, content."""
    beginning = Beginning(msgspec.structs.replace(HEADER, **header), {channels.MANIFEST: b"{}"})
    file = RecordingFile(path, beginning, Disk(), sync=False)
    for topic, ms, message in messages:
        file.add(topic, HEADER.started_ns + ms * 1_000_000, msgspec.json.encode(message))
        file.commit()
    file.close()
    return path


def started(layer: int) -> Event:
    return Event(kind="layer_ready", layer=layer)


def test_a_whole_recording_says_everything(recording_file: Path, square: Part) -> None:
    recording = read(recording_file)
    assert recording.problems == []
    assert recording.layers == [0, 1]
    assert [(each.layer, each.window) for each in recording.windows] == [
        (k, w) for k in range(2) for w in range(CELLS)
    ]
    assert recording.header.digest == square.digest == part_digest_of(recording)
    assert recording.configuration["printer"]["name"] == "printer-1"
    assert [event.kind for _, event in recording.events][-1] == "job_done"
    first = recording.windows[0]
    assert first.source == "coordinator"
    assert first.finished_s - first.started_s == pytest.approx(0.040, abs=1e-5)
    assert recording.map_K(1).dtype == np.float32
    assert len(recording.decisions) >= 2 * CELLS


def part_digest_of(recording: Recording) -> str:
    from thermal.manifest import decode_manifest

    return part_digest(decode_manifest(recording.manifest, "recording"))


def test_other_programs_open_it_with_a_schema_a_channel(recording_file: Path) -> None:
    with recording_file.open("rb") as file:
        summary = make_reader(file).get_summary()
        assert summary is not None
        topics = {channel.topic: channel for channel in summary.channels.values()}
        assert set(topics) == set(channels.CHANNELS)
        for topic, channel in topics.items():
            schema = summary.schemas[channel.schema_id]
            assert (schema.name, schema.encoding) == (f"cosmic.{topic}.v1", "jsonschema")
            assert msgspec.json.decode(schema.data)["type"] == "object"
        decoded = [
            msgspec.json.decode(message.data) for _, _, message in make_reader(file).iter_messages(["window"])
        ]
    assert len(decoded) == 2 * CELLS


def test_cut_off_at_any_byte_it_still_opens_and_nothing_whole_is_lost(recording_file: Path, tmp_path: Path) -> None:
    content = recording_file.read_bytes()
    whole = read(recording_file)
    begins = content.index(b'{"') + 1  # within the attachments
    seen = -1
    for end in [*range(begins + 4000, len(content), 211), len(content) - 1]:
        cut = tmp_path / recording_file.name
        cut.write_bytes(content[:end])
        left = read(cut)
        assert left.windows == whole.windows[: len(left.windows)]
        assert len(left.windows) >= seen, "what was there with fewer bytes is there with more"
        seen = len(left.windows)
    assert seen == 2 * CELLS


def test_cut_off_within_its_first_bytes_it_says_that_nothing_can_be_read(
    recording_file: Path, tmp_path: Path
) -> None:
    for end in (0, 5, 20):
        cut = tmp_path / "cut.mcap"
        cut.write_bytes(recording_file.read_bytes()[:end])
        with pytest.raises(RecordingError, match="nothing can be read"):
            read(cut)


def test_a_damaged_chunk_is_left_out_and_said(tmp_path: Path) -> None:
    path = written(tmp_path / "one.mcap", *((("event", number, started(number))) for number in range(5)))
    content = bytearray(path.read_bytes())
    place = content.find(b"zstd", content.find(b"zstd", content.find(b"zstd") + 1) + 1) + 30
    content[place] ^= 0xFF
    path.write_bytes(content)
    left = read(path)
    assert [problem.kind for problem in left.problems] == ["damaged"]
    assert left.layers == [0, 1, 3, 4]


def test_what_is_no_recording_is_named(tmp_path: Path) -> None:
    text = tmp_path / "a.mcap"
    text.write_text("layer,window\n")
    with pytest.raises(ForeignRecording, match="no MCAP file"):
        read(text)
    foreign = tmp_path / "b.mcap"
    with foreign.open("wb") as file:
        writer = Writer(file)
        writer.start()
        writer.add_metadata("camera", {"lens": "50 mm"})
        writer.finish()
    with pytest.raises(ForeignRecording, match="no recording of a job"):
        read(foreign)
    with pytest.raises(RecordingError, match="there is no such recording"):
        read(tmp_path / "absent.mcap")


def test_a_newer_format_is_refused_with_both_versions(tmp_path: Path) -> None:
    path = written(tmp_path / "new.mcap", format=channels.FORMAT + 1, agent="9.0.0")
    with pytest.raises(NewerRecording, match=r"format '2', agent 9\.0\.0.*reads up to format 1.*update the agent"):
        read(path)


def test_a_channel_of_a_newer_version_is_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "VERSIONS", {**channels.VERSIONS, "window": 2})
    window = Window(
        layer=0, window=0, cell=1, source="coordinator", outcome="on_time", epoch=0, slack_ms=1.0, guard_ms=5.0,
        deadline_s=0.1, started_s=0.1, finished_s=0.2,
    )  # fmt: skip
    path = written(tmp_path / "new.mcap", ("event", 1, started(0)), ("window", 2, window))
    left = read(path)
    assert [str(problem) for problem in left.problems] == [
        "new.mcap: 'cosmic.window.v2' is not known to this version, and left out"
    ]
    assert left.layers == [0]
    assert left.windows == []


def test_times_that_run_backwards_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "back.mcap", *(("event", ms, started(ms)) for ms in (10, 20, 15, 30)))
    left = read(path)
    assert [(each.kind, each.text) for each in left.problems] == [
        ("backwards", "times run backwards by 0.005 s at 0.015 s of the recording")
    ]
    assert left.layers == [10, 15, 20, 30]


def test_a_rotated_recording_is_read_as_one_and_a_missing_file_is_said(tmp_path: Path) -> None:
    names = ["20261121T061200Z.mcap", "20261121T061200Z.0002.mcap", "20261121T061200Z.0003.mcap"]
    for number, name in enumerate(names, 1):
        written(tmp_path / name, ("event", number, started(number)), file=number)
    assert read(tmp_path / names[0]).layers == [1, 2, 3]
    assert read(tmp_path / names[2]).layers == [1, 2, 3], "whichever of its files is named"
    (tmp_path / names[1]).unlink()
    left = read(tmp_path / names[0])
    assert left.layers == [1, 3]
    assert [(each.kind, each.where) for each in left.problems] == [("missing_file", names[2])]


def test_a_folder_names_its_newest_recording_or_says_that_it_holds_several_jobs(tmp_path: Path) -> None:
    for job, name in (("a", "20261121T061200Z.mcap"), ("a", "20261121T071200Z.mcap")):
        (tmp_path / job).mkdir(exist_ok=True)
        written(tmp_path / job / name, ("event", 1, started(int(name[10:11]))))
    assert read(tmp_path).path.name == "20261121T071200Z.mcap"
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    with pytest.raises(RecordingError, match=r"2 jobs.*a, b"):
        read(tmp_path)


@pytest.mark.parametrize("path", sorted(KEPT.glob("recording-v*.mcap")), ids=lambda path: path.name)
def test_the_recordings_of_every_version_stay_readable(path: Path) -> None:
    recording = read(path)
    assert recording.problems == []
    assert recording.header.job == "kept"
    expected = msgspec.json.decode((KEPT / f"{path.stem}.json").read_bytes())
    assert [each.cell for each in recording.windows] == expected["order"]
    assert recording.map_K(1)[:4].tolist() == expected["map_1_first_K"]
    assert len(recording.decisions) == expected["decisions"]
    assert [event.kind for _, event in recording.events] == expected["events"]


def test_there_is_a_kept_recording_of_this_version() -> None:
    assert (KEPT / f"recording-v{channels.FORMAT}.mcap").is_file()
