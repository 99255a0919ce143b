"""Faults of what is around: disks, clocks, cameras, and a network between two machines (namespaces)."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
import subprocess
import tempfile
from datetime import datetime
from typing import Self

from tests.faults.libraries import no_compiler, preloaded
from tests.faults.network import link_down
from tests.faults.processes import command
from tests.faults.row import ALL_OF_IT, HANGING, Row, middle
from tests.faults.stage import Stage

FILE_BYTES_MAX = 20_000
AGENT_ADDRESS, COORDINATOR_ADDRESS = "10.91.0.1", "10.91.0.2"


# --- disks ----------------------------------------------------------------------------------------------------


async def disk_full(stage: Stage) -> None:
    """No file can grow beyond a limit of the system's, reached in the middle of a layer."""
    stage.agent_through = ["prlimit", f"--fsize={FILE_BYTES_MAX}"]
    stage.strikes()
    await stage.start()
    await stage.agent.event("recording_stopped")


async def file_system_full(stage: Stage) -> None:
    """The file system of the recordings has no room left, in the middle of a layer.

    It is one of the agent's own, in a mount namespace; what is on it is copied out of there at the end.
    """
    small = stage.folder / "small"
    small.mkdir()
    stage.recordings.mkdir()
    story = f'mount -t tmpfs -o size={FILE_BYTES_MAX} cosmic "$0" && "$@"; cp -r "$0/." "{stage.recordings}"'
    stage.agent_through = ["unshare", "--mount", "sh", "-c", story, str(small), "setpriv", "--pdeathsig", "KILL"]
    stage.agent_sections["recording"] = {"directory": str(small)}
    stage.strikes()
    await stage.start()
    await stage.agent.event("recording_stopped")


async def disk_read_only(stage: Stage) -> None:
    """The folder of recordings cannot be written, from the start."""
    stage.recordings.mkdir(mode=0o555)
    if os.geteuid() == 0:  # root obeys permissions only without this capability
        stage.agent_through = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]
    stage.strikes()
    await stage.start()
    await stage.agent.event("recording_stopped")


# --- cameras --------------------------------------------------------------------------------------------------


async def no_frames(stage: Stage) -> None:
    """The folder in which frames should appear stays empty."""
    folder = stage.folder / "frames"
    folder.mkdir()
    side = stage.pace.side_mm
    corners = [(u, v, u / 99 * side, v / 99 * side) for u, v in ((0, 0), (99, 0), (99, 99), (0, 99))]
    points = stage.folder / "points.csv"
    points.write_text("u_px,v_px,x_mm,y_mm\n" + "".join("{},{},{},{}\n".format(*corner) for corner in corners))
    registration = stage.folder / "registration.json"
    _run(
        [command("cosmic-agent"), "capture", "register", str(points), "--size", "100x100", "-o", str(registration)]
    )
    stage.agent_sections["capture"] = {"source": "folder", "seed": None, "limit_ms": 300.0}
    stage.agent_sections["capture.folder"] = {"directory": str(folder)}
    stage.agent_sections["capture.registration"] = {"file": str(registration)}
    stage.strikes()
    await stage.start()


# --- clocks ---------------------------------------------------------------------------------------------------


def clock(hours: int) -> Row:
    """Return the row of a wall clock that is set by `hours` in the middle of a layer."""

    async def story(stage: Stage) -> None:
        library, offset = await preloaded(stage, "wall_clock"), stage.folder / "offset"
        offset.write_bytes(struct.pack("q", 0))
        stage.agent_environment |= {"LD_PRELOAD": library, "WALL_CLOCK": str(offset)}
        await middle(stage)
        stage.strikes()
        with offset.open("r+b") as file:
            file.write(struct.pack("q", hours * 3600))
        await stage.job_ends()
        first, last = (
            datetime.fromisoformat(line["time"]) for line in (stage.agent.lines[0], stage.agent.lines[-1])
        )
        assert abs((last - first).total_seconds() - hours * 3600) < 600, "the agent saw another wall time"

    return Row(f"clock{hours:+d}h", f"wall clock set by {hours:+d} h", story, missing=no_compiler)


