"""A page in one file: styles and scripts inside, no address outside, and a policy that has browsers see to it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources
from typing import Any

import msgspec

_IMPORT = re.compile(r"^import .*\n", re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)


def whole_page(title: str, body: str, data: Any | None = None) -> str:
    """Return a page that needs nothing else: no network, and no script but its own.

    Args:
        title: of the page, plain text.
        body: HTML.
        data: what the animation draws; None for a page without one.
    """
    style = asset("cosmic.web", "base.css") + asset("agent.report", "report.css")
    script = "" if data is None else bundle()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    drawn = ""
    if data is not None:
        told = msgspec.json.encode(data).decode().replace("<", "\\u003c")
        drawn = (
            f'<script type="application/json" id="data">{told}</script>\n<script type="module">{script}</script>\n'
        )
    icon = base64.b64encode(asset("cosmic.web", "icon.svg").encode()).decode()
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>{escape(title)}</title>\n"
        f'<link rel="icon" href="data:image/svg+xml;base64,{icon}">\n'
        f"<style>{style}</style>\n</head>\n<body>\n{body}\n{drawn}</body>\n</html>\n"
    )


def bundle() -> str:
    """Return the live page's drawing and the report's own as one script."""
    parts = [("cosmic.web", "format.js"), ("cosmic.web", "layer.js"), ("agent.report", "report.js")]
    scripts = (asset(package, name) for package, name in parts)
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", script)) for script in scripts)


def asset(package: str, name: str) -> str:
    """Return a file of a package's folder `static`."""
    return resources.files(package).joinpath("static", name).read_text("utf-8")


def mark() -> str:
    """Return the project's mark as SVG."""
    return asset("cosmic.web", "icon.svg").replace("<svg ", '<svg class="mark" aria-hidden="true" ', 1)


def card(name: str, title: str, content: str, *, quiet: str = "", wide: bool = True, kind: str = "") -> str:
    """Return a titled box."""
    classes = " ".join(word for word in ("card", "wide" if wide else "", kind) if word)
    return (
        f'<section class="{classes}" aria-labelledby="{name}-title"><header>'
        f'<h2 id="{name}-title">{escape(title)}</h2><span class="quiet">{escape(quiet)}</span></header>'
        f"{content}</section>"
    )


def facts(rows: Iterable[tuple[str, str]], kind: str = "") -> str:
    """Return names and values."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f'<dl class="facts {kind}">{items}</dl>'


def tiles(rows: Iterable[tuple[str, str, str]]) -> str:
    """Return large figures: label, value, unit."""
    items = (
        f'<div><div class="label">{escape(label)}</div>'
        f'<div class="big">{escape(value)} <small>{escape(unit)}</small></div></div>'
        for label, value, unit in rows
    )
    return f'<div class="tiles">{"".join(items)}</div>'


def table(head: Sequence[str], rows: Sequence[tuple[Sequence[str], str]], *, kind: str = "", name: str = "") -> str:
    """Return a table. Rows: cells as text, and a class; columns whose head begins with `#` hold numbers."""
    numeric = [each.startswith("#") for each in head]
    right = [' class="number"' if each else "" for each in numeric]
    heads = "".join(
        f'<th scope="col"{a}>{escape(each.lstrip("#"))}</th>' for each, a in zip(head, right, strict=True)
    )
    lines = []
    for cells, style in rows:
        inside = "".join(f"<td{a}>{escape(cell)}</td>" for cell, a in zip(cells, right, strict=True))
        lines.append(f'<tr class="{style}">{inside}</tr>' if style else f"<tr>{inside}</tr>")
    # A region that scrolls must be reachable by keyboard.
    label = f' tabindex="0" role="region" aria-label="{escape(name)}"' if name else ""
    inside = f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return f'<div class="scroll {kind}"{label}>{inside}</div>'


def keys(rows: Iterable[tuple[str, str]]) -> str:
    """Return what the lines of a chart mean: a line's class and its words."""
    items = (
        '<span><svg viewBox="0 0 26 10" aria-hidden="true">'
        f'<line class="{kind}" x1="0" x2="26" y1="5" y2="5"/></svg>{escape(words)}</span>'
        for kind, words in rows
    )
    return f'<div class="key">{"".join(items)}</div>'


def number(value: float | None, digits: int = 1, unit: str = "") -> str:
    """Return a figure with its unit; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}{unit and ' ' + unit}"
