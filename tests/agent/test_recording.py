"""Maps on disk: written beside the printing, and a disk that fails stops the recording alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from structlog.testing import capture_logs

from agent.recording import MapRecording

MAP = np.linspace(290.0, 900.0, 100, dtype=np.float32)


async def test_every_map_comes_back_bit_for_bit(tmp_path: Path) -> None:
    recording = MapRecording(tmp_path / "job", bytes_max=10_000)
    recording.keep(0, MAP)
    recording.keep(12, MAP * 2)
    await recording.close()
    assert np.load(tmp_path / "job" / "layer-00012-map.npy").tobytes() == (MAP * 2).tobytes()
    assert sorted(path.name for path in (tmp_path / "job").iterdir()) == [
        "layer-00000-map.npy",
        "layer-00012-map.npy",
    ]


async def test_over_the_limit_recording_stops_with_an_alarm_and_keeps_what_it_has(tmp_path: Path) -> None:
    recording = MapRecording(tmp_path, bytes_max=MAP.nbytes)
    with capture_logs() as lines:
        for layer in range(4):
            recording.keep(layer, MAP)
        await recording.close()
    assert [path.name for path in tmp_path.iterdir()] == ["layer-00000-map.npy"]
    (alarm,) = [line for line in lines if line["event"] == "recording_stopped"]
    assert "recording.bytes_max" in alarm["remedy"]


async def test_a_folder_that_cannot_be_written_stops_the_recording_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    recording = MapRecording(tmp_path / "file" / "job", bytes_max=10_000)
    recording.keep(0, MAP)
    await recording.close()
    assert recording.failed is not None
    recording.keep(1, MAP)
    await recording.close()
