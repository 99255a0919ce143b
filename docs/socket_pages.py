"""Writes the reference of the socket driver from the types of its lines."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from agent.configuration import Socket
from agent.driver.socket import lines
from cosmic.sections import attribute_docs


def socket_page(shown_type: Callable[[Any], str]) -> str:
    """Return the page of the socket driver's lines. `shown_type`: a type in words."""
    socket = Socket()
    parts = [
        f"# Socket driver, version {lines.VERSION}",
        (
            'With `printer.driver = "socket"` the agent listens on a Unix socket, and the machine\'s own driver connects to it. How to write\n'
            "one: [Connect a driver](../how-to/connect-a-driver.md); an example in plain Python: `examples/socket_driver.py`."
        ),
        (
            "## Connection\n"
            f"- The agent makes the socket's file, `printer.socket.path` (`{socket.path}`), with the permissions `printer.socket.mode`\n"
            f"  (`{socket.mode}`): whoever may write to it may print. It takes over the file of an agent that died, nothing else, and removes\n"
            "  it at its end.\n"
            "- One machine at a time: a second one is told `busy` and closed.\n"
            "- A line is one JSON object in UTF-8 and ends with a line feed. The machine's lines have an `event`, the agent's a `command`.\n"
            "  Unknown fields are ignored, on both sides: later versions add some.\n"
            f"- The first line is `hello`, within `printer.socket.hello_s` ({socket.hello_s:g} s). The agent answers `welcome`, then asks for\n"
            "  a `report`.\n"
            f"- A line of more than `printer.socket.line_bytes_max` ({socket.line_bytes_max} bytes) is refused. A machine for which more than\n"
            f"  `printer.socket.waiting_bytes_max` ({socket.waiting_bytes_max} bytes) wait is disconnected: the agent never waits for it."
        ),
        (
            "## A job\n"
            "`hello`, `job`, then for every layer `spreading`, `layer_ready`, `cell_started` and `cell_finished` for every cell, `layer_done`;\n"
            'at the end `job_done`. With `dispatch = "cell"` the agent sends the first `scan` after `layer_ready`, and each further one after\n'
            'the `cell_started` of the window before, `printer.guard_ms` before that cell ends at the latest. With `dispatch = "layer"` it\n'
            "sends one `sequence` a layer, `printer.sequence_limit_ms` after `layer_ready` at the latest."
        ),
        (
            "## Losses\n"
            "A machine goes on with what it was handed while it is not connected. When it is back the agent asks for a `report`; what the\n"
            "`position` tells and was not heard before is taken as told, and what has not begun is handed over again: the same cells for the\n"
            "same windows. Events may be lost or come twice: what must have happened is inferred, and a machine that owes an event\n"
            "(`printer.overdue_ms`) is asked for a `report`, then again at growing intervals up to 1 s. A cell other than the one handed over\n"
            "is taken as the machine's choice, and the coordinator decides on from there; the one handed over comes later. A cell that was\n"
            "scanned before is a breach. So is another cell for a window that was inferred: of a cell that is not the one handed over at\n"
            "least one event must come before the next cell begins."
        ),
        (
            "## Time\n"
            "`at_s` is the machine's own clock, which must run steadily and may start anywhere. The agent maps it: a line never arrives before\n"
            "what it tells of, so the quickest line so far says what lies between the clocks. Without `at_s` the arrival counts."
        ),
        (
            "## Breaches\n"
            "The agent sends `error`, closes the connection, logs `driver_error`, and its state is `fault` until a machine says hello again.\n"
            "The layer is not lost.\n\n| code | means |\n|---|---|\n"
            + "\n".join(f"| `{code}` | {text} |" for code, text in lines.CODES.items())
        ),
        "## The machine's lines",
        *tables(lines.Events, shown_type),
        "## The agent's lines",
        *tables(lines.Commands, shown_type),
    ]
    return "\n\n".join(parts) + "\n"


def tables(union: Any, shown_type: Callable[[Any], str]) -> list[str]:
    """Return a table for every line of `union`."""
    found = []
    for kind in typing.get_args(union):
        told = attribute_docs(kind)
        rows = [
            f"| `{field.encode_name}` | {shown_type(field.type)} | {'' if field.required else 'optional'} | {told.get(field.name, '')} |"
            for field in msgspec.structs.fields(kind)
        ]
        head = "\n\n| field | value | | |\n|---|---|---|---|\n" if rows else ""
        text = inspect.cleandoc(kind.__doc__ or "")
        found.append(f"### `{kind.__struct_config__.tag}`\n{text}" + head + "\n".join(rows))
    return found
