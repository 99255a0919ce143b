"""The coordinator that is measured: a real process, its part, and a token for every printer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from cloud.access.tokens import TokenFile
from cloud.load.printer import Work
from cosmic.errors import CosmicError, InputError
from protocol.codec import encode
from protocol.messages import Array, StartLayer
from thermal.building import build_from_outline
from thermal.operators import write_blocks
from thermal.part import write_part
from thermal.shapes import outline_of

START_LIMIT_S = 60.0
END_LIMIT_S = 10.0
MAPS = 4
INLINE: Mapping[str, object] = {"name": "inline"}
BLOCKS = (2, 1)
"""Rows and columns of the blocks of engine `local`: two workers."""

LOCAL: Mapping[str, object] = {"name": "local", "blocks_rows": BLOCKS[0], "blocks_columns": BLOCKS[1]}
DENSE_BYTES_MAX = 4_000_000_000
"""Most that operators as matrices may take on disk, bytes."""

TICKS_S = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Used:
    """What a process has used: processor seconds so far, MB (1e6 bytes) now and at most."""

    cpu_s: float
    resident_mb: float
    resident_mb_max: float


def make_work(
    parts: Path, area_cm2: float, shape: str, lookahead: int | None, spreading_s: float, *, dense: bool = False
) -> Work:
    """Write the sample part into the folder `parts` and return what is printed of it.

    dense: with its operators as matrices in BLOCKS, for engine `local`.
    Raises InputError where these would take more than DENSE_BYTES_MAX.
    """
    part = build_from_outline(outline_of(shape, area_cm2), shape)
    geometry = part.geometry_of(0)
    size = 8 * geometry.elements**2 * len(geometry.distinct_lengths)
    if dense and size > DENSE_BYTES_MAX:
        raise InputError(
            f"the operators of {area_cm2:g} cm2 take {size / 1e9:.1f} GB as matrices",
            where="--area",
            why=f"{geometry.elements} elements, {len(geometry.distinct_lengths)} distinct operators; the limit is "
            f"{DENSE_BYTES_MAX / 1e9:g} GB",
            remedy="give a smaller --area, or measure --engine inline",
        )
    part = write_part(part, parts / shape)
    if dense:
        assert part.folder is not None
        write_blocks(part.folder, part.digest, geometry, part.process, blocks=BLOCKS)
    generator = np.random.default_rng(0)
    maps = [generator.uniform(300.0, 400.0, geometry.elements).astype(np.float32) for _ in range(MAPS)]
    return Work(
        part=part.digest,
        windows_s=[float(window_s) for window_s in geometry.windows_s(part.process)],
        starts=[encode(StartLayer(layer=0, epoch=0, map=Array.of(one))) for one in maps],
        lookahead=lookahead,
        spreading_s=spreading_s,
    )


class MeasuredCoordinator:
    """`cosmic-cloud serve` on a free port of this machine.

    Attributes:
        port: it listens there.
        pid: of the process.
    """

    def __init__(
        self, folder: Path, name: str, limits: Mapping[str, object], engine: Mapping[str, object] = INLINE
    ) -> None:
        """Start it, and wait until it listens.

        folder: with the folder `parts`; files of this coordinator are called `name`.
        limits: settings of section `limits`.
        engine: those of section `engine`.
        Raises CosmicError when it does not start.
        """
        self._tokens = TokenFile(folder / f"{name}-tokens.json")
        ready, self._log = folder / f"{name}.ready", folder / f"{name}.log"
        settings: dict[str, object] = {
            "parts.directory": str(folder / "parts"),
            "tokens.file": str(self._tokens.path),
        }
        settings |= {f"limits.{key}": value for key, value in limits.items()}
        settings |= {f"engine.{key}": value for key, value in engine.items()}
        lines = [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in settings.items()]
        config = folder / f"{name}.toml"
        config.write_text("\n".join([*lines, "listen.port = 0", 'log.format = "json"', ""]))
        words = [sys.executable, "-c", "from cloud.commands import main; main()", "serve", "--config", str(config)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [*words, "--ready-file", str(ready)], stdout=log, stderr=log
            )
        self.pid = self._process.pid
        until_s = time.monotonic() + START_LIMIT_S
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > until_s:
                self.end()
                raise CosmicError("the coordinator did not start", why=self._log.read_text()[-500:])
            time.sleep(0.02)
        self.port: int = msgspec.json.decode(ready.read_bytes(), type=dict[str, Any])["port"]

    def token(self, printer: str) -> str:
        """Return a token for `printer`."""
        return self._tokens.add(printer, replace=True)

    def used(self) -> Used:
        """Return what it has used."""
        return used_by(self.pid)

    def log(self) -> list[dict[str, Any]]:
        """Return its log so far."""
        return [msgspec.json.decode(line) for line in self._log.read_bytes().splitlines() if line.startswith(b"{")]

    def end(self) -> None:
        """Ask it to end, and kill it where it does not."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(END_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def used_by(pid: int) -> Used:
    """Return what process `pid` has used. Needs Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text()
    sizes = {line.partition(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith("Vm")}
    cpu_s = (int(fields[11]) + int(fields[12])) * TICKS_S
    return Used(cpu_s, int(sizes["VmRSS"]) * 1024 / 1e6, int(sizes["VmHWM"]) * 1024 / 1e6)
