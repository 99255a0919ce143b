"""A measured platform as a profile: TOML that `plan --profile` and the simulated engine read, and people edit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from cloud.profiling.figures import Figures
from cloud.profiling.sampling import CONFIDENCE, Interval
from cloud.simulation.profile import Profile


def profile_text(
    figures: Figures,
    base: Profile,
    *,
    known: Mapping[str, Any],
    about: Mapping[str, Any],
    at: datetime | None = None,
) -> str:
    """Return the profile.

    Args:
        figures: what was measured.
        base: gives what was not.
        known: fields that need no measuring, such as `name`, `price` and `billing_step_ms`.
        about: of the measurement: `engine`, `machine` and what else belongs to it.
        at: when; None: now.

    A value with few digits is enough: intervals say how much of it is known.
    """
    values = msgspec.to_builtins(base)
    sources = dict.fromkeys(values, f"not measured: from profile '{base.name}'")
    for name, value in known.items():
        values[name], sources[name] = value, "given by the engine"
    for name, (interval, source) in figures.values.items():
        values[name] = _digits(interval.value)
        sources[name] = f"{_spread(interval)}: {source}"
    _cold(figures, base, values, sources)
    dated = (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = [
        f"# A platform measured by `cosmic-cloud profile --engine {about['engine']}`, {dated}.",
        f"# Intervals hold the true value with {CONFIDENCE:.0%}. Any value may be replaced by one of your own.",
        "",
    ]
    for name, value in values.items():
        lines += [f"# {sources[name]}", f"{name} = {_toml(value)}"]
    lines += ["", "[measured]", f"dated = {_toml(dated)}", f"confidence = {CONFIDENCE}"]
    lines += [f"{name} = {_toml(value)}" for name, value in about.items()]
    lines += _tables(figures)
    return "\n".join(lines) + "\n"


UNITS = {"_ms": "ms", "_bytes_s": "MB/s", "_factor": "x"}


def figures_of(figures: Figures) -> dict[str, Any]:
    """Return the figures for people (`rows`) and programs (`values`, `products`, ...)."""
    rows = [_row(name.rsplit("_", 1)[0] if name.endswith("_ms") else name, interval, name)
            for name, (interval, _) in figures.values.items()]  # fmt: skip
    rows += [_row(f"product {one.rows} x {one.columns} {one.precision}", one.ms, "_ms") for one in figures.products]
    rows += [_row(f"products with {one.workers} workers at a time", one.factor, "_factor") for one in figures.crowd]
    rows += [_row(f"choice of a cell, {one.elements} elements", one.ms, "_ms") for one in figures.control]
    rows += [
        _row(f"operator, {one.elements} elements, cells of {one.length}", one.ms, "_ms")
        for one in figures.operators
    ]
    rows += [_row(f"cold after {idle_s:g} s idle", share, "share") for idle_s, share in figures.cold]
    values = {name: _interval("value", interval) for name, (interval, _) in figures.values.items()}
    products = [
        {"rows": one.rows, "columns": one.columns, "precision": one.precision, **_interval("median_ms", one.ms)}
        for one in figures.products
    ]
    return {"rows": rows, "values": values, "products": products}


def _row(what: str, interval: Interval, name: str) -> dict[str, Any]:
    unit = next((unit for end, unit in UNITS.items() if name.endswith(end)), "")
    scale = 1e-6 if unit == "MB/s" else 1.0
    shown = [f"{_digits(value * scale):,g}" for value in (interval.value, interval.low, interval.high)]
    return {
        "what": what.replace("_", " ").removesuffix(" s").removesuffix(" bytes"),
        "value": f"{shown[0]} {unit}".strip(),
        "interval": f"{shown[1]} to {shown[2]}",
        "samples": interval.samples,
    }


def _tables(figures: Figures) -> list[str]:
    rows: list[tuple[str, dict[str, Any]]] = []
    for product in figures.products:
        shape = {"rows": product.rows, "columns": product.columns, "precision": product.precision}
        rows.append(("product", shape | _interval("median_ms", product.ms)))
    rows += [("crowd", {"workers": crowd.workers} | _interval("factor", crowd.factor)) for crowd in figures.crowd]
    for one in figures.operators:
        of = {"elements": one.elements, "length": one.length, "tolerance": one.tolerance}
        rows.append(("operator", of | _interval("median_ms", one.ms)))
    rows += [("control", {"elements": one.elements} | _interval("median_ms", one.ms)) for one in figures.control]
    for name, (interval, source) in figures.values.items():
        rows.append(("value", {"name": name} | _interval("value", interval) | {"source": source}))
    rows += [("idle", {"idle_s": idle_s} | _interval("share", share)) for idle_s, share in figures.cold]
    return [line for table, row in rows for line in ("", f"[[{table}]]", *_pairs(row))]


def _cold(figures: Figures, base: Profile, values: dict[str, Any], sources: dict[str, str]) -> None:
    """Write the shares of cold starts: measured ones, then the longer pauses of the base."""
    if not figures.cold:
        return
    known = [(idle_s, share.value) for idle_s, share in figures.cold]
    last = known[-1]
    longer = [
        (idle_s, max(share, last[1]))
        for idle_s, share in zip(base.cold_idle_s, base.cold_share, strict=True)
        if idle_s > last[0]
    ]
    values["cold_idle_s"] = [idle_s for idle_s, _ in known + longer]
    values["cold_share"] = [share for _, share in known + longer]
    spread = "; ".join(
        f"{idle_s:g} s: at most {share.high:.1%} of {share.samples}" for idle_s, share in figures.cold
    )
    sources["cold_idle_s"] = f"measured up to {last[0]:g} s, then from profile '{base.name}'"
    sources["cold_share"] = f"measured ({spread}), then from profile '{base.name}'"


def _interval(name: str, interval: Interval) -> dict[str, Any]:
    return {
        name: _digits(interval.value),
        "low": _digits(interval.low),
        "high": _digits(interval.high),
        "samples": interval.samples,
    }


def _spread(interval: Interval) -> str:
    return f"{_digits(interval.low):g} to {_digits(interval.high):g}, {interval.samples} samples"


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def _pairs(row: Mapping[str, Any]) -> Iterable[str]:
    return (f"{name} = {_toml(value)}" for name, value in row.items())


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value)
