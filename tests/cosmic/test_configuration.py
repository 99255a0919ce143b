"""Configuration: typed, overridable, and every mistake is named with its place and the remedy."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from agent.configuration import AgentConfiguration
from cosmic.configuration import load
from cosmic.errors import ConfigurationError


class Lists(msgspec.Struct, forbid_unknown_fields=True):
    numbers: list[int] = msgspec.field(default_factory=list)


class Whole(msgspec.Struct, forbid_unknown_fields=True):
    section: Lists = msgspec.field(default_factory=Lists)


def write(folder: Path, text: str) -> Path:
    path = folder / "agent.toml"
    path.write_text(text)
    return path


def test_without_a_file_the_defaults_hold() -> None:
    assert load(AgentConfiguration, None, environment={}) == AgentConfiguration()


def test_the_file_sets_values_and_the_environment_overrides_them(tmp_path: Path) -> None:
    path = write(tmp_path, '[uplink]\nurl = "ws://one"\nlookahead = 3\n[printer.simulated]\nlayers = 5\n')
    environment = {
        "COSMIC_UPLINK__URL": "ws://two",
        "COSMIC_PRINTER__SIMULATED__TIME_SCALE": "2.5",
        "COSMIC_UPLINK__LOOKAHEAD": "null",
        "COSMIC_LOG__PRETTY": "true",
        "OTHER__URL": "ignored",
    }
    settings = load(AgentConfiguration, path, environment=environment)
    assert (settings.uplink.url, settings.uplink.lookahead) == ("ws://two", None)
    assert (settings.printer.simulated.layers, settings.printer.simulated.time_scale) == (5, 2.5)
    assert settings.log.pretty is True


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[uplnk]\nurl = "x"', "unknown key uplnk"),
        ('[uplink]\nulr = "x"', "did you mean url?"),
        ("[printer.simulated]\nlayer = 3", "unknown key printer.simulated.layer"),
        ("[printer]\nguard_ms = -1.0", "printer.guard_ms: Expected `float` >= 0.0"),
        ('[printer]\nguard_ms = "5"', "printer.guard_ms: Expected `float`, got `str`"),
        ('[printer]\ndriver = "laser"', "printer.driver: Invalid enum value 'laser'"),
        ("[printer", "is not TOML"),
    ],
)
def test_a_mistake_in_the_file_names_the_file_the_value_and_the_remedy(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(AgentConfiguration, write(tmp_path, text), environment={})
    assert says in str(caught.value)
    assert "agent.toml" in caught.value.where
    assert caught.value.remedy
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("COSMIC_UPLINK__ULR", "x", "did you mean url?"),
        ("COSMIC_UPLNK__URL", "x", "did you mean uplink?"),
        ("COSMIC_UPLINK__URL__HOST", "x", "uplink.url has no keys of its own"),
        ("COSMIC_UPLINK__LOOKAHEAD", "many", "uplink.lookahead"),
        ("COSMIC_UPLINK__LOOKAHEAD", "[1", "uplink.lookahead"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(name: str, value: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=name) as caught:
        load(AgentConfiguration, None, environment={name: value})
    assert says in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml.*cannot be read"):
        load(AgentConfiguration, tmp_path / "absent.toml", environment={})


def test_a_value_out_of_range_from_the_environment_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="COSMIC_CAPTURE__RESIDUAL"):
        load(AgentConfiguration, None, environment={"COSMIC_CAPTURE__RESIDUAL": "2"})


def test_a_list_can_come_from_the_environment() -> None:
    assert load(Whole, None, environment={"COSMIC_SECTION__NUMBERS": "[1, 2]"}).section.numbers == [1, 2]
