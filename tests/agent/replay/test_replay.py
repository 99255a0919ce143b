"""A recorded job printed again: the same decisions, whatever had happened; differences with both sides' reasons."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from agent.commands import app
from agent.recorder.errors import OtherPart, RecordingError
from agent.recorder.reading import Recording, read
from agent.replay.faults import Disconnect, Faults, parse_faults
from agent.replay.parts import part_of
from agent.replay.run import Choices, replay
from cloud.access.tokens import TokenFile
from cosmic.commands import run
from cosmic.errors import RefusedError, UsageError
from tests.support.recordings import RecordedJob
from thermal.part import Part, load_part

CELLS = 36
FAST = Choices(speed=1000.0, wait=True)


async def cut_and_mend(job: RecordedJob) -> None:
    """Lose the coordinator for ten windows: longer than the buffer of four holds."""
    assert job.coordinator is not None
    await job.window_reached(0, 10)
    job.coordinator.cut("cable pulled")
    await job.window_reached(0, 20)
    job.coordinator.connect()


@pytest.fixture(scope="module")
def printed(square_folder: Path) -> Part:
    return load_part(square_folder)


@pytest.fixture(scope="module")
def whole(printed: Part, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers, every window decided in time."""
    return RecordedJob(printed, tmp_path_factory.mktemp("whole")).print()


