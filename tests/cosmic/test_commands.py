"""Commands: exit codes, one line for every error, JSON where asked, a traceback only with --debug."""

from __future__ import annotations

import json

import pytest
import typer

from cosmic import __version__
from cosmic.commands import DebugOption, JsonOption, VersionOption, print_json, run
from cosmic.errors import CosmicError, PartError

app = typer.Typer(pretty_exceptions_enable=False)


@app.callback()
def _common(version: VersionOption = False) -> None:
    pass


@app.command("do")
def do(how: str, json: JsonOption = False, debug: DebugOption = False) -> None:
    match how:
        case "well":
            print_json({"done": True})
        case "badly":
            raise CosmicError("it broke", remedy="mend it")
        case "wrongly":
            raise PartError("no such part", where="gear", remedy="build it")
        case "interrupted":
            raise KeyboardInterrupt
        case _:
            raise ValueError("two\nlines")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["do", "well"], 0, ""),
        (["do", "badly"], 1, "it broke - mend it\n"),
        (["do", "wrongly"], 2, "gear: no such part - build it\n"),
        (["do", "interrupted"], 130, "interrupted\n"),
        (["do"], 2, "prog do: Missing argument 'how'. - see 'prog do --help'\n"),
        (["do", "well", "--wrong"], 2, "prog do: No such option '--wrong'. - see 'prog do --help'\n"),
        (["sing"], 2, "prog: No such command 'sing'. - see 'prog --help'\n"),
    ],
)
def test_every_end_has_its_code_and_one_line(
    words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(app, "prog", words) == code
    err = capsys.readouterr().err
    assert len(err.splitlines()) <= 1
    if "option" not in said:
        assert err == said
    else:
        assert "--wrong" in err


def test_what_nobody_expected_is_one_line_as_well_and_says_how_to_report_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(app, "prog", ["do", "else"]) == 1
    assert capsys.readouterr().err == (
        "prog: unexpected ValueError: two lines - run again with --debug and report it\n"
    )


@pytest.mark.parametrize(("how", "kind"), [("badly", CosmicError), ("else", ValueError)])
def test_debug_lets_the_traceback_through(how: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        run(app, "prog", ["do", how, "--debug"])


def test_with_json_an_error_is_a_document_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, "prog", ["do", "wrongly", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "PartError"
    assert run(app, "prog", ["do", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "UsageError"


def test_the_version_is_printed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, "prog", ["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"
