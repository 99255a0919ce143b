"""The written parts of a report's page: figures in words and tables. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from string import Template
from typing import Any

from agent.report.figures import Layer, Report
from agent.report.html import asset, card, facts, keys, number, table, tiles
from agent.report.verdict import OUTCOME_WORDS

SPEEDS = (("0.25", "¼ speed"), ("1", "as printed"), ("4", "4 times"), ("16", "16 times"))


def stage(report: Report) -> str:
    """Return the frame of the animation; report.js fills it."""
    layers = "".join(
        f'<option value="{layer.layer}">Layer {layer.layer + 1}{" ▲" if layer.fallback_windows else ""}</option>'
        for layer in report.layers
    )
    speeds = "".join(
        f'<option value="{value}"{" selected" if value == "1" else ""}>{words}</option>' for value, words in SPEEDS
    )
    frame = Template(asset("agent.report", "stage.html"))
    return frame.substitute(
        layers=layers, speeds=speeds, figures=summary(report, wide=False), uniformity=_r_card(report)
    )


def _r_card(report: Report) -> str:
    if report.comparison is None:
        return ""
    first = keys([("line-good", "as printed")])
    others = keys(
        [
            ("line-random", f"{report.comparison.random_orders} random orders: mean and range"),
            ("line-sequential", "sequential"),
        ]
    )
    listed = report.comparison.layers
    some = "" if len(listed) == len(report.layers) else f": {_named([layer + 1 for layer in listed])}"
    return card(
        "r",
        "R by window",
        '<svg class="rchart" id="r-chart" role="img" aria-labelledby="r-title" aria-describedby="r-words"></svg>'
        f'<p class="readout quiet" id="r-words"></p>{first}<div id="r-others">{others}</div>'
        f'<p class="none-here" id="r-none" hidden>Random and sequential orders were computed for {len(listed)} of'
        f" {len(report.layers)} layers{some}.</p>",
        wide=False,
        kind="screen",
    )


def summary(report: Report, *, wide: bool = True) -> str:
    """Return the job in large figures."""
    job, slack = report.job, report.slack
    rows = [
        ("layers", str(len(report.layers)), f"of {job.layers_planned}" if job.layers_planned else ""),
        ("windows", _thousands(report.windows), ""),
        ("in time", f"{100 * report.on_time / report.windows:.1f} %" if report.windows else "–", ""),
        ("fallbacks", str(report.windows - report.on_time), ""),
        ("slack, median", number(slack.median_ms), "ms"),
        ("slack, least", number(slack.min_ms), "ms"),
        ("duration", f"{job.duration_s:.1f}", "s"),
    ]
    found = report.comparison
    if found is not None and found.printed and found.random and found.sequential:
        rows.append(("R, random orders over printed", f"{found.random / found.printed:.2f}", "times"))
        rows.append(("R, sequential over printed", f"{found.sequential / found.printed:.2f}", "times"))
    return card("figures", "In figures", tiles(rows), wide=wide)


def formula(report: Report) -> str:
    """Return what R is, how it was computed, and for which layers."""
    found = report.comparison
    if found is None:
        return ""
    errors = [layer.uniformity_error for layer in report.layers if layer.uniformity_error is not None]
    checked = (
        " Where the coordinator told R with its decisions, it differs from the R computed here by"
        f" {max(errors):.1g} at most."
        if errors
        else ""
    )
    total = sum(layer.uniformity is not None for layer in report.layers)
    named = _named([layer + 1 for layer in found.layers])
    some = "every layer" if len(found.layers) == total else f"{len(found.layers)} of {total} layers ({named})"
    text = (
        "R = standard deviation of the layer's temperature after a window, divided by"
        f" T_melt = {found.normaliser_K:g} K (Cosmic, USENIX ATC 2025, section 2); smaller is more even."
        f" Predicted from the recorded first map and the order by the part's operator ({found.operator}):"
        " temperatures after a window are A^n times those before, plus the heat of the cell. Random orders:"
        f" {found.random_orders} a layer, numpy's default_rng([{found.seed}, layer, i]).permutation(cells),"
        f" from the same maps, for {some}; sequential: cells by number.{checked}"
    )
    return f'<p class="formula">{escape(text)}</p>'


def slack_table(report: Report) -> str:
    """Return the slack in figures."""
    slack = report.slack
    rows = [
        ("windows counted", str(slack.windows)),
        ("least, 1 %, 5 %", ", ".join(number(each, 1, "ms") for each in (slack.min_ms, slack.p1_ms, slack.p5_ms))),
        ("median, 95 %", ", ".join(number(each, 1, "ms") for each in (slack.median_ms, slack.p95_ms))),
        ("guard", number(slack.guard_ms, 1, "ms")),
        ("too late, the laser waited", str(slack.late)),
    ]
    text = "A layer's first window has a deadline of its own and is not counted."
    return facts(rows, "tight") + f'<p class="formula">{text}</p>'


def fallbacks(report: Report) -> str:
    """Return the fallbacks with causes and remedies."""
    if not report.fallbacks:
        return card("fallbacks", "Fallbacks", "<p>None: every window had its decision in time.</p>")
    rows = [
        (
            (
                str(group.windows),
                OUTCOME_WORDS.get(group.outcome, group.outcome),
                group.cause or "–",
                _named([layer + 1 for layer in group.layers]),
                f"layer {group.first_layer + 1}, window {group.first_window + 1}",
                ", ".join(group.orders) or "–",
                group.remedy if report.has_coordinator else "configure a coordinator: uplink.url",
            ),
            "",
        )
        for group in report.fallbacks
    ]
    head = ("#Windows", "What", "Cause", "Layers", "First", "Order that chose", "What to do")
    return card("fallbacks", "Fallbacks", table(head, rows, kind="roomy", name="Fallbacks"))


def coordinator(report: Report) -> str:
    """Return what is known of link, workers and decisions."""
    if not report.has_coordinator:
        return "<p>No coordinator was configured.</p>"
    up_s = sum(each.to_s - each.from_s for each in report.link if each.up)
    linked_s = sum(each.to_s - each.from_s for each in report.link)
    dropped = ", ".join(f"{count} {reason}" for reason, count in report.dropped.items())
    computes = [layer.compute_median_ms for layer in report.layers if layer.compute_median_ms is not None]
    rows = [
        ("Link up", f"{100 * up_s / linked_s:.1f} % of the time" if linked_s else "not recorded"),
        ("Lost", "never" if not report.losses else f"{report.losses} times" if report.losses > 1 else "once"),
        ("Engine", report.job.engine or "not recorded"),
        ("Decisions", f"{_thousands(report.decisions)} came" + (f", not counted: {dropped}" if dropped else "")),
        (
            "Compute time",
            f"{sorted(computes)[len(computes) // 2]:.2f} ms a decision, median" if computes else "not told",
        ),
        *_worker_rows(report),
        (
            "Speculation, cost",
            "not in a recording: the coordinator does not tell them to the agent. Its own log does.",
        ),
    ]
    causes = {each.text for each in report.link if not each.up and each.text}
    if causes:
        rows.insert(2, ("Why it was down", "; ".join(sorted(causes))))
    return facts(rows, "tight")


def _worker_rows(report: Report) -> Iterator[tuple[str, str]]:
    told = [each for each in report.workers if each.workers]
    if not told:
        yield "Workers", "none, as keep-warm told" if report.workers else "not told"
        return
    most = max(each.workers for each in told)
    yield "Workers", f"{most} at most, asked before {len(told)} layers"
    cold, reloaded = sum(each.cold for each in told), sum(each.reloaded for each in told)
    yield "Cold, reloaded", f"{cold} found cold, {reloaded} reloaded since they were last asked"


def layer_table(report: Report) -> str:
    """Return a row a layer."""
    head = (
        "Layer", "#Windows", "#Fallbacks", "Map from", "#First map, K", "#Predicted, K", "#R mean", "#R end",
        "#R random", "#Slack least, ms", "#Slack median, ms", "#First cell, ms", "#Stood still, ms", "#Epochs",
        "Note",
    )  # fmt: skip
    rows = [(_layer_row(layer), "fell" if layer.fallback_windows else "") for layer in report.layers]
    return card("table", "Layers", table(head, rows, kind="long", name="Layers"))


def _layer_row(layer: Layer) -> tuple[str, ...]:
    R = layer.uniformity
    mean = sum(R.printed) / len(R.printed) if R is not None and R.printed else None
    random = sum(R.random_mean) / len(R.random_mean) if R is not None and R.random_mean else None
    short = "" if layer.complete is not False else f"{len(layer.order)} of {layer.cells} cells in a row"
    return (
        str(layer.layer + 1),
        str(layer.windows),
        str(len(layer.fallback_windows)),
        (layer.map_from or "–") + (f": {layer.map_cause}" if layer.map_cause else ""),
        number(layer.map_before.mean_K if layer.map_before else None),
        number(layer.map_after.mean_K if layer.map_after else None),
        number(mean, 5),
        number(R.printed[-1] if R is not None and R.printed else None, 5),
        number(random, 5),
        number(layer.slack_min_ms),
        number(layer.slack_median_ms),
        number(layer.first_cell_ms),
        number(layer.starved_ms),
        "–" if layer.epochs is None else str(layer.epochs),
        "; ".join(each for each in (short, layer.note) if each),
    )


def about(report: Report, configuration: dict[str, Any]) -> str:
    """Return the job, the versions and the configuration."""
    job = report.job
    rows = [
        ("Job", job.job),
        ("Printer", job.printer),
        ("Part", f"{job.part}, digest {job.digest}"),
        ("Recorded from", job.started),
        ("Ended", (job.reason or "yes") if job.ended else "not in the recording"),
        ("Versions", f"agent {job.agent or '–'}, protocol {job.protocol or '–'}, recording format {job.format}"),
    ]
    settings = [((name, value), "") for name, value in _flat(configuration)]
    listed = (
        table(("Setting", "Value"), settings, kind="settings") if settings else "<p>The recording has none.</p>"
    )
    summary = f"<summary>Configuration: {len(settings)} settings</summary>"
    content = f"{facts(rows, 'tight')}<details>{summary}{listed}</details>"
    return card("about", "About", content)


def layer_notes(report: Report) -> list[str]:
    """Return what could not be computed, layers with the same words together."""
    notes: dict[str, list[int]] = {}
    for layer in report.layers:
        if layer.note:
            notes.setdefault(layer.note, []).append(layer.layer + 1)
    return [f"Layer{'s' if len(layers) > 1 else ''} {_named(layers)}: {note}" for note, layers in notes.items()]


def _flat(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", "unset" if value is None else str(value)


def _named(numbers: list[int], most: int = 12) -> str:
    """Return numbers in words: 1-4, 7."""
    spans: list[list[int]] = []
    for each in sorted(numbers):
        if spans and each == spans[-1][1] + 1:
            spans[-1][1] = each
        else:
            spans.append([each, each])
    words = [f"{first}" if first == last else f"{first}-{last}" for first, last in spans]
    return ", ".join(words[:most]) + (" …" if len(words) > most else "")


def _thousands(count: int) -> str:
    return f"{count:,}".replace(",", " ")