@pytest.fixture(scope="module")
def lossy(printed: Part, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers, the link lost and found again in the first."""
    return RecordedJob(printed, tmp_path_factory.mktemp("lossy")).print(cut_and_mend, lookahead=4)


def command(*words: object) -> subprocess.CompletedProcess[str]:
    path = Path(sys.executable).parent / "cosmic-agent"
    return subprocess.run([path, *map(str, words)], capture_output=True, text=True, check=False, timeout=60)


def said(*words: object) -> int:
    """Run the command in this process; return its exit code."""
    try:
        return run(app, "cosmic-agent", list(map(str, words)))
    finally:
        structlog.reset_defaults()


def test_the_command_says_that_every_decision_is_the_same(whole: Path) -> None:
    done = command("replay", whole.parent, "--offline", "--speed", "1000", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["same"], told["problems"]) == (True, [])
    found = told["comparison"]
    assert (found["windows"], found["decided"], found["same_decisions"]) == (2 * CELLS, 2 * CELLS, 2 * CELLS)
    assert found["same_percent"] == 100.0
    assert found["first_difference"] is None
    assert found["slack_recorded"]["windows"] == found["slack_replayed"]["windows"] == 2 * (CELLS - 1)


def test_losses_of_the_link_and_what_was_scanned_in_them_are_printed_again(lossy: Path, printed: Part) -> None:
    recording = read(lossy)
    fallbacks = [(each.layer, each.window) for each in recording.windows if each.source == "fallback"]
    assert len(fallbacks) >= 5
    outcome = replay(recording, printed, FAST)
    found = outcome.comparison
    assert found.same
    assert (found.recorded_fallbacks, found.new_fallbacks) == (len(fallbacks), 0)
    assert found.decided == found.same_decisions == 2 * CELLS - len(fallbacks)
    last_s = recording.windows[-1].finished_s
    assert outcome.recorded_s == pytest.approx(last_s - recording.events[0][0], abs=0.5), "in the recording's time"


def test_a_job_without_a_coordinator_is_printed_again_as_it_was(printed: Part, tmp_path: Path) -> None:
    path = RecordedJob(printed, tmp_path, layers=1).print(absent=True)
    found = replay(read(path), printed, FAST).comparison
    assert (found.same, found.decided, found.recorded_fallbacks) == (True, 0, CELLS)


def test_another_rule_differs_and_both_sides_give_their_reasons(whole: Path, printed: Part) -> None:
    found = replay(read(whole), printed, Choices(speed=1000.0, wait=True, rule="propagated")).comparison
    assert not found.same
    first = found.first_difference
    assert first is not None
    assert first.recorded.cell != first.replayed.cell
    assert first.replayed.rank == 1, "by the rule that decided the replay"
    assert first.recorded.rank is not None
    assert first.recorded.rank > 1
    assert first.best[0].cell == first.replayed.cell
    scores = [each.score_K2 for each in first.best]
    assert scores == sorted(scores)
    assert first.recorded.score_K2 is not None
    assert first.recorded.score_K2 > scores[0]


def test_added_delay_costs_fallbacks_with_their_cause_and_exit_1(
    printed: Part, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = RecordedJob(printed, tmp_path, layers=1).print(lookahead=4)
    capsys.readouterr()
    assert said("replay", path, "--offline", "--speed", "200", "--fault", "delay=1500ms", "--json") == 1
    told = json.loads(capsys.readouterr().out)["comparison"]
    assert told["new_fallbacks"] > 0
    first = told["first_difference"]
    assert (first["window"], first["recorded"]["source"], first["replayed"]["source"]) == (
        0,
        "coordinator",
        "fallback",
    )
    assert first["replayed"]["outcome"] == "fallback_timeout"


def test_a_recording_cut_short_is_printed_as_far_as_it_goes(lossy: Path, printed: Part, tmp_path: Path) -> None:
    cut = tmp_path / lossy.name
    whole = read(lossy)
    content = lossy.read_bytes()
    cut.write_bytes(content[: len(content) * 7 // 10])
    recording = read(cut)
    assert 0 < len(recording.windows) <= len(whole.windows)
    assert recording.problems
    found = replay(recording, printed, FAST).comparison
    assert found.same
    assert found.windows == len(recording.windows)


def test_times_that_run_backwards_cannot_be_printed_again(whole: Path, printed: Part) -> None:
    recording = read(whole)
    recording.problems.append(read_backwards(recording))
    with pytest.raises(RecordingError, match=r"times run backwards.*can still read this one"):
        replay(recording, printed, FAST)


def read_backwards(recording: Recording) -> Any:
    from agent.recorder.reading import Problem

    return Problem("backwards", recording.path.name, "times run backwards by 0.005 s")


def test_a_recording_without_maps_cannot_be_printed_again(whole: Path, printed: Part) -> None:
    recording = read(whole)
    recording.maps.clear()
    with pytest.raises(RecordingError, match="no layer can be printed again"):
        replay(recording, printed, FAST)


def test_another_part_is_named_by_both_digests(
    whole: Path, printed: Part, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(printed.folder or "", other)
    manifest = json.loads((other / "part.json").read_bytes())
    (other / "part.json").write_text(json.dumps({**manifest, "name": "other"}))
    with pytest.raises(OtherPart, match=f"'other'.*{printed.digest[:12]}"):
        part_of(read(whole), other, None)
    assert said("replay", whole, "--offline", "--part", other) == 2
    assert "this is another part" in capsys.readouterr().err


def test_a_part_that_is_nowhere_is_named(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    recording = read(whole)
    recording.configuration["printer"]["part"] = str(tmp_path / "gone")
    with pytest.raises(RecordingError, match=r"is not here.*--part"):
        part_of(recording, None, None)


@pytest.fixture
def coordinator(square_folder: Path, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A coordinator as a process: its address and a file with a token."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "token").write_text(TokenFile(tmp_path / "tokens.json").add("printer-1", replace=True))
    (tmp_path / "coordinator.toml").write_text(
        f'[listen]\nhost = "127.0.0.1"\nport = {port}\n'
        f'[parts]\ndirectory = "{square_folder.parent}"\n[tokens]\nfile = "{tmp_path / "tokens.json"}"\n'
        '[engine]\nname = "inline"\n'
    )
    ready = tmp_path / "ready"
    serve = [Path(sys.executable).parent / "cosmic-cloud", "serve", "--config", tmp_path / "coordinator.toml"]
    with subprocess.Popen([*serve, "--ready-file", ready], stdout=subprocess.DEVNULL) as process:
        try:
            asyncio.run(_until_there(ready, process))
            yield f"ws://127.0.0.1:{port}/v1/agent", str(tmp_path / "token")
        finally:
            process.terminate()


async def _until_there(path: Path, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(30.0):
        while not path.exists():
            assert process.poll() is None
            await asyncio.sleep(0.02)


def test_a_real_coordinator_decides_the_same_and_gives_the_part(
    coordinator: tuple[str, str],
    lossy: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, token_file = coordinator
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for path in (whole, lossy):
        words = ("--against", url, "--token-file", token_file, "--speed", "20", "--json")
        assert said("replay", path, *words) == 0
        found = json.loads(capsys.readouterr().out)["comparison"]
        assert found["same_percent"] == 100.0
        assert found["same_order"] == 2 * CELLS
    recording = read(whole)
    recording.configuration["printer"]["part"] = "/gone"
    from agent.configuration import Uplink

    fetched = part_of(recording, None, Uplink(url=url, token_file=token_file))
    assert fetched.digest == recording.header.digest
    assert fetched.folder is not None
    assert fetched.folder.is_relative_to(tmp_path / "cache")


def test_a_coordinator_that_is_not_there_or_refuses_is_named(whole: Path, printed: Part, tmp_path: Path) -> None:
    from agent.configuration import Uplink

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{probe.getsockname()[1]}/v1/agent"  # bound, and not listening
        choices = Choices(speed=1000.0, against=Uplink(url=url), wait=True, patience_s=0.3)
        with pytest.raises(RefusedError, match=r"ws://127.*cannot connect.*start the coordinator"):
            replay(read(whole), printed, choices)


def test_faults_are_read_with_their_units() -> None:
    assert parse_faults(["delay=50ms,loss=2%", "disconnect=12s+3.5s"]) == Faults(
        0.05, 0.02, [Disconnect(12.0, 3.5)]
    )
    assert parse_faults(["loss=0.5"]).loss == 0.5
    assert not parse_faults([]).any


@pytest.mark.parametrize("text", ["delay=50", "loss=100%", "disconnect=3s", "jitter=1ms", "delay"])
def test_what_is_no_fault_is_named_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no fault.*for example"):
        parse_faults([text])


def test_who_decides_must_be_said(whole: Path) -> None:
    for words in ((), ("--offline", "--against", "ws://127.0.0.1:1/v1/agent")):
        assert said("replay", whole, *words) == 2
