"""The units keep what they promise: systemd finds nothing to object to, and little that an attacker could use."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[3] / "systemd"
SERVICES = ("agent", "coordinator")
EXPOSURE_MAX = 2.0

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed: apt-get install systemd"
)


def analyze(*words: str | Path) -> str:
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_the_exposure_is_at_most_2(service: str) -> None:
    said = analyze("security", "--offline=true", UNITS / f"cosmic-{service}.service")
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert float(exposure) <= EXPOSURE_MAX


@pytest.mark.parametrize("service", SERVICES)
def test_systemd_has_nothing_to_object_to(service: str, tmp_path: Path) -> None:
    text = (UNITS / f"cosmic-{service}.service").read_text()
    unit = tmp_path / f"cosmic-{service}.service"
    unit.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", text, flags=re.MULTILINE))
    said = [line for line in analyze("verify", "--man=no", unit).splitlines() if unit.name in line]
    assert said == []


def test_both_units_are_hardened_alike_but_for_the_agent_that_looks_for_cameras() -> None:
    agent, coordinator = (
        [
            line
            for line in (UNITS / f"cosmic-{service}.service")
            .read_text()
            .partition("NoNewPrivileges")[2]
            .splitlines()
            if not line.startswith("#")
        ]
        for service in SERVICES
    )
    families = "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"
    assert [line.removesuffix(" AF_NETLINK") for line in agent] == coordinator
    assert f"{families} AF_NETLINK" in agent
    assert families in coordinator
