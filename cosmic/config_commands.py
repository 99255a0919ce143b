# ruff: noqa: PLC0415  slow imports wait until the command is really run
"""The `config` commands of a service: its settings printed, checked, explained, and as a schema for editors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from cosmic.commands import DebugOption, JsonOption, print_json, print_lines

ConfigOption = Annotated[Path | None, typer.Option("--config", help="TOML file; unset: defaults and environment.")]

_Model = TypeVar("_Model", bound=msgspec.Struct)


def config_app(
    command: str, file: str, model: Callable[[], type[_Model]], check_more: Callable[[_Model], None]
) -> typer.Typer:
    """Return the `config` commands of `command`.

    Args:
        command: the program, for the examples.
        file: usual name of its configuration file.
        model: returns the configuration's type; called when a command runs, so that `--help` is quick.
        check_more: checks what the types cannot (files that are named, topics); raises CosmicError.
    """
    app = typer.Typer(
        help="Print, check and explain the configuration.",
        epilog=f"Example: {command} config print > {file}",
        no_args_is_help=True,
    )

    @app.command("print", epilog=f"Example: {command} config print > {file}")
    def print_skeleton(
        json: JsonOption = False,
        debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
    ) -> None:
        """Print a configuration file to begin with: every setting, commented, at its default."""
        from cosmic.skeleton import skeleton

        if json:
            print_json(msgspec.to_builtins(model()()))
        else:
            print_lines(skeleton(model(), head(command)).rstrip("\n"))

    @app.command("check", epilog=f"Example: {command} config check --config {file}")
    def check(
        config: ConfigOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
    ) -> None:
        """Say whether the configuration can be used; exit 2 and one line that names the bad value where not.

        The file, its keys and values and the files that it names are checked; nothing is connected.
        """
        from cosmic import configuration

        check_more(configuration.load(model(), config))
        if json:
            print_json({"ok": True, "config": str(config or "")})
        else:
            print_lines(f"{config or 'defaults and environment'}: can be used")

    @app.command("effective", epilog=f"Example: {command} config effective --config {file} --json")
    def effective(
        config: ConfigOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
    ) -> None:
        """Print every value in force and where it came from: default, the file, or an environment variable."""
        from cosmic import configuration

        _, values = configuration.load_with_sources(model(), config)
        if json:
            print_json(
                {"values": [{"key": one.key, "value": shown(one.value), "source": one.source} for one in values]}
            )
            return
        texts = [(one.key, msgspec.json.encode(shown(one.value)).decode(), one.source) for one in values]
        widths = [max(len(row[column]) for row in texts) for column in range(2)]
        print_lines(*(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {source}" for key, value, source in texts))

    @app.command("schema", epilog=f"Example: {command} config schema > {Path(file).stem}.schema.json")
    def schema(
        json: JsonOption = False,  # noqa: ARG001  it is JSON in any case
        debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
    ) -> None:
        """Print the JSON schema of the configuration file, for editors that complete and check TOML by one.

        Name it in the file's first line: #:schema FILE
        """
        from cosmic.editor_schema import editor_schema

        print_json(editor_schema(model(), f"{file}, the settings of {command}"))

    return app


def head(command: str) -> str:
    """Return the first lines of a skeleton."""
    return (
        f"The settings of {command}. What stands here commented out is the default.\n"
        "Every value can be set by the environment instead: COSMIC_SECTION__KEY sets key of section `section`."
    )


def shown(value: Any) -> Any:
    """Return a value without what may be secret in it.

    Secrets stand in files, of which only the path is a setting; an address may carry a password none the less.
    """
    if isinstance(value, str) and "://" in value:
        from urllib.parse import urlsplit

        parts = urlsplit(value)
        host = parts.netloc.rpartition("@")[2]
        hidden = "***@" if "@" in parts.netloc else ""
        query = "?***" if parts.query else ""
        return f"{parts.scheme}://{hidden}{host}{parts.path}{query}"
    return value
