"""`install-service` below a root of its own: repeatable, undone without loss."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from agent.commands import app
from agent.configuration import AgentConfiguration
from agent.service_manager import install
from cosmic import configuration
from cosmic.commands import run
from cosmic.errors import ConfigurationError

COMMAND = Path("/opt/plant/bin/cosmic-agent")
UNIT = "etc/systemd/system/cosmic-agent.service"


@pytest.fixture(autouse=True)
def _command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "command_path", lambda service: COMMAND.with_name(install.COMMANDS[service]))


def agent(*words: str | Path) -> int:
    return run(app, "cosmic-agent", [str(word) for word in words])


def files(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def steps(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    return [(step["done"], step["what"]) for step in json.loads(capsys.readouterr().out)["steps"]]


def test_an_installation_is_complete_and_starts_the_installed_command(tmp_path: Path) -> None:
    assert agent("install-service", "--root", tmp_path) == 0
    found = files(tmp_path)
    assert sorted(found) == [
        "etc/cosmic/agent.toml",
        UNIT,
        "etc/sysusers.d/cosmic.conf",
        "etc/tmpfiles.d/cosmic.conf",
    ]
    assert f"ExecStart={COMMAND} run --config /etc/cosmic/agent.toml" in found[UNIT]
    assert install.COMMANDS_IN_UNITS not in found[UNIT]
    config = tmp_path / "etc/cosmic/agent.toml"
    assert config.stat().st_mode & 0o777 == 0o640
    assert configuration.load(AgentConfiguration, config, environment={}) == AgentConfiguration()


def test_a_second_installation_changes_nothing_and_keeps_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent("install-service", "--root", tmp_path)
    config = tmp_path / "etc/cosmic/agent.toml"
    config.write_text('[printer]\nname = "m1"\n')
    before = files(tmp_path)
    capsys.readouterr()
    assert agent("install-service", "--root", tmp_path, "--json") == 0
    done = steps(capsys)
    assert {word for word, _ in done} == {"unchanged", "kept", "left to do there"}
    assert ("kept", str(config)) in done
    assert files(tmp_path) == before


def test_a_unit_that_was_changed_is_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agent("install-service", "--root", tmp_path)
    before = files(tmp_path)
    (tmp_path / UNIT).write_text("[Service]\n")
    capsys.readouterr()
    agent("install-service", "--root", tmp_path, "--json")
    assert ("wrote", str(tmp_path / UNIT)) in steps(capsys)
    assert files(tmp_path) == before


def test_a_dry_run_shows_the_files_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert agent("install-service", "--dry-run", "--root", tmp_path) == 0
    out = capsys.readouterr().out
    assert files(tmp_path) == {}
    assert "WatchdogSec=10" in out
    assert f"would write: {tmp_path / UNIT}" in out


def test_uninstalling_removes_what_was_installed_and_keeps_what_is_the_users(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent("install-service", "--root", tmp_path)
    assert agent("uninstall-service", "--dry-run", "--root", tmp_path) == 0
    assert UNIT in files(tmp_path)
    assert agent("uninstall-service", "--root", tmp_path) == 0
    assert list(files(tmp_path)) == ["etc/cosmic/agent.toml"]
    capsys.readouterr()
    assert agent("uninstall-service", "--root", tmp_path, "--json") == 0, "and again"
    assert ("absent", str(tmp_path / UNIT)) in steps(capsys)


def test_the_user_stays_while_another_service_needs_it(tmp_path: Path) -> None:
    agent("install-service", "--root", tmp_path)
    assert agent("install-service", "--coordinator", "--root", tmp_path) == 0
    agent("uninstall-service", "--root", tmp_path)
    assert sorted(files(tmp_path))[1:] == [
        "etc/systemd/system/cosmic-coordinator.service",
        "etc/sysusers.d/cosmic.conf",
        "etc/tmpfiles.d/cosmic.conf",
    ]


@pytest.mark.parametrize(
    "command", ["/home/ann/venv/bin/cosmic-agent", "/root/x/cosmic-agent", "/opt/a b/cosmic-agent"]
)
def test_a_command_that_the_service_cannot_run_is_refused(command: str) -> None:
    with pytest.raises(ConfigurationError):
        install.wanted_files("agent", Path(command), "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_without_the_right_to_write_the_remedy_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.chmod(0o500)
    assert agent("install-service", "--root", tmp_path) == 1
    assert "run it as root" in capsys.readouterr().err


def test_a_folder_in_the_way_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "etc").write_text("a file")
    assert agent("install-service", "--root", tmp_path) == 1
    err = capsys.readouterr().err
    assert str(tmp_path / "etc/sysusers.d/cosmic.conf") in err
    assert len(err.splitlines()) == 1
