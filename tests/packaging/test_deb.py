"""The Debian package: built as it is released, looked into with dpkg's own tools, and its agent run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SYSTEM_PYTHON = Path("/usr/bin/python3")

pytestmark = [
    pytest.mark.skipif(
        shutil.which("dpkg-deb") is None, reason="dpkg-deb is not here: packages are built on Debian"
    ),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deb")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    subprocess.run(
        [ROOT / "packaging" / "build-deb", wheel, ROOT / "requirements-agent.lock", folder],
        check=True,
        capture_output=True,
        env={**os.environ, "DEB_COMPRESSION": "none"},  # the same package, sooner
    )
    (found,) = folder.glob("*.deb")
    return found


def test_the_same_source_gives_the_same_wheel(package: Path, tmp_path: Path) -> None:
    (before,) = package.parent.glob("*.whl")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (again,) = tmp_path.glob("*.whl")
    assert again.name == before.name
    assert again.read_bytes() == before.read_bytes()


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    subprocess.run(["dpkg-deb", "--raw-extract", package, folder], check=True)
    return folder


def test_the_package_says_what_it_is_and_on_which_python_it_depends(package: Path) -> None:
    fields = subprocess.run(["dpkg-deb", "--field", package], check=True, capture_output=True, text=True).stdout
    told = dict(line.split(": ", 1) for line in fields.splitlines() if not line.startswith(" "))
    assert told["Package"] == "cosmic-agent"
    version = subprocess.run([SYSTEM_PYTHON, "--version"], check=True, capture_output=True, text=True).stdout
    minor = int(version.split(".")[1])
    assert f"python3 (>= 3.{minor}), python3 (<< 3.{minor + 1})" in told["Depends"]
    assert int(told["Installed-Size"]) > 10_000


def test_unit_user_folders_and_command_are_where_debian_looks_for_them(unpacked: Path) -> None:
    for place in (
        "lib/systemd/system/cosmic-agent.service",
        "usr/lib/sysusers.d/cosmic.conf",
        "usr/lib/tmpfiles.d/cosmic.conf",
        "usr/share/doc/cosmic-agent/changelog.gz",
    ):
        assert (unpacked / place).is_file(), place
    assert (unpacked / "usr/bin/cosmic-agent").readlink() == Path("/opt/cosmic/bin/cosmic-agent")
    unit = (unpacked / "lib/systemd/system/cosmic-agent.service").read_text()
    assert "ExecStart=/opt/cosmic/bin/cosmic-agent run" in unit


def test_nothing_in_it_names_the_place_where_it_was_built(unpacked: Path) -> None:
    command = (unpacked / "opt/cosmic/bin/cosmic-agent").read_text()
    assert command.startswith("#!/opt/cosmic/bin/python3\n")
    told = [unpacked / "opt/cosmic/pyvenv.cfg", *(unpacked / "opt/cosmic").rglob("direct_url.json")]
    assert not [path for path in told if "/tmp" in path.read_text()]
    assert not list(unpacked.rglob("__pycache__")), "byte code is made on the machine it runs on"


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_its_scripts_are_shell_that_a_shell_understands(unpacked: Path, script: str) -> None:
    path = unpacked / "DEBIAN" / script
    assert os.access(path, os.X_OK)
    subprocess.run(["/bin/sh", "-n", path], check=True)


def test_the_agent_in_it_runs_with_all_of_its_extras_and_without_the_cloud(unpacked: Path, tmp_path: Path) -> None:
    (library,) = (unpacked / "opt/cosmic/lib").glob("python3.*/site-packages")
    program = (
        "import importlib.util, sys; sys.path.insert(0, sys.argv.pop(1)); import agent.commands;"
        "import aiohttp, aiomqtt, mcap, prometheus_client, tifffile;"
        "assert not importlib.util.find_spec('trimesh'); agent.commands.main()"
    )
    config = tmp_path / "agent.toml"
    config.write_text('[printer]\nname = "press-1"\n')
    done = subprocess.run(
        [SYSTEM_PYTHON, "-I", "-c", program, library, "config", "check", "--config", config],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "can be used" in done.stdout
