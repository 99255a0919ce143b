"""Writes the recording that later versions must still read, once a version of the format.

Run it from the project's folder: python -m tests.data.make_recording
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
from shapely.geometry import box

from agent.recorder import channels
from agent.recorder.reading import read
from tests.support.recordings import RecordedJob
from thermal.building import build_from_outline
from thermal.process import Process

HERE = Path(__file__).parent


async def _cut_and_mend(job: RecordedJob) -> None:
    assert job.coordinator is not None
    await job.window_reached(0, 4)
    job.coordinator.cut()
    await job.window_reached(0, 9)
    job.coordinator.connect()


def main() -> None:
    """Write the recording and what stands in it."""
    process = Process(element_m=2e-4, speed_m_s=0.08, spreading_s=1.0)
    part = build_from_outline(box(0, 0, 3.2, 3.2), "square", process, layers=2, island_mm=0.8)
    with tempfile.TemporaryDirectory() as folder:
        job = RecordedJob(part, Path(folder), name="kept")
        content = job.print(_cut_and_mend, lookahead=2).read_bytes()
    path = HERE / f"recording-v{channels.FORMAT}.mcap"
    path.write_bytes(content)
    recording = read(path)
    expected = {
        "order": [window.cell for window in recording.windows],
        "map_1_first_K": recording.map_K(1)[:4].tolist(),
        "decisions": len(recording.decisions),
        "events": [event.kind for _, event in recording.events],
    }
    path.with_suffix(".json").write_bytes(msgspec.json.encode(expected) + b"\n")


if __name__ == "__main__":
    main()
