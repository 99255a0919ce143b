"""Kills an agent that records, again and again (kill -9), and looks: `python benchmarks/recording_kills.py 200`.

Every recording must open; at most the last second before the kill may be missing; the next start must go on beside
it. What really happened is known from the agent's log lines, which are read through a pipe while it prints.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapely.geometry import box

from agent.recorder.reading import Recording, read
from agent.recorder.shelf import recordings_in
from thermal.building import build_from_outline
from thermal.part import write_part
from thermal.process import Process

MISSING_S_MAX = 1.0


@dataclass(frozen=True, slots=True)
class Left:
    """What a kill left behind.

    Attributes:
        problems: what the reader said.
        windows: windows in the recording.
        missing_s: how much of what the agent had logged is not in it, seconds before the kill.
    """

    problems: list[str]
    windows: int
    missing_s: float


def prepare(folder: Path) -> Path:
    """Make a part and a configuration; return the configuration."""
    process = Process(element_m=2e-4, speed_m_s=0.08, spreading_s=0.2)
    write_part(
        build_from_outline(box(0, 0, 4.8, 4.8), "square", process, layers=40, island_mm=0.8), folder / "part"
    )
    config = folder / "agent.toml"
    config.write_text(
        f'[printer]\npart = "{folder / "part"}"\njob = "kills"\n'
        "[printer.simulated]\ntime_scale = 4.0\n"
        f'[recording]\ndirectory = "{folder / "recordings"}"\n'
    )
    return config


def kill_once(folder: Path, config: Path, after_s: float) -> Left:
    """Start the agent, kill it `after_s` seconds after its first window, and look at what is left."""
    command = [str(Path(sys.executable).parent / "cosmic-agent"), "run", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as agent:
        assert agent.stdout is not None
        for line in agent.stdout:
            if b'"window"' in line or b'"printing"' in line:
                break
        time.sleep(after_s)
        agent.send_signal(signal.SIGKILL)
        killed_ns = time.time_ns()
        logged = [json.loads(line) for line in agent.stdout.read().splitlines() if line.endswith(b"}")]
    recording = read(recordings_in(folder / "recordings")[-1])
    return Left(
        [str(each) for each in recording.problems], len(recording.windows), _missing_s(recording, logged, killed_ns)
    )


def _missing_s(recording: Recording, logged: list[dict[str, Any]], killed_ns: int) -> float:
    """Return how long before the kill the first logged window ended that is not in the recording, seconds."""
    kept = {(window.layer, window.window) for window in recording.windows}
    lost = [line for line in logged if line["event"] == "window" and (line["layer"], line["window"]) not in kept]
    if not lost:
        return 0.0
    last_s = max((at_s for at_s in (each.at_s for each in recording.messages)), default=0.0)
    return (killed_ns - recording.header.started_ns) / 1e9 - last_s


def main() -> int:
    """Kill it so many times; return 1 where a promise is broken."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    generator = random.Random(1)  # noqa: S311  moments, not secrets
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = prepare(folder)
        lefts = []
        for number in range(1, times + 1):
            lefts.append(kill_once(folder, config, generator.uniform(0.0, 2.0)))
            if number % 10 == 0:
                print(f"{number} kills: at most {max(left.missing_s for left in lefts):.3f} s missing", flush=True)
        files = len(recordings_in(folder / "recordings"))
    missing = sorted(left.missing_s for left in lefts)
    used = sum(left.windows > 0 for left in lefts)
    print(f"kills {times}, recordings that open {files}, of them with windows {used}")
    print(f"missing before the kill: median {missing[len(missing) // 2]:.3f} s, at most {missing[-1]:.3f} s")
    return int(files != times or missing[-1] > MISSING_S_MAX)


if __name__ == "__main__":
    sys.exit(main())
