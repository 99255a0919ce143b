"""`cosmic-cloud bench link` with few workers and rounds: the ways answer the same question."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

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
