"""`cosmic-cloud bench link` with few workers and rounds: the ways answer the same question."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import psutil
import pytest

from cloud.link.measuring.rounds import COUNTED_MIN, WARM, Rounds

COMMAND = [sys.executable, "-c", "import cloud.commands; cloud.commands.main()", "bench", "link"]


def test_ways_are_measured_side_by_side() -> None:
    words = ["--workers", "2", "--rounds", "10", "--passes", "1", "--json"]
    ways = [
        word for way in ("bare sockets", "cloud.link", "asyncio streams", "websockets") for word in ("--way", way)
    ]
    done = subprocess.run([*COMMAND, *words, *ways], capture_output=True, text=True, check=True)
    results = json.loads(done.stdout)["results"]
    assert [one["way"] for one in results] == ["bare sockets", "cloud.link", "asyncio streams", "websockets"]
    assert all(0.0 < one["median_ms"] <= one["p99_ms"] for one in results)


@pytest.mark.parametrize("words", [["--way", "pigeons"], ["--workers", "0"]])
def test_what_cannot_be_measured_is_refused_in_one_line(words: list[str]) -> None:
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_rounds_end_with_the_time_but_for_the_fewest() -> None:
    assert list(Rounds(50, 60.0)) == list(range(WARM + 50))
    assert list(Rounds(50, 0.0)) == list(range(WARM + COUNTED_MIN))


@pytest.mark.parametrize(
    ("way", "number"),
    [
        ("shared memory, eventfd", signal.SIGTERM),
        ("bare sockets", signal.SIGINT),
        ("shared memory, eventfd", signal.SIGKILL),
    ],
)
def test_workers_end_with_the_command_however_it_ends(way: str, number: signal.Signals) -> None:
    words = ["--workers", "2", "--rounds", "100000", "--passes", "1", "--way", way]
    running = subprocess.Popen([*COMMAND, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process = psutil.Process(running.pid)
        while len(workers := process.children()) < 2:
            assert running.poll() is None
        running.send_signal(number)
        running.wait()
        assert psutil.wait_procs(workers, timeout=30.0)[1] == []
    finally:
        if running.poll() is None:
            running.kill()
            running.wait()
