"""Real agents that record: killed at any moment, and where the system lets no file grow any further."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
from pathlib import Path

from agent.recorder.reading import read
from agent.recorder.shelf import recordings_in
from benchmarks.recording_kills import MISSING_S_MAX, kill_once, prepare

KILLS = 3
FILE_BYTES_MAX = 12_000


def test_after_a_kill_every_recording_opens_and_the_next_start_goes_on(tmp_path: Path) -> None:
    config = prepare(tmp_path)
    generator = random.Random(3)
    for number in range(1, KILLS + 1):
        left = kill_once(tmp_path, config, generator.uniform(0.0, 0.8))
        assert left.missing_s <= MISSING_S_MAX
        assert len(recordings_in(tmp_path / "recordings")) == number
        assert ["truncated" in problem or "not ended" in problem for problem in left.problems] == [True]


def test_where_no_file_can_grow_the_agent_prints_on_and_says_so(tmp_path: Path) -> None:
    config = prepare(tmp_path)
    config.write_text(config.read_text().replace("[printer.simulated]", "[printer.simulated]\nlayers = 4"))
    command = [Path(sys.executable).parent / "cosmic-agent", "run", "--config", config]

    def no_more() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))

    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=no_more, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    (stopped,) = [line for line in lines if line["event"] == "recording_stopped"]
    assert (stopped["cause"], stopped["level"]) == ("File too large", "error")
    (job,) = [line for line in lines if line["event"] == "job"]
    assert job["windows"] == 4 * 36
    (closed,) = [line for line in lines if line["event"] == "recording_closed"]
    left = read(Path(closed["path"]))
    assert len(left.messages) + len(left.maps) + len(left.log) == closed["messages"] > 0
    assert closed["lost"] > 0
    assert Path(closed["path"]).stat().st_size == closed["bytes"] <= FILE_BYTES_MAX
