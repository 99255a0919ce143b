"""The reference page of limits: those that are settings, and those that are not. Called by generate.py."""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import msgspec

from agent.configuration import AgentConfiguration
from cloud.access import strangers, tokens
from cloud.configuration import CoordinatorSettings
from cloud.serving import connections, outbox, server, sessions
from cloud.sharing import admission, turns
from cosmic import logs
from cosmic.sections import sections
from protocol import limits

Shown = Callable[[Any], str]

ENDS = ("_max", "_s", "_messages", "_burst", "_ms")
"""How the names of limits end, among settings that say more."""

SECTIONS = {
    "Coordinator": (CoordinatorSettings, ("limits", "parts", "engine", "http", "tokens")),
    "Agent": (AgentConfiguration, ("uplink", "printer", "recording", "mqtt", "http")),
}
FIXED: dict[ModuleType, tuple[str, ...]] = {
    limits: ("MAP_K_MAX", "TEXT_LENGTH_MAX", "MESSAGE_LENGTH_MAX", "CELLS_MAX", "LAYERS_MAX"),
    server: ("CLOSE_S", "SOCKETS_FACTOR"),
    connections: ("OPENING_BYTES_MAX",),
    sessions: ("MESSAGE_SLACK_BYTES",),
    strangers: ("STARTS_AT_ONCE",),
    outbox: ("MESSAGES_MAX", "DECISIONS_MAX", "FINISH_S"),
    turns: ("CATCH_UP", "DEBT_S", "STARTS_A_LAYER"),
    admission: ("LATE_MAX", "PARTS_MAX"),
    tokens: ("PRINTERS_MAX", "TOKEN_LENGTH_MAX"),
    logs: ("LINES_MAX",),
}


def limits_page(shown: Shown) -> str:
    """Return the page. `shown`: how a default is written."""
    parts = [
        "# Limits",
        (
            "Everything has a limit. Over one: an answer that names the limit, the value and the setting; nothing that was accepted before is\n"
            "lost, and nobody else notices. Units are part of the names. What they are for: [Threat model](../explanation/threat-model.md)."
        ),
        *(
            f"## {title}: settings\n\n" + table(["setting", "default", ""], rows(model, wanted, shown))
            for title, (model, wanted) in SECTIONS.items()
        ),
        "## Fixed\n\n" + table(["in", "limit", "value", ""], fixed()),
    ]
    return "\n\n".join(parts) + "\n"


def rows(model: type[msgspec.Struct], wanted: Iterable[str], shown: Shown) -> Iterable[list[str]]:
    """Yield a row for every limit among the settings of `wanted` sections."""
    for section in sections(model):
        if section.path.partition(".")[0] not in wanted or section.path.startswith("printer.simulated"):
            continue
        for value in section.values:
            number = isinstance(value.default, int | float) and not isinstance(value.default, bool)
            if number and (section.path == "limits" or value.name.endswith(ENDS)):
                yield [f"`{section.path}.{value.name}`", shown(value.default), value.about]


def fixed() -> Iterable[list[str]]:
    """Yield a row for every limit that is no setting."""
    for module, names in FIXED.items():
        told = constant_docs(module)
        for name in names:
            yield [f"`{module.__name__}`", f"`{name}`", f"{getattr(module, name):g}", told[name]]


def constant_docs(module: ModuleType) -> dict[str, str]:
    """Return the strings that stand below the constants of a module."""
    body = ast.parse(inspect.getsource(module)).body
    found: dict[str, str] = {}
    for before, after in itertools.pairwise(body):
        if isinstance(before, ast.Assign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            target = before.targets[0]
            if isinstance(target, ast.Name):
                found[target.id] = " ".join(str(after.value.value).split())
    return found


def table(head: list[str], body: Iterable[list[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
