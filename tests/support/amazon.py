"""A server that speaks enough of Amazon's S3, IAM, STS and Lambda control plane: moto, as a process on loopback.

It checks no signatures and runs no functions: `rclone serve s3` does the first, tests.support.lambda_emulator
the second.
"""

from __future__ import annotations

import ctypes
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

REGION = "eu-central-1"
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have the kernel end this process when its parent is gone, however it went (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def amazon_server() -> Iterator[str]:
    """Run the server on a free port; give its address. Skips the test where it is not installed."""
    import pytest

    pytest.importorskip("moto", reason="moto[server] is not installed: S3, IAM and Lambda cannot be tested")
    pytest.importorskip("flask", reason="moto[server] is not installed: S3, IAM and Lambda cannot be tested")
    pytest.importorskip("boto3", reason="boto3 is not installed (extra aws)")
    with moto_server() as address:
        yield address


@contextmanager
def moto_server() -> Iterator[str]:
    """Run the server on a free port; give its address. Raises RuntimeError where it does not start."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=end_with_parent,  # noqa: PLW1509  no lock is taken in it
    )
    try:
        yield _address(process)
    finally:
        process.kill()
        process.wait()


def read_on(stream: IO[str]) -> None:
    """Read a server's log to its end: a pipe that nobody reads would fill, and stop the server."""

    def read() -> None:
        with suppress(ValueError):  # it was closed
            for _ in stream:
                pass

    threading.Thread(target=read, daemon=True).start()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        found = re.search(r"Running on (http://127\.0\.0\.1:\d+)", line)
        if found:
            read_on(process.stderr)
            return found[1]
    raise RuntimeError(f"the server did not start: {''.join(said)}")


def client_of(service: str, address: str) -> Any:
    """Return a client of a server, with credentials that it does not check."""
    from boto3.session import Session

    session = Session(aws_access_key_id="AKIATEST", aws_secret_access_key="test", region_name=REGION)
    return session.client(service, endpoint_url=address)


def credentials() -> dict[str, str]:
    """Return variables that have credentials which the server does not check, and nothing of this machine's own."""
    return {
        "AWS_CONFIG_FILE": "/nowhere/config",
        "AWS_SHARED_CREDENTIALS_FILE": "/nowhere/credentials",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "NO_PROXY": "127.0.0.1,localhost",
    }


def amazon_session(monkeypatch: pytest.MonkeyPatch, key: str = "AKIATEST", secret: str = "test") -> None:  # noqa: S107
    """Set credentials for a test, and keep boto3 from reading this machine's own."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**credentials(), "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}.items():
        monkeypatch.setenv(name, value)
