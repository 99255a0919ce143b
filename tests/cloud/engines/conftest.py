"""A Ray cluster of this machine, started once, which engines enter by its address as they enter anybody's."""

from __future__ import annotations

import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cloud.engines.ray.cluster import prepare
from tests.support.amazon import credentials, end_with_parent

START_S = 100.0


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[str]:
    """Give `host:port` of a cluster of 16 processors, as far as it knows."""
    port, *agents = free_ports(5)
    address = f"127.0.0.1:{port}"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    os.environ["RAY_AUTH_MODE"] = "token"
    prepare(address)  # before Ray is imported: then it takes this machine as 127.0.0.1
    pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # short: it holds sockets
    words = ["start", "--head", "--block", f"--port={port}", "--num-cpus=16", f"--temp-dir={folder}"]
    # Ports that are known: Ray gives up after 15 s of waiting for helpers to name theirs, on a busy machine too.
    names = "dashboard-agent-grpc", "dashboard-agent-listen", "runtime-env-agent", "metrics-export"
    known = [f"--{name}-port={number}" for name, number in zip(names, agents, strict=True)]
    ray = str(Path(sys.executable).with_name("ray"))
    head = subprocess.Popen(
        [ray, *words, *known, "--include-dashboard=false", "--disable-usage-stats"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **credentials()},
        preexec_fn=end_with_parent,  # noqa: PLW1509  no lock is taken in it
    )
    try:
        wait_for_line(head, b"--block")
        yield address
    finally:
        if "ray" in sys.modules:
            sys.modules["ray"].shutdown()
        head.send_signal(signal.SIGTERM)
        head.wait()
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody had a moment ago."""
    with ExitStack() as taken:
        sockets = [taken.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def wait_for_line(process: subprocess.Popen[bytes], part: bytes) -> None:
    """Return when a process has printed `part`."""
    assert process.stdout is not None
    said = b""
    end_s = time.monotonic() + START_S
    while part not in said:
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, end_s - time.monotonic()))
        chunk = os.read(process.stdout.fileno(), 65536) if ready else b""
        assert chunk, f"the cluster did not start: {said.decode(errors='replace')}"
        said += chunk
