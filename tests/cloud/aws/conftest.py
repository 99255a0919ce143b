"""An account of one's own: control plane and S3 (moto) behind one address with the Lambda emulator in front."""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloud.aws.clients import Amazon
from cloud.configuration import AwsSettings, EngineSettings
from cloud.plans import Plan
from tests.support.amazon import REGION, amazon_server, amazon_session
from tests.support.lambda_emulator import LambdaEmulator
from thermal.part import Part

COMMAND = [sys.executable, "-c", "import cloud.commands; cloud.commands.main()"]
_numbers = itertools.count()


@dataclass
class Account:
    """Where commands and clients of a test go."""

    emulator: LambdaEmulator
    amazon: Amazon
    part: Part
    wheels: Path
    folder: Path
    name: str = field(default_factory=lambda: f"plate-{next(_numbers)}")

    def plan(self, **changes: Any) -> Path:
        """Write a plan of the part; return its file."""
        settings = {"rows": 1, "columns": 1, "groups": 2, "mode": "reuse", "memory_mb": 512, **changes}
        plan = Plan(part=self.part.digest, engine="lambda", **settings)
        path = self.folder / "plan.json"
        path.write_bytes(msgspec.json.encode(plan))
        return path

    def engine_settings(self, **changes: Any) -> EngineSettings:
        """Return the settings of a coordinator that uses this account's deployment."""
        aws = AwsSettings(deployment=self.name, region=REGION, endpoint_url=self.emulator.address)
        settings = {"apply_timeout_ms": 20_000.0, "load_timeout_s": 60.0, **changes}
        return EngineSettings(name="lambda", aws=aws, **settings)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of cosmic-cloud against this account."""
        place = ["--endpoint-url", self.emulator.address, "--region", REGION]
        return subprocess.run([*COMMAND, *words, *place], capture_output=True, text=True, check=False)

    def deploy(self, plan: Path, *words: str) -> Any:
        """Deploy a plan and return what the command says."""
        done = self.run("deploy", str(plan), "--part", str(self.part.folder), *self.options(*words))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)[0]

    def options(self, *words: str) -> list[str]:
        return ["--deployment", self.name, "--wheels", str(self.wheels), "--yes", "--json", *words]

    def unpack(self, bucket: str) -> None:
        """Give the emulator the code that was deployed."""
        s3 = self.amazon.client("s3")
        (key,) = [
            one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix=f"cosmic/{self.name}/code/")["Contents"]
        ]
        content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(self.folder / "code")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """S3, IAM, STS and Lambda's control plane; each module has its own account."""
    with amazon_server() as address:
        yield address


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A wheel in numpy's place, so that nothing is downloaded: the functions of tests have this machine's numpy."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    name = f"numpy-{metadata.version('numpy')}-cp313-cp313-manylinux_2_28_aarch64.whl"
    with zipfile.ZipFile(folder / name, "w") as archive:
        archive.writestr("numpy.libs/libarm.so.1", b"\x7fELF")
        archive.writestr("numpy/tests/test_left_out.py", b"")
    return folder


@pytest.fixture
def account(
    server: str, part: Part, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Account]:
    """An account in which nothing is deployed."""
    pytest.importorskip("awslambdaric", reason="awslambdaric is not installed: functions cannot be run")
    amazon_session(monkeypatch)
    code = tmp_path / "code"
    code.mkdir()
    with LambdaEmulator(control_plane=server, code=code, init_limit_s=60.0) as emulator:
        yield Account(emulator, Amazon(REGION, emulator.address), part, wheels, tmp_path)


Environ = Callable[[], dict[str, str]]


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
