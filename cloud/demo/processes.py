"""The two processes of a demonstration, and what they used."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from cloud.demo.stage import Stage, command
from cosmic.errors import CosmicError

START_LIMIT_S = 30.0
END_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process used: CPU and wall seconds, largest resident size in MB (1e6 bytes)."""

    cpu_s: float
    wall_s: float
    resident_mb: float


class CoordinatorProcess:
    """`cosmic-cloud serve` on the stage's configuration; can be killed and started again.

    environment: variables that it gets beside this process's.
    """

    def __init__(self, stage: Stage, environment: Mapping[str, str] | None = None) -> None:
        self._stage = stage
        self._environment = {**_clean_environment(), **(environment or {})}
        self._log: BinaryIO = stage.coordinator_log.open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._ended = False

    def start(self) -> None:
        """Start it, without waiting for it to listen; does nothing once `end` was called."""
        with self._lock:
            if self._ended:
                return
            self._stage.ready_file.unlink(missing_ok=True)
            words = ["serve", "--config", str(self._stage.coordinator_config)]
            words += ["--ready-file", str(self._stage.ready_file)]
            self._process = subprocess.Popen(  # noqa: S603
                [command("cosmic-cloud"), *words], stdout=self._log, stderr=self._log, env=self._environment
            )

    def wait_until_listening(self) -> None:
        """Wait until it listens. Raises CosmicError when it ends instead, or takes too long."""
        until_s = time.monotonic() + START_LIMIT_S
        while not self._stage.ready_file.exists():
            process = self._process
            if process is None or process.poll() is not None or time.monotonic() > until_s:
                raise CosmicError(
                    "the coordinator did not start", where=str(self._stage.coordinator_log), remedy="read its log"
                )
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill it at once (SIGKILL)."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()

    def end(self) -> None:
        """Ask it to end, and kill it where it does not."""
        with self._lock:
            self._ended = True
            process = self._process
            if process is not None:
                process.terminate()
                try:
                    process.wait(timeout=END_LIMIT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            self._log.close()


class AgentProcess:
    """`cosmic-agent run` on the stage's configuration; its log lines are read while it prints."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._began_s = time.monotonic()
        self._stderr: BinaryIO = (stage.folder / "agent.stderr").open("wb")
        self._process = subprocess.Popen(  # noqa: S603
            [command("cosmic-agent"), "run", "--config", str(stage.agent_config)],
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=_clean_environment(),
        )
        self.usage: Usage | None = None

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the agent's log lines as they come, keeping them in its log file; ends with the agent.

        Raises CosmicError when it fails.
        """
        output = self._process.stdout
        assert output is not None
        with self._stage.agent_log.open("wb") as log:
            for line in output:
                log.write(line)
                yield msgspec.json.decode(line, type=dict[str, Any])
        _, status, used = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.monotonic() - self._began_s
        self.usage = Usage(used.ru_utime + used.ru_stime, wall_s, used.ru_maxrss * 1024 / 1e6)
        if self._process.returncode:
            said = (self._stage.folder / "agent.stderr").read_text().strip()
            raise CosmicError(
                f"the agent ended with exit {self._process.returncode}: {said}",
                where=str(self._stage.agent_log),
                remedy="read its log",
            )

    def end(self) -> None:
        """Stop it, if it still runs."""
        if self._process.returncode is None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        self._stderr.close()


def export_maps(stage: Stage) -> Path:
    """Write the maps of the recording to a folder, with the command a user would run; return the recording.

    Raises CosmicError when there is no recording, or it cannot be read.
    """
    words = ["export", str(stage.recordings), "--map", "all", "-o", str(stage.maps)]
    done = subprocess.run(  # noqa: S603
        [command("cosmic-agent"), *words], check=False, capture_output=True, text=True, env=_clean_environment()
    )
    if done.returncode:
        raise CosmicError(f"the recording cannot be read: {done.stderr.strip()}", where=str(stage.recordings))
    return next(stage.recordings.glob("*/*.mcap"))


def write_report(recording: Path) -> Path:
    """Write the report of a recording beside it, with the command a user would run; return it.

    Raises CosmicError when it cannot be written.
    """
    output = recording.with_name("report.html")
    words = ["report", str(recording), "-o", str(output)]
    done = subprocess.run(  # noqa: S603
        [command("cosmic-agent"), *words], check=False, capture_output=True, text=True, env=_clean_environment()
    )
    if done.returncode:
        raise CosmicError(f"the report cannot be written: {done.stderr.strip()}", where=str(recording))
    return output


def _clean_environment() -> Mapping[str, str]:
    """Return the environment without overrides of settings, which were meant for other processes."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COSMIC_")}
