"""The agent without extras: from the built wheel, in an environment of its own, with nothing of the cloud."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

CLOUD_ONLY = (
    *("trimesh", "shapely", "networkx", "matplotlib", "boto3", "ray", "starlette"),
    *("aiomqtt", "paho", "numba"),
)


@pytest.fixture(scope="module")
def python() -> str:
    """The interpreter of an environment into which only the wheel without extras was installed."""
    path = os.environ.get("COSMIC_AGENT_ONLY_PYTHON", "")
    if not path:
        pytest.skip("COSMIC_AGENT_ONLY_PYTHON is not set: 'make test' makes that environment")
    return path


def test_the_agent_imports_nothing_of_the_cloud(python: str, tmp_path: Path) -> None:
    code = (
        "import sys, agent.commands, agent.service, agent.printing, fallback, protocol.sessions;"
        f"print([name for name in (*{CLOUD_ONLY!r}, 'cloud') if name in sys.modules])"
    )
    done = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_none_of_the_clouds_libraries_is_installed_with_it(python: str, tmp_path: Path) -> None:
    code = f"import importlib.util as u; print([n for n in {CLOUD_ONLY!r} if u.find_spec(n)])"
    done = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_agent_prints_a_part_on_its_own(python: str, tmp_path: Path, square_folder: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(
        f'[printer]\npart = "{square_folder}"\n'
        "[printer.simulated]\nlayers = 1\nspreading_s = 0.0\ntime_scale = 4.0\n"
    )
    command = Path(python).parent / "cosmic-agent"
    done = subprocess.run(
        [command, "run", "--config", config, "--json"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["windows"], result["fallback_disconnected"]) == (36, 36)


def test_a_recording_needs_an_extra_and_says_which(python: str, tmp_path: Path, square_folder: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(
        f'[printer]\npart = "{square_folder}"\n[recording]\ndirectory = "{tmp_path / "recordings"}"\n'
    )
    command = Path(python).parent / "cosmic-agent"
    done = subprocess.run([command, "run", "--config", config], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert 'pip install "cosmic-lpbf[recording]"' in done.stderr


def test_what_needs_the_extras_says_which(python: str, tmp_path: Path) -> None:
    solid = tmp_path / "solid.stl"
    solid.write_text("solid\nendsolid\n")
    command = Path(python).parent / "cosmic-cloud"
    done = subprocess.run(
        [command, "part", "build", solid, "-o", tmp_path / "part"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert 'pip install "cosmic-lpbf[cloud]"' in done.stderr
