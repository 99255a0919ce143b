"""`cosmic-agent` as its user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.commands import app
from cosmic.commands import run


def agent(*words: str | Path) -> int:
    return run(app, "cosmic-agent", [str(word) for word in words])


def test_help_names_the_commands_and_gives_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert agent("--help") == 0
    out = capsys.readouterr().out
    assert "cosmic-agent run --config agent.toml" in out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "printer.part: no part is named"),
        ('[printer]\npart = "absent"', "absent"),
        ('[printer]\nprat = "gear"', "did you mean part?"),
        ('[printer]\npart = "{part}"\n[fallback]\norder = "randm"', "did you mean 'random'?"),
        ('[printer]\npart = "{part}"\n[uplink]\nurl = "ws://x"\ntoken_file = "absent"', "the token cannot be read"),
    ],
)
def test_what_keeps_it_from_starting_is_one_line_with_exit_2(
    tmp_path: Path, square_folder: Path, text: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(text.replace("{part}", str(square_folder)))
    assert agent("run", "--config", config) == 2
    err = capsys.readouterr().err
    assert says in err
    assert len(err.splitlines()) == 1


def test_with_json_a_refusal_is_a_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert agent("run", "--config", tmp_path / "absent.toml", "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"] == "ConfigurationError"
