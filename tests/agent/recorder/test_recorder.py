"""Recording beside the printing: nothing waits for it, what is lost is counted, what is full is said."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from agent.observers import MachineFault, RecordingStopped
from agent.recorder import recorder as recorder_module
from agent.recorder.channels import JobHeader
from agent.recorder.reading import read
from agent.recorder.recorder import Limits, Recorder
from agent.recorder.shelf import FileName, free_name, prune, recordings_in
from agent.recorder.writing import Disk
from agent.status import Status, StatusEvent, Subject
from tests.support.recordings import RecordedJob
from thermal.part import Part

CELLS = 36
HEADER = JobHeader(
    job="job", part="part", digest="0" * 64, printer="printer", started="2026-11-21T06:12:00.5Z", started_ns=10**18
)


def recorder(directory: Path, disk: Disk | None = None, *, attachments: Any = None, **limits: Any) -> Recorder:
    """Return a recorder that writes as soon as it is closed, or every 10 ms."""
    limits = {"bytes_max": 1 << 30, "file_bytes_max": 1 << 30, "flush_s": 0.01, "sync": False} | limits
    return Recorder(Limits(directory=directory, **limits), HEADER, attachments or {}, disk=disk)


async def until(reached: Callable[[], bool]) -> None:
    """Poll until something is so."""
    async with asyncio.timeout(10.0):
        while not reached():
            await asyncio.sleep(0.002)


def faults_in(path: Path) -> list[str]:
    return [event.text for _, event in read(path).events if event.kind == "fault"]


async def test_what_was_noted_is_on_disk_without_the_file_being_ended(tmp_path: Path) -> None:
    keeper = recorder(tmp_path)
    keeper.start()
    keeper.observe(MachineFault("door open"))
    await until(lambda: keeper.counts.written.total() == 1)
    assert faults_in(keeper.path) == ["door open"]
    assert [problem.kind for problem in read(keeper.path).problems] == ["truncated"]
    await keeper.close()
    assert read(keeper.path).problems == []
    assert keeper.counts.bytes == keeper.path.stat().st_size


async def test_log_lines_are_kept_but_for_those_that_other_channels_hold(tmp_path: Path) -> None:
    keeper = recorder(tmp_path)
    keeper.start()
    keeper.log_line("warning", "no_frame", {"layer": 3, "path": Path("/frames")})
    keeper.log_line("info", "window", {"layer": 3})
    await keeper.close()
    (line,) = [each.message for each in read(keeper.path).log]
    assert (line.level, line.event, line.fields) == ("warning", "no_frame", {"layer": 3, "path": "/frames"})  # type: ignore[attr-defined]


@pytest.mark.parametrize("limit", [{"file_bytes_max": 1}, {"chunks_max": 1}])
async def test_files_are_rotated_by_size_and_by_chunks_and_read_as_one(tmp_path: Path, limit: Any) -> None:
    keeper = recorder(tmp_path, **limit)
    keeper.start()
    for number in range(3):
        keeper.observe(MachineFault(f"fault {number}"))
        await until(lambda number=number: keeper.counts.files == number + 2)
    await keeper.close()
    names = sorted(path.name for path in keeper.folder.iterdir())
    assert names[0] == "20261121T061200Z.0002.mcap"
    assert len(names) == 4
    assert faults_in(keeper.path) == ["fault 0", "fault 1", "fault 2"]


async def test_the_oldest_recordings_make_room_and_the_newest_never_go(tmp_path: Path) -> None:
    old = [tmp_path / job / f"2026112{day}T061200Z.mcap" for job, day in (("b", 0), ("a", 1))]
    for path in old:
        path.parent.mkdir()
        path.write_bytes(bytes(5000))
    (tmp_path / "a" / "notes.txt").write_text("not ours")
    keeper = recorder(tmp_path, bytes_max=8000, attachments={"part.json": os.urandom(7000)})
    keeper.start()
    keeper.observe(MachineFault("door open"))
    await keeper.close()
    assert [path.name for path in recordings_in(tmp_path)] == [keeper.path.name]
    assert keeper.counts.removed == 2
    assert not old[0].parent.exists(), "a job without recordings has no folder"
    assert (tmp_path / "a" / "notes.txt").exists()
    assert prune(tmp_path, 1, tmp_path / "none").removed == []


def test_two_starts_in_one_second_have_two_names(tmp_path: Path) -> None:
    first = free_name(tmp_path, "20261121T061200Z")
    (tmp_path / str(first)).touch()
    second = free_name(tmp_path, "20261121T061200Z")
    assert (str(first), str(second)) == ("20261121T061200Z.mcap", "20261121T061200Z-1.mcap")
    assert FileName.of(tmp_path / str(second)) == second
    assert FileName.of(tmp_path / "holiday.mcap") is None


def full_after(bytes_max: int) -> Disk:
    """A disk with room for so many bytes: the write that fills it is a short one, as the system does it."""
    left = bytes_max

    def write(fd: int, content: bytes) -> int:
        nonlocal left
        if left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = os.write(fd, content[:left])
        left -= taken
        return taken

    return Disk(write=write)


def test_a_full_disk_stops_the_recording_alone_and_says_so(square: Part, tmp_path: Path) -> None:
    job = RecordedJob(square, tmp_path, disk=full_after(9_000), flush_ms=50.0)
    heard: list[Subject | StatusEvent] = []
    status = Status("job")
    status.listen(heard.append)
    stopped: list[RecordingStopped] = []

    class Bystander:
        def observe(self, happening: object) -> None:
            if isinstance(happening, RecordingStopped):
                stopped.append(happening)
                status.observe(happening)

    async def watch(job: RecordedJob) -> None:
        job.printing.observers.add(Bystander())
        while not stopped:
            await asyncio.sleep(0.001)
            await asyncio.to_thread(threading.Event().wait, 0.001)  # virtual time passes; the disk's is real

    with capture_logs() as lines:
        path = job.print(watch)
    (alarm,) = [line for line in lines if line["event"] == "recording_stopped"]
    assert (alarm["cause"], alarm["log_level"]) == ("No space left on device", "error")
    assert "free disk space" in alarm["remedy"]
    assert [each.cause for each in stopped] == ["No space left on device"]
    assert any(isinstance(each, StatusEvent) and each.kind == "recording_stopped" for each in heard)
    assert job.printing.tally.windows == 2 * CELLS
    assert job.printing.tally.fallbacks == 0, "printing goes on as if nothing were"
    left, counts = read(path), job.recorder.counts
    assert [problem.kind for problem in left.problems] == ["truncated"], "cut back to its last whole chunk"
    assert counts.written.total() == len(left.messages) + len(left.maps) + len(left.log)
    assert counts.lost > 0
    assert path.stat().st_size == counts.bytes <= 9_000
    (closed,) = [line for line in lines if line["event"] == "recording_closed"]
    assert (closed["whole"], closed["lost"]) == (False, counts.lost)


def test_a_slow_disk_costs_no_window(square: Part, tmp_path: Path) -> None:
    slow = threading.Event()

    def write(fd: int, content: bytes) -> int:
        slow.wait(0.5)
        return os.write(fd, content)

    job = RecordedJob(square, tmp_path, disk=Disk(write=write), flush_ms=50.0)
    path = job.print()
    assert job.printing.tally.fallbacks == 0
    assert job.printing.tally.slack_s_min is not None
    assert job.printing.tally.slack_s_min >= 0.0
    assert len(read(path).windows) == 2 * CELLS, "late, and whole"
    assert job.recorder.counts.lost == 0


async def test_what_a_slow_disk_cannot_take_is_counted_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "MESSAGES_MAX", 10)
    may_write = threading.Event()

    def write(fd: int, content: bytes) -> int:
        may_write.wait(10.0)
        return os.write(fd, content)

    keeper = recorder(tmp_path, Disk(write=write))
    keeper.start()
    for number in range(25):
        keeper.observe(MachineFault(f"fault {number}"))
    assert keeper.counts.lost == 15
    may_write.set()
    await keeper.close()
    left = read(keeper.path)
    assert faults_in(keeper.path) == [f"fault {number}" for number in range(10)]
    (gap,) = [problem for problem in left.problems if problem.kind == "lost"]
    assert gap.text.startswith("15 messages were lost at ")


async def test_a_folder_that_cannot_be_written_stops_the_recording_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    keeper = recorder(tmp_path / "file" / "recordings")
    keeper.start()
    await until(lambda: keeper.failed is not None)
    keeper.observe(MachineFault("door open"))
    await keeper.close()
    assert keeper.failed == "Not a directory"
    assert keeper.counts.lost == 1


def test_the_same_job_is_recorded_the_same(square: Part, tmp_path: Path) -> None:
    def content(directory: Path) -> list[bytes]:
        path = RecordedJob(square, directory).print()
        recording = read(path)
        said = [msgspec.json.encode((each.at_s, each.message)) for each in recording.messages]
        return said + [msgspec.json.encode(each) for each in recording.maps.values()]

    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_no_secret_is_recorded(square: Part, tmp_path: Path) -> None:
    from agent.configuration import AgentConfiguration, Uplink
    from agent.recorder.beginning import without_secrets

    settings = AgentConfiguration(
        uplink=Uplink(url="wss://me:hush@host/v1/agent?key=hush", token_file="/etc/token")
    )
    assert b"hush" not in msgspec.json.encode(without_secrets(settings))
