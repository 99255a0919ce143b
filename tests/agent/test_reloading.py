"""SIGHUP on a real agent: read again between layers, said what changed, what needs a restart, and what is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

AGENT = [sys.executable, "-c", "import agent.commands; agent.commands.main()"]


class Running:
    """An agent whose log lines are read as they come."""

    def __init__(self, config: Path) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("COSMIC_")}
        self.process = subprocess.Popen(
            [*AGENT, "run", "--config", str(config)], stdout=subprocess.PIPE, text=True, env=environment
        )

    def until(self, event: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the next line of `event`, and those before it."""
        assert self.process.stdout is not None
        before = []
        for text in self.process.stdout:
            line = json.loads(text)
            if line["event"] == event:
                return line, before
            before.append(line)
        raise AssertionError(f"the agent ended without {event}: {before[-3:]}")


@pytest.fixture
def config(square_folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "agent.toml"
    path.write_text(text(square_folder))
    return path


def text(part: Path, **changes: str) -> str:
    printer = changes.get("printer", "")
    level = changes.get("level", "info")
    return (
        f'[printer]\nname = "press-1"\npart = "{part}"\n{printer}'
        f'[printer.simulated]\ntime_scale = 3.0\nspreading_s = 0.3\n[log]\nlevel = "{level}"\n'
    )


@pytest.fixture
def running(config: Path) -> Iterator[Running]:
    found = Running(config)
    yield found
    found.process.kill()
    found.process.wait()
    assert found.process.stdout is not None
    found.process.stdout.close()


def test_what_can_be_changed_is_changed_after_the_layer_and_the_rest_is_named(
    running: Running, config: Path, square_folder: Path
) -> None:
    running.until("window")
    changed = "start_wait_ms = 7.0\nguard_ms = 6.0\n"
    config.write_text(text(square_folder, printer=changed).replace("press-1", "press-2"))
    running.process.send_signal(signal.SIGHUP)
    running.until("reloading")
    line, before = running.until("reloaded")
    assert any(one["event"] == "layer" for one in before), "not in the middle of a layer"
    assert line["changed"] == {"printer.start_wait_ms": 7.0}
    assert line["need_restart"] == ["printer.guard_ms", "printer.name"]
    window, _ = running.until("window")
    assert window["guard_ms"] == 5.0, "what needs a restart stays"


def test_a_configuration_that_cannot_be_used_changes_nothing_and_is_named(
    running: Running, config: Path, square_folder: Path
) -> None:
    running.until("window")
    config.write_text(text(square_folder, printer="guard = 6.0\n"))
    running.process.send_signal(signal.SIGHUP)
    line, _ = running.until("not_reloaded")
    assert "did you mean guard_ms?" in line["cause"]
    config.write_text(text(square_folder, level="warning"))
    running.process.send_signal(signal.SIGHUP)
    assert running.process.wait(timeout=60) == 0, "it prints on to its end"
    assert running.process.stdout is not None
    rest = [json.loads(line)["event"] for line in running.process.stdout]
    assert rest.count("layer") <= 2, "fewer lines once the level is `warning`"
    assert "job" not in rest
