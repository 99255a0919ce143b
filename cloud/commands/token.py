# ruff: noqa: PLC0415  the token file is imported when a command runs, so that --help is quick
"""`cosmic-cloud token`: which printers may connect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cosmic.commands import JsonOption, console, print_json, print_lines

app = typer.Typer(help="Give printers access, and take it away.", no_args_is_help=True)

Printer = Annotated[str, typer.Argument(metavar="PRINTER", help="The printer's name, as in its agent.toml.")]
Tokens = Annotated[
    Path,
    typer.Option(metavar="FILE", envvar="COSMIC_TOKENS__FILE", help="The coordinator's token file (tokens.file)."),
]
Replace = Annotated[
    bool,
    typer.Option("--replace", help="Take a token that the printer has already away; an open connection goes on."),
]

DEFAULT = Path("tokens.json")


@app.command(epilog="Example: cosmic-cloud token add press-1 --tokens /etc/cosmic/tokens.json")
def add(printer: Printer, tokens: Tokens = DEFAULT, replace: Replace = False, json: JsonOption = False) -> None:
    """Make a token for a printer and print it, this once: only its hash is kept."""
    from cloud.access.tokens import TokenFile

    token = TokenFile(tokens).add(printer, replace=replace)
    if json:
        print_json({"printer": printer, "token": token})
        return
    print_lines(token)
    console().print(f"Put it into the file that uplink.token_file of {printer} names; it is not shown again.")


@app.command("list", epilog="Example: cosmic-cloud token list --json")
def list_printers(tokens: Tokens = DEFAULT, json: JsonOption = False) -> None:
    """Print which printers have access, and since when."""
    from cloud.access.tokens import TokenFile

    printers = TokenFile(tokens).printers()
    if json:
        print_json({"printers": [{"printer": one.printer, "created": one.created} for one in printers]})
        return
    print_lines(*(f"{one.printer}  since {one.created}" for one in printers))


@app.command(epilog="Example: cosmic-cloud token revoke press-1")
def revoke(printer: Printer, tokens: Tokens = DEFAULT, json: JsonOption = False) -> None:
    """Take access from a printer; the coordinator closes its open connections within a second (tokens.check_s)."""
    from cloud.access.tokens import TokenFile

    TokenFile(tokens).revoke(printer)
    if json:
        print_json({"printer": printer, "revoked": True})
    else:
        print_lines(f"{printer} has no access any more")
