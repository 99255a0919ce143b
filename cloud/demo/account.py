"""An account of the demonstration's own on this machine: S3, IAM, logs and functions, without Amazon.

The functions run what `deploy` uploads under Lambda's real runtime client. The programs that play Amazon are those
of the tests, so they are run from a clone of the project, as processes; nothing of them is imported here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cloud.demo.stage import REGION, Stage, command
from cosmic.errors import CosmicError, UsageError

CLONE = Path(__file__).parents[2]
EMULATOR = "tests.support.lambda_emulator"
START_LIMIT_S = 60.0
END_LIMIT_S = 10.0

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIADEMO",
    "AWS_SECRET_ACCESS_KEY": "demo",
    "AWS_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}
"""Credentials that open nothing: whoever has an account with Amazon must not meet it in a demonstration."""


class Account:
    """The account while it is there.

    Attributes:
        environment: variables of processes that use it.
    """

    def __init__(self, stage: Stage) -> None:
        self.environment: Mapping[str, str] = KEYS
        self._stage = stage
        self._place = ["--endpoint-url", stage.endpoint_url, "--region", REGION]

    def deploy(self) -> None:
        """Deploy the part's plan with the command a user would run; what it says goes to stderr."""
        done = self._run("deploy", str(self._stage.part), "--reports", "--yes", stdout=sys.stderr)
        if done.returncode:
            raise CosmicError(
                f"the plan could not be deployed (exit {done.returncode})", remedy="see the line above"
            )

    def destroy(self) -> dict[str, Any]:
        """Remove the deployment, and return what is left of it."""
        done = self._run("destroy", self._stage.part.name, "--yes", "--json", stdout=subprocess.PIPE)
        if not done.stdout:
            raise CosmicError(f"the deployment could not be removed (exit {done.returncode})")
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    def usage(self) -> list[dict[str, Any]]:
        """Return every invocation, as the platform counts it."""
        with urllib.request.urlopen(f"{self._stage.endpoint_url}/emulator/usage", timeout=10.0) as answer:  # noqa: S310  our own
            found: list[dict[str, Any]] = json.load(answer)
        return found

    def _run(self, *words: str, stdout: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(  # noqa: S603
            [command("cosmic-cloud"), *words, *self._place],
            check=False,
            stdout=stdout,
            env={**_without_amazon(), **self.environment},
        )


@contextmanager
def account_of(stage: Stage) -> Iterator[Account]:
    """Run the account's processes. Raises UsageError outside a clone, CosmicError where they do not start."""
    if not (CLONE / EMULATOR.replace(".", "/")).is_dir():
        raise UsageError("engine lambda is shown in a clone of the project only", remedy="use --engine local")
    ready = stage.folder / "amazon.ready"
    ready.unlink(missing_ok=True)
    words = [
        "--ready-file",
        str(ready.absolute()),
        "--port",
        stage.endpoint_url.rpartition(":")[2],
        "--paper-delays",
    ]
    log_file = stage.folder / "amazon.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", EMULATOR, *words], cwd=CLONE, stdout=log, stderr=log, env=_without_amazon()
        )
        try:
            until_s = time.monotonic() + START_LIMIT_S
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > until_s:
                    raise CosmicError(
                        "Amazon's place could not be taken",
                        where=str(log_file),
                        why=_last_line(log_file),
                        remedy="make demo ENGINE=lambda installs what is needed",
                    )
                time.sleep(0.02)
            yield Account(stage)
        finally:
            process.terminate()
            try:
                process.wait(END_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _without_amazon() -> dict[str, str]:
    """Return the environment without overrides of settings, and without whatever leads to Amazon itself."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("COSMIC_", "AWS_"))}


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
