"""`cosmic-agent config` as its user types it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.commands import app
from agent.configuration import AgentConfiguration
from cosmic import configuration
from cosmic.commands import run


def agent(*words: str | Path) -> int:
    return run(app, "cosmic-agent", [str(word) for word in words])


def values(capsys: pytest.CaptureFixture[str], *words: str | Path) -> dict[str, Any]:
    assert agent("config", "effective", "--json", *words) == 0
    return {one["key"]: one for one in json.loads(capsys.readouterr().out)["values"]}


def test_the_skeleton_is_a_configuration_of_defaults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert agent("config", "print") == 0
    printed = tmp_path / "agent.toml"
    printed.write_text(capsys.readouterr().out)
    assert configuration.load(AgentConfiguration, printed, environment={}) == AgentConfiguration()


def test_every_line_of_the_skeleton_uncommented_is_a_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert agent("config", "print") == 0
    text = capsys.readouterr().out
    settings = [
        line[1:] if line.startswith("#") and line[1:2] not in ("", " ") else line for line in text.splitlines()
    ]
    printed = tmp_path / "agent.toml"
    printed.write_text("\n".join(settings))
    loaded = configuration.load(AgentConfiguration, printed, environment={})
    assert loaded.uplink.ping_timeout_s == 4.0
    told = msgspec.to_builtins(AgentConfiguration())
    assert {key: set(section) for key, section in tomllib.loads(printed.read_text()).items()} == {
        key: set(section) for key, section in told.items()
    }, "every setting is there"
    assert "# How long before the end of the current cell the next one must be with the driver, ms." in text


def test_a_configuration_that_can_be_used_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "agent.toml"
    config.write_text('[printer]\nname = "m1"\n')
    assert agent("config", "check", "--config", config) == 0
    assert "can be used" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[printer]\nguard_ms = -1.0", "printer.guard_ms"),
        ('[uplnk]\nurl = "ws://x"', "did you mean uplink?"),
        ('[uplink]\nurl = "ws://x"\ntoken_file = "absent"', "uplink.token_file"),
        ('[mqtt]\nhost = "x"\nsite = "a/#"', "mqtt.site"),
        ("[printer\n", "is not TOML"),
    ],
)
def test_a_bad_value_is_named_in_one_line_with_exit_2(
    tmp_path: Path, text: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(text)
    assert agent("config", "check", "--config", config) == 2
    err = capsys.readouterr().err
    assert says in err
    assert len(err.splitlines()) == 1


def test_every_value_says_where_it_came_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text('[printer]\nname = "m1"\n[printer.simulated]\nlayers = 3\n[mqtt]\nsite = "hall"\n')
    monkeypatch.setenv("COSMIC_MQTT__SITE", "yard")
    monkeypatch.setenv("COSMIC_LOG__LEVEL", "debug")
    found = values(capsys, "--config", config)
    assert found["printer.name"] == {"key": "printer.name", "value": "m1", "source": str(config)}
    assert found["printer.simulated.layers"]["source"] == str(config)
    assert (found["mqtt.site"]["value"], found["mqtt.site"]["source"]) == ("yard", "COSMIC_MQTT__SITE")
    assert (found["log.level"]["value"], found["log.level"]["source"]) == ("debug", "COSMIC_LOG__LEVEL")
    assert (found["uplink.lookahead"]["value"], found["uplink.lookahead"]["source"]) == (None, "default")


def test_a_password_in_an_address_is_not_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COSMIC_UPLINK__URL", "wss://m1:hunter2@host:8470/v1/agent?token=hunter2")
    assert values(capsys)["uplink.url"]["value"] == "wss://***@host:8470/v1/agent?***"
    assert agent("config", "effective") == 0
    out = capsys.readouterr().out
    assert "hunter2" not in out
    assert "COSMIC_UPLINK__URL" in out
