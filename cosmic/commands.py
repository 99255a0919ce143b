"""What all commands share: exit codes, one-line errors, `--json` and `--debug`.

Exit codes: 0 done, 1 failed, 2 the command's words or its input are wrong, 130 interrupted.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from cosmic import __version__
from cosmic.errors import CosmicError, UsageError

# typer carries a click of its own since 0.20: its exceptions are found through typer, whichever it is.
_UsageException: type[Exception] = typer.BadParameter.__mro__[2]

PIPE_COLUMNS = 140
"""Width of tables where there is no terminal to ask."""

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout; everything else goes to stderr.")
]
"""The `--json` that every command takes."""

DebugOption = Annotated[bool, typer.Option("--debug", help="Let a traceback through.")]
"""The `--debug` that every command takes; `run` acts on it."""


def console() -> Console:
    """Return the terminal for everything but the result: progress, tables and errors go to stderr."""
    return _wide(Console(stderr=True, highlight=False))


def result_console() -> Console:
    """Return where tables of results go: stdout."""
    return _wide(Console(highlight=False))


def _wide(console: Console) -> Console:
    """Give a pipe or a file the room that tables need; a terminal has its own width."""
    if not console.is_terminal:
        console.width = max(console.width, PIPE_COLUMNS)
    return console


def print_json(document: Any) -> None:
    """Print `document` as the one JSON document of a command on stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")
    sys.stdout.flush()


def print_lines(*lines: str) -> None:
    """Print lines of a result on stdout."""
    sys.stdout.write("".join(line + "\n" for line in lines))
    sys.stdout.flush()


def print_version(wanted: bool) -> None:
    """Print the version and leave, where `--version` was given."""
    if wanted:
        print_lines(__version__)
        raise typer.Exit(0)


VersionOption = Annotated[
    bool, typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True)
]


def use_uvloop() -> None:
    """Run event loops on uvloop from now on, where it is installed."""
    try:
        import uvloop  # noqa: PLC0415  optional
    except ImportError:
        return
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def run(app: typer.Typer, name: str, arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code; whatever goes wrong is one line on stderr.

    `--debug`, anywhere among the words, lets a traceback through; `--json` makes an error a JSON document on
    stdout as well, so that a program that reads the result can read the refusal.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        code = app(args=words, prog_name=name, standalone_mode=False)
    except CosmicError as error:
        if debug:
            raise
        return _fail(str(error), error.exit_code, error.as_dict() if "--json" in words else None)
    except typer.Exit as leave:
        return int(leave.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return _fail("interrupted", EXIT_INTERRUPTED, None)
    except _UsageException as error:
        context = getattr(error, "ctx", None)  # of the command that was asked for, with its group
        asked = name if context is None else context.command_path
        usage = UsageError(error.format_message(), where=asked, remedy=f"see '{asked} --help'")  # type: ignore[attr-defined]
        return _fail(str(usage), EXIT_USAGE, usage.as_dict() if "--json" in words else None)
    except BrokenPipeError:  # the reader of our output went away: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except Exception as error:
        if debug:
            raise
        line = f"{name}: unexpected {type(error).__name__}: {error} - run again with --debug and report it"
        return _fail(line, EXIT_FAILED, None)
    if code == EXIT_INTERRUPTED:  # typer turns ^C into this code without a word
        return _fail("interrupted", EXIT_INTERRUPTED, None)
    return code if isinstance(code, int) else 0


def _fail(line: str, code: int, document: dict[str, str] | None) -> int:
    sys.stderr.write(" ".join(line.split()) + "\n")
    if document is not None:
        print_json(document)
    return code
