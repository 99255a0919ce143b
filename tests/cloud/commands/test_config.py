"""`cosmic-cloud config` as its user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloud.commands import app
from cloud.configuration import CoordinatorSettings, load_settings
from cosmic.commands import run


def cloud(*words: str | Path) -> int:
    return run(app, "cosmic-cloud", [str(word) for word in words])


def test_the_skeleton_is_a_configuration_of_defaults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cloud("config", "print") == 0
    printed = tmp_path / "coordinator.toml"
    printed.write_text(capsys.readouterr().out)
    assert load_settings(printed) == CoordinatorSettings()
    assert cloud("config", "check", "--config", printed) == 0


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[listen]\ncertificate_file = "nowhere.pem"\nkey_file = "nowhere.pem"\n', "nowhere.pem"),
        ('[listen]\ncertificate_file = "alone.pem"\n', "go together"),
        ('[engine]\nname = "inlin"\n', "engine.name"),
        ("[engine]\ngruops = 2\n", "did you mean groups?"),
    ],
)
def test_what_a_start_would_refuse_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, named: str
) -> None:
    config = tmp_path / "coordinator.toml"
    config.write_text(text)
    assert cloud("config", "check", "--config", config) == 2
    assert named in capsys.readouterr().err


def test_tokens_that_cannot_be_read_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tokens.json").write_text("{")
    config = tmp_path / "coordinator.toml"
    config.write_text(f'[tokens]\nfile = "{tmp_path}/tokens.json"\n')
    assert cloud("config", "check", "--config", config) == 2
    assert "tokens.json" in capsys.readouterr().err


def test_every_value_in_force_says_where_it_came_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "coordinator.toml"
    config.write_text("[listen]\nport = 9000\n")
    monkeypatch.setenv("COSMIC_LISTEN__HOST", "::1")
    assert cloud("config", "effective", "--config", config, "--json") == 0
    values = {one["key"]: (one["value"], one["source"]) for one in json.loads(capsys.readouterr().out)["values"]}
    assert values["listen.port"] == (9000, str(config))
    assert values["listen.host"] == ("::1", "COSMIC_LISTEN__HOST")
    assert values["engine.name"] == ("inline", "default")
