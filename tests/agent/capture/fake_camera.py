"""Aravis's fake GigE Vision camera on loopback: a real process that speaks the real protocol.

It serves Mono16 with its bytes in big-endian order, every pixel `(column + row + frame number) modulo 65535`.
"""

from __future__ import annotations

import fcntl
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.amazon import end_with_parent

PROGRAM = "arv-fake-gv-camera-0.8"
GVCP_PORT = 3956


def skip_without_aravis() -> None:
    """Skip a test visibly where the camera or the binding is missing."""
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not installed: apt-get install aravis-tools")
    binding = 'import gi; gi.require_version("Aravis", "0.8")'
    if subprocess.run(["/usr/bin/python3", "-c", binding], capture_output=True, check=False).returncode:
        pytest.skip("the Aravis binding is not installed: apt-get install python3-gi gir1.2-aravis-0.8")


class FakeCamera:
    """One camera; `unplug` kills it, `plug` starts it again."""

    def __init__(self, lost_per_thousand: int = 0) -> None:
        self._lost = lost_per_thousand
        self._process: subprocess.Popen[bytes] | None = None

    def plug(self) -> None:
        self._process = subprocess.Popen(
            [PROGRAM, "-i", "lo", "-s", "GV01", "-r", str(self._lost)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=end_with_parent,  # noqa: PLW1509  no lock is taken in it
        )

    def unplug(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _check_port_is_free() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", GVCP_PORT))
        except OSError as error:
            pytest.fail(f"another camera answers on UDP port {GVCP_PORT}: {error}")


@contextmanager
def fake_camera(lost_per_thousand: int = 0) -> Iterator[FakeCamera]:
    """Run the camera; its port is fixed, so runs of tests on one machine take turns."""
    skip_without_aravis()
    with (Path(tempfile.gettempdir()) / "cosmic-fake-camera.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _check_port_is_free()
        camera = FakeCamera(lost_per_thousand)
        camera.plug()
        try:
            yield camera
        finally:
            camera.unplug()
