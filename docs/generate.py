"""Writes the pages of docs/reference that follow from the code: settings, protocol and MQTT topics.

Run it after a change: python docs/generate.py. A test fails while a page is not what this writes.
"""

from __future__ import annotations

import inspect
import sys
import types
import typing
from pathlib import Path
from typing import Any

import msgspec
from http_pages import http_page, metrics_page
from limits_pages import limits_page
from recording_pages import recording_page
from socket_pages import socket_page

from agent.configuration import AgentConfiguration
from agent.mqtt import payloads, topics
from agent.sparkplug.metrics import METRICS
from cloud.configuration import CoordinatorSettings
from cosmic.sections import attribute_docs, first_line, sections
from protocol import messages, tables

PAGES = Path(__file__).parent / "reference"
HEAD = "<!-- written by docs/generate.py -->\n"


def pages() -> dict[Path, str]:
    """Return the text of every generated page."""
    return {
        PAGES / "settings.md": settings_page(),
        PAGES / "protocol.md": protocol_page(),
        PAGES / "mqtt.md": mqtt_page(),
        PAGES / "socket-driver.md": HEAD + socket_page(shown_type),
        PAGES / "recording.md": HEAD + recording_page(shown_type),
        PAGES / "limits.md": HEAD + limits_page(shown),
        PAGES / "metrics.md": HEAD + metrics_page(),
        PAGES / "http.md": HEAD + http_page(shown_type),
    }


def settings_page() -> str:
    """Return the page of both configuration files."""
    parts = [
        HEAD + "# Settings",
        (
            "TOML. Every value can be set by the environment instead: `COSMIC_UPLINK__URL` sets `url` of section `uplink`. A key\n"
            "that is not known is an error that names the nearest known one. Units are part of the names."
        ),
        "## Agent\n`cosmic-agent run --config agent.toml`",
        *section_tables(AgentConfiguration),
        "## Coordinator\n`cosmic-cloud serve --config coordinator.toml`",
        *section_tables(CoordinatorSettings),
    ]
    return "\n\n".join(parts) + "\n"


def section_tables(model: type[msgspec.Struct]) -> list[str]:
    """Return a table for every section of `model`."""
    found: list[str] = []
    for section in sections(model):
        rows = [
            f"| `{value.name}` | {shown_type(value.kind)} | {shown(value.default)} | {value.about} |"
            for value in section.values
        ]
        if rows:
            title = f"### `[{section.path}]`\n{section.about}\n\n"
            found.append(title + "| key | value | default | |\n|---|---|---|---|\n" + "\n".join(rows))
    return found


def protocol_page() -> str:
    """Return the page of messages and states."""
    parts = [
        HEAD + "# Protocol, version 1",
        (
            "WebSocket on path `/v1/agent`, subprotocol `cosmic.v1`, no compression, `Authorization: Bearer <token>` in the\n"
            "handshake. Every message is one binary frame: a msgpack map with a `type` field. Unknown fields are ignored. Arrays are\n"
            '`{dtype: "<f4", shape: [n], data: bin}`, kelvin, every element finite and between 0 and 5000.'
        ),
        (
            "What is no message closes the connection: 1002 a text frame or a message that is not legal now, 1007 what cannot be\n"
            "decoded, 1008 an unknown type or a value out of range, 1009 more bytes than the limit. A message about a layer that cannot\n"
            "be followed is answered with `failed` and the layer; the connection stays."
        ),
        "## Agent to coordinator",
        *message_tables(messages.AgentMessage),
        "## Coordinator to agent",
        *message_tables(messages.CoordinatorMessage),
        "## What is legal when",
        "A message that is not in the row of the state is illegal. `failed_layer` is a `failed` that names the layer in progress.",
        state_table("The agent's side", tables.AGENT_SIDE),
        state_table("The coordinator's side", tables.COORDINATOR_SIDE),
    ]
    return "\n\n".join(parts) + "\n"


