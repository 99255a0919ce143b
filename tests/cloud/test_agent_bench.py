"""`cosmic-cloud bench agent` on real processes, and what the kernel says of a process."""

from __future__ import annotations

import json
import os

import pytest

from cloud.agent_bench.usage import usage_of
from cloud.commands import app
from cosmic.commands import run


def test_the_kernel_counts_memory_and_descriptors_of_a_process() -> None:
    before = usage_of(os.getpid())
    held = bytearray(os.urandom(1)) * 50_000_000
    with open(os.devnull) as _file:  # noqa: PTH123  one descriptor more
        after = usage_of(os.getpid())
    assert len(held) == 50_000_000
    assert after.resident_mb - before.resident_mb > 45.0
    assert after.own_mb <= after.resident_mb
    assert after.descriptors == before.descriptors + 1
    assert after.cpu_s >= before.cpu_s


def test_a_process_that_is_gone_uses_nothing() -> None:
    with pytest.raises(OSError, match="No such file"):
        usage_of(2**22 + 1)


def test_the_agent_is_measured_idle_and_printing(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(app, "cosmic-cloud", ["bench", "agent", "--area", "1", "--seconds", "1", "--starts", "1", "--json"])
        == 0
    )
    said = json.loads(capsys.readouterr().out)
    assert said["cells"] > 0
    assert [target["what"] for target in said["targets"]] == [
        "start to ready",
        "idle, resident",
        "idle, of a core",
        "printing, resident",
        "printing, of a core",
    ]
    assert 10.0 < said["idle"]["resident_mb"] <= said["printing"]["resident_mb"] + 5.0
