"""The schemas that editors check configuration files by, with an independent implementation of JSON Schema."""

from __future__ import annotations

import json
import tomllib

import jsonschema
import msgspec
import pytest

import agent.commands
import cloud.commands
from agent.configuration import AgentConfiguration
from cloud.configuration import CoordinatorSettings
from cosmic.commands import run
from cosmic.editor_schema import editor_schema
from cosmic.sections import sections

MODELS = [AgentConfiguration, CoordinatorSettings]


@pytest.mark.parametrize("model", MODELS)
def test_the_schema_is_one_and_every_value_and_section_is_explained(model: type[msgspec.Struct]) -> None:
    schema = editor_schema(model, "settings")
    jsonschema.Draft202012Validator.check_schema(schema)
    for section in sections(model):
        definition = schema["$defs"][section.model.__name__]
        assert definition["description"] == section.about
        for value in section.values:
            assert definition["properties"][value.name].get("description", "") == value.about


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[printer]\nguard_ms = 4.5\n[uplink]\nlookahead = 3\n", None),
        ("[printer]\nguard_ms = -1.0\n", "guard_ms"),
        ("[printer]\nguard = 4.5\n", "printer"),
        ('[log]\nlevel = "loud"\n', "level"),
        ("[uplink]\nlookahead = 0\n", "lookahead"),
    ],
)
def test_an_editor_finds_what_a_start_would_refuse(text: str, wrong: str | None) -> None:
    schema = editor_schema(AgentConfiguration, "settings")
    found = list(jsonschema.Draft202012Validator(schema).iter_errors(tomllib.loads(text)))
    assert [error.path[-1] for error in found] == ([] if wrong is None else [wrong])


@pytest.mark.parametrize(
    ("app", "command"), [(agent.commands.app, "cosmic-agent"), (cloud.commands.app, "cosmic-cloud")]
)
def test_both_commands_print_their_schema(app: object, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, command, ["config", "schema"]) == 0  # type: ignore[arg-type]
    jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))