def mqtt_page() -> str:
    """Return the page of MQTT topics and what they carry."""
    base = topics.base_topic("<site>", "<printer>")
    parts = [
        HEAD + "# MQTT topics",
        (
            f"Below `{base}/`: `mqtt.site` and `printer.name`. MQTT 5, QoS 1, JSON (but for `status`). Retained topics say how it is\n"
            "now: a change is published at most once in `mqtt.interval_s`, as it is then, and never for a window. After every connection all\n"
            "of them are published again. Unknown fields are to be ignored. [How to connect a broker](../how-to/connect-a-broker.md)."
        ),
        (
            f"## `{topics.STATUS}`, retained\n`online` or `offline` as plain text. `offline` is also the last will: it stands when the agent,\n"
            "its computer or the network is gone."
        ),
        *(
            f"## `{subject.value}`, retained\n{first_line(payload)}\n\n{payload_table(payload)}"
            for subject, payload in payloads.TOPICS.items()
        ),
        (
            f"## `{topics.EVENT}`, not retained\n{first_line(payloads.EventPayload)} While the broker is away `mqtt.queue_events` are kept; beyond\n"
            f"that the oldest are dropped, and `state` has their count.\n\n{payload_table(payloads.EventPayload)}"
        ),
        (
            "## Sparkplug B\nWith `mqtt.sparkplug = true`: namespace `spBv1.0`, group `mqtt.site`, edge node and device `printer.name`, "
            "on a connection\nof its own. NBIRTH holds `bdSeq`, `Node Control/Rebirth` and `Properties/Software Version`; DBIRTH these metrics; "
            "DDATA what\nchanged, by alias, at most once in `mqtt.interval_s`; NDEATH is the last will, and is sent when the agent ends.\n\n"
            + sparkplug_table()
        ),
        (
            "## Limits\n| what | limit |\n|---|---|\n"
            f"| site and printer | {topics.LEVEL_CHARACTERS_MAX} characters each, printable, without `+`, `#`, `/` |\n"
            "| messages on one topic | one in `mqtt.interval_s` |\n"
            "| events that wait | `mqtt.queue_events` |\n"
            "| wait for an answer of the broker | `mqtt.answer_s`; then the connection is made anew |"
        ),
    ]
    return "\n\n".join(parts) + "\n"


def sparkplug_table() -> str:
    """Return the metrics of the Sparkplug device."""
    rows = [
        f"| {alias} | `{metric.name}` | {metric.kind.name.capitalize()} | {metric.unit} | `{metric.field}` of `{metric.subject.value}` |"
        for alias, metric in enumerate(METRICS, start=1)
    ]
    return "| alias | metric | type | unit | shows |\n|---|---|---|---|---|\n" + "\n".join(rows)


def payload_table(model: type[msgspec.Struct]) -> str:
    """Return the fields of an MQTT payload."""
    told = attribute_docs(payloads.Payload) | attribute_docs(model)
    rows = [
        f"| `{field.name}` | {shown_type(field.type)} | {told.get(field.name, '')} |"
        for field in msgspec.structs.fields(model)
    ]
    return "| field | value | |\n|---|---|---|\n" + "\n".join(rows)


def message_tables(union: Any) -> list[str]:
    """Return a table for every message of `union`."""
    found = []
    for kind in typing.get_args(union):
        rows = [
            f"| `{field.encode_name}` | {shown_type(field.type)} | {'' if field.required else 'optional'} |"
            for field in msgspec.structs.fields(kind)
        ]
        tag = kind.__struct_config__.tag
        text = inspect.cleandoc(kind.__doc__ or "")
        found.append(f"### `{tag}`\n{text}\n\n| field | value | |\n|---|---|---|\n" + "\n".join(rows))
    return found


def state_table(title: str, table: tables.Table) -> str:
    """Return a protocol table as rows of state, messages, next state."""
    rows = []
    for state, row in table.items():
        following: dict[tables.State, list[str]] = {}
        for event, after in row.items():
            following.setdefault(after, []).append(f"`{event}`")
        rows += [f"| {state.value} | {', '.join(events)} | {after.value} |" for after, events in following.items()]
    return f"### {title}\n| state | message | next state |\n|---|---|---|\n" + "\n".join(rows)


def shown_type(kind: Any) -> str:
    """Return a type as a reader of TOML or msgpack knows it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        inner, limits = arguments[0], [argument for argument in arguments[1:] if isinstance(argument, msgspec.Meta)]
        return shown_type(inner) + "".join(shown_limits(limit) for limit in limits)
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return ", or ".join(shown_type(argument) for argument in arguments)
    if origin is list:
        return f"list of {shown_type(arguments[0])}"
    names = {
        str: "text",
        int: "integer",
        float: "number",
        bool: "true or false",
        type(None): "nothing",
        bytes: "bytes",
    }
    return names.get(kind, getattr(kind, "__name__", str(kind)).lower())


def shown_limits(meta: msgspec.Meta) -> str:
    """Return the limits of a value in words."""
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    said = [f"{word} {getattr(meta, name):g}" for name, word in words.items() if getattr(meta, name) is not None]
    return f" ({', '.join(said)})" if said else ""


def shown(default: Any) -> str:
    """Return a default as it stands in TOML."""
    return "unset" if default is None or default == "" else f"`{msgspec.json.encode(default).decode()}`"


def main() -> int:
    """Write the pages; with --check only say which are stale."""
    stale = [path for path, text in pages().items() if not path.is_file() or path.read_text() != text]
    if "--check" in sys.argv:
        sys.stderr.write("".join(f"{path} is stale: run python docs/generate.py\n" for path in stale))
        return bool(stale)
    for path, text in pages().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