# --- a cable --------------------------------------------------------------------------------------------------


class Cable:
    """Two network namespaces and a pair of interfaces between them; nothing of the machine's own is touched."""

    async def __aenter__(self) -> Self:
        self._holders = [
            await asyncio.create_subprocess_exec(
                "setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sh", "-c", "echo; exec sleep 600",
                stdout=asyncio.subprocess.PIPE,
            )
            for _ in range(2)
        ]  # fmt: skip
        for holder in self._holders:
            assert holder.stdout is not None
            await holder.stdout.readline()
        near, far = (str(holder.pid) for holder in self._holders)
        in_near = ["nsenter", "-t", near, "-n"]
        in_far = ["nsenter", "-t", far, "-n"]
        _run([*in_near, "ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", far])
        for inside, name, address in ((in_near, "near", AGENT_ADDRESS), (in_far, "far", COORDINATOR_ADDRESS)):
            _run([*inside, "ip", "link", "set", "lo", "up"])
            _run([*inside, "ip", "address", "add", f"{address}/24", "dev", name])
            _run([*inside, "ip", "link", "set", name, "up"])
        self.agent_side, self.coordinator_side = in_near, in_far
        return self

    async def __aexit__(self, *_error: object) -> None:
        for holder in self._holders:
            holder.kill()
            await holder.wait()

    def cut(self) -> None:
        """Cut it."""
        _run([*self.coordinator_side, "ip", "link", "set", "far", "down"])

    def mend(self) -> None:
        """Mend it."""
        _run([*self.coordinator_side, "ip", "link", "set", "far", "up"])


async def cable_cut_briefly(stage: Stage) -> None:
    """Cut and mended within a second: TCP sends again what was lost."""
    async with Cable() as cable:
        await _over(cable, stage)
        stage.strikes()
        cable.cut()
        await asyncio.sleep(0.5)
        cable.mend()
        stage.over()
        await stage.job_ends()


async def cable_cut(stage: Stage) -> None:
    """Cut until the agent has noticed, then mended."""
    async with Cable() as cable:
        await _over(cable, stage)
        stage.strikes()
        cable.cut()
        await link_down(stage)
        cable.mend()
        stage.over()
        await stage.job_ends()


async def _over(cable: Cable, stage: Stage) -> None:
    stage.agent_through, stage.coordinator_through = cable.agent_side, cable.coordinator_side
    stage.url = f"ws://{COORDINATOR_ADDRESS}:{stage.port}/v1/agent"
    stage.coordinator_sections["listen"] = {"host": COORDINATOR_ADDRESS}
    await middle(stage)


def no_namespaces() -> str:
    """Return why no cable can be cut here."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "network namespaces need root and iproute2"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "network namespaces are not allowed here"


def no_mounts() -> str:
    """Return why no process can have a file system of its own here."""
    if os.geteuid() != 0:
        return "mount namespaces need root"
    with tempfile.TemporaryDirectory() as folder:
        words = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=16k", "cosmic", folder]
        tried = subprocess.run(words, capture_output=True, check=False)
    return "" if tried.returncode == 0 else "mount namespaces are not allowed here"


def _run(words: list[str]) -> None:
    subprocess.run(words, check=True, capture_output=True)


ROWS = [
    Row("cable-brief", "cable cut for 0.5 s (veth down)", cable_cut_briefly, ALL_OF_IT, missing=no_namespaces),
    Row("cable", "cable cut until noticed (veth down)", cable_cut, HANGING, missing=no_namespaces),
    Row("disk-full", f"no file can grow beyond {FILE_BYTES_MAX // 1000} kB", disk_full, loses=True),
    Row("file-system-full", "file system of the recordings full", file_system_full, loses=True, missing=no_mounts),
    Row("disk-read-only", "folder of recordings cannot be written", disk_read_only, loses=True),
    clock(1),
    clock(-1),
    Row("no-frames", "no frame ever appears in the camera's folder", no_frames),
]
