"""Two recordings beside each other as one page. Figures and maps in, HTML out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from agent.recorder.channels import Window
from agent.report.beside import Beside, LayerBeside, Maps
from agent.report.charts import Chart, histogram
from agent.report.drawings import BINS, layer_ticks
from agent.report.html import card, keys, mark, number, table, whole_page
from agent.report.pictures import BALANCE, Raster, data_url, palette, png, raster_of, shades
from agent.report.sections import layer_notes
from agent.report.sheet import gradient
from agent.report.verdict import OUTCOME_WORDS
from cosmic import __version__
from thermal.part import Part

PICTURES_MAX = 12
"""Layers whose maps' differences are shown: those that differ most."""


def beside_page(
    found: Beside, windows: tuple[Sequence[Window], Sequence[Window]], maps: tuple[Maps, Maps], part: Part | None
) -> str:
    """Return the page.

    windows: of both recordings.
    maps: of both.
    part: that of both, None where they have not the same or it is not there.
    """
    one, other = found.one.job, found.other.job
    sections = [
        _jobs(found),
        card("slack", "Slack", _slack_chart(found, windows) + _names(found)),
        card("layers-charts", "Layer by layer", _layer_charts(found)),
        _pictures(found, maps, part),
        card("table", "Layers", _layer_table(found)),
    ]
    verdict = "".join(f"<li>{escape(sentence)}</li>" for sentence in found.verdict)
    noted = [
        f"{name}: {note}"
        for name, report in (("First", found.one), ("Second", found.other))
        for note in (*report.problems, *report.missing, *layer_notes(report))
    ]
    notes = "".join(f"<li>{escape(note)}</li>" for note in noted)
    body = (
        f'<div class="page"><header class="head">{mark()}<div><h1>{escape(one.job)} and {escape(other.job)}</h1>'
        f'<div class="kind">two recordings beside each other</div></div></header>'
        f'<ul class="verdict" data-tone="{"good" if _same(found) else "warn"}" aria-label="Verdict">{verdict}</ul>'
        + (f'<ul class="notes" aria-label="What is missing">{notes}</ul>' if notes else "")
        + f'<main class="grid">{"".join(sections)}</main>'
        f'<footer class="foot"><span>made by cosmic-agent {escape(__version__)}; this file needs no network</span>'
        "<span>Layers and windows are counted from 1 here, from 0 in logs and JSON; cells from 0.</span>"
        "</footer></div>"
    )
    return whole_page(f"{one.job} and {other.job}: comparison", body)


def _same(found: Beside) -> bool:
    return found.same_part and not any(layer.first_difference for layer in found.layers)


def _jobs(found: Beside) -> str:
    reports = (found.one, found.other)
    outcomes = sorted({outcome for report in reports for outcome in report.outcomes})

    def row(name: str, values: Sequence[str]) -> tuple[Sequence[str], str]:
        return (name, *values), "differs" if values[0] != values[1] else ""

    rows = [
        row("Job", [report.job.job for report in reports]),
        row("Printer", [report.job.printer for report in reports]),
        row("Recorded from", [report.job.started for report in reports]),
        row("Part", [f"{report.job.part}, {report.job.digest[:12]}" for report in reports]),
        row("Agent, engine", [f"{report.job.agent}, {report.job.engine or '–'}" for report in reports]),
        row("Layers", [str(len(report.layers)) for report in reports]),
        row("Windows", [str(report.windows) for report in reports]),
        *(
            row(
                f"  {OUTCOME_WORDS.get(outcome, outcome)}",
                [str(report.outcomes.get(outcome, 0)) for report in reports],
            )
            for outcome in outcomes
        ),
        row("Link losses", [str(report.losses) for report in reports]),
        row("Slack: least", [number(report.slack.min_ms, 2, "ms") for report in reports]),
        row("Slack: 1 %", [number(report.slack.p1_ms, 2, "ms") for report in reports]),
        row("Slack: median", [number(report.slack.median_ms, 2, "ms") for report in reports]),
        row("Slack: 95 %", [number(report.slack.p95_ms, 2, "ms") for report in reports]),
        row("Too late, the laser waited", [str(report.slack.late) for report in reports]),
        row("Duration", [number(report.job.duration_s, 1, "s") for report in reports]),
    ]
    return card(
        "jobs", "The two", table(("", "First", "Second"), rows, kind="two", name="The two"), quiet="bold: differs"
    )


def _names(found: Beside) -> str:
    return keys([("line-good", f"first: {found.one.job.job}"), ("line-other", f"second: {found.other.job.job}")])


def _slack_chart(found: Beside, windows: tuple[Sequence[Window], Sequence[Window]]) -> str:
    slacks_ms = [np.array([each.slack_ms for each in side if each.window > 0]) for side in windows]
    given = [each for each in slacks_ms if each.size]
    if not given:
        return "<p>No windows.</p>"
    low = min(0.0, *(float(each.min()) for each in given))
    high = max(1.0, *(float(np.percentile(each, 99.9)) for each in given)) * 1.03
    shares = [histogram(each, low, high, BINS) / max(each.size, 1) * 100 for each in slacks_ms]
    most = max(float(each.max(initial=0)) for each in shares)
    medians = [report.slack.median_ms for report in (found.one, found.other)]
    chart = Chart.over(f"Slack of both: medians {medians[0]} and {medians[1]} ms", (low, high), (0, most * 1.1))
    chart.frame("slack, ms", "% of windows")
    edges = np.linspace(low, high, BINS + 1).tolist()
    half = (edges[1] - edges[0]) * 0.45
    for kind, share, begin in (("bar-good", shares[0], 0.0), ("bar-other", shares[1], half)):
        for place, value in enumerate(share.tolist()):
            if value:
                left = edges[place] + begin
                chart.bar((left, left + half), (0.0, value), kind, f"{value:.1f} %")
    if low < 0:
        chart.upright(0.0, "deadline")
    return f'<div class="charts">{chart.svg()}</div>'


def _layer_charts(found: Beside) -> str:
    layers = found.layers
    drawn = []
    R = [(layer.layer + 1, layer.uniformity) for layer in layers if None not in layer.uniformity]
    if R:
        lines = [[float(pair[side] or 0.0) for _, pair in R] for side in (0, 1)]
        chart = _over_layers("Mean R by layer", [each for each, _ in R], lines, "mean R")
        drawn.append(f"<div>{chart}{_names(found)}</div>")
    maps = [(layer.layer + 1, layer.first_map, layer.predicted_map) for layer in layers if layer.first_map]
    if maps and found.same_part:
        first = [each.rms_K for _, each, _ in maps]
        after = [each.rms_K for _, _, each in maps if each]
        lines = [first, after] if len(after) == len(first) else [first]
        chart = _over_layers("Difference of maps by layer", [each for each, _, _ in maps], lines, "rms, K")
        legend = keys([("line-good", "first maps"), ("line-other", "predicted maps")][: len(lines)])
        drawn.append(f"<div>{chart}{legend}</div>")
    return f'<div class="charts">{"".join(drawn)}</div>' if drawn else "<p>Nothing is known of both.</p>"


def _over_layers(title: str, layers: list[int], lines: list[list[float]], name: str) -> str:
    every = [value for line in lines for value in line]
    spread = (max(every) - min(every)) or max(every) * 0.1 or 1.0
    chart = Chart.over(
        title,
        (layers[0], max(layers[-1], layers[0] + 1)),
        (max(min(every) - 0.1 * spread, 0.0), max(every) + 0.1 * spread),
    )
    chart.frame("layer", name, x_ticks=layer_ticks(layers[0], layers[-1]))
    for kind, line in zip(("good", "other"), lines, strict=False):
        chart.line(layers, line, f"line-{kind}")
        for layer, value in zip(layers, line, strict=True) if len(layers) <= 30 else ():
            chart.dot(layer, value, f"dot-{kind}")
    return chart.svg()


def _pictures(found: Beside, maps: tuple[Maps, Maps], part: Part | None) -> str:
    """Return the differences of the maps that differ most, in colours around zero."""
    if part is None:
        return ""
    apart = [layer for layer in found.layers if _rms_K(layer) > 0 and layer.layer < part.layers]
    most = sorted(apart, key=lambda layer: -_rms_K(layer))[:PICTURES_MAX]
    shown = sorted(most, key=lambda each: each.layer)
    if not shown:
        return ""
    pairs = {layer.layer: _apart(layer.layer, maps) for layer in shown}
    span_K = max(
        float(np.percentile(np.abs(each), 99.9)) for pair in pairs.values() for each in pair if each is not None
    )
    figures = "".join(_layer_pictures(layer, pairs[layer.layer], part, span_K or 1.0) for layer in shown)
    ends = "".join(f"<span>{value:+.1f} K</span>" for value in (-span_K, 0.0, span_K))
    ramp = (
        '<div class="ramps"><div class="ramp">second less first'
        f'<i style="background:{gradient(BALANCE)}"></i><span>{ends}</span></div></div>'
    )
    same = len(found.layers) - len(apart)
    quiet = f"the {len(shown)} layers that differ most" if len(shown) < len(apart) else ""
    quiet = quiet or (f"the maps of {same} layers are the same" if same else "")
    return card("maps", "Differences of maps", f'{ramp}<div class="sheet">{figures}</div>', quiet=quiet)


def _rms_K(layer: LayerBeside) -> float:
    return max((each.rms_K for each in (layer.first_map, layer.predicted_map) if each is not None), default=0.0)


Pair = tuple[NDArray[np.float32], NDArray[np.float32] | None]


def _apart(layer: int, maps: tuple[Maps, Maps]) -> Pair:
    one, other = maps
    after = None
    if layer in one.predicted and layer in other.predicted:
        after = other.predicted[layer] - one.predicted[layer]
    return other.first[layer] - one.first[layer], after


def _layer_pictures(layer: LayerBeside, apart: Pair, part: Part, span_K: float) -> str:
    geometry = part.geometry_of(layer.layer)
    raster = raster_of(geometry.row, geometry.col, 2 * PICTURES_MAX)
    captions = (("first maps", layer.first_map), ("predicted maps", layer.predicted_map))
    figures = "".join(
        f'<figure><div class="pic"><img src="{_picture(raster, values, span_K)}" alt="Difference of {name}"></div>'
        f"<figcaption>{name}: rms {figures.rms_K:.2f} K, at most {figures.max_K:.1f} K</figcaption></figure>"
        for values, (name, figures) in zip(apart, captions, strict=True)
        if values is not None and figures is not None
    )
    return (
        f'<article class="layer"><h3>Layer {layer.layer + 1}</h3><div class="pics pair">{figures}</div></article>'
    )


def _picture(raster: Raster, values: NDArray[np.float32], span_K: float) -> str:
    places = shades(raster.means(values), raster.filled, -span_K, span_K)
    return data_url(png(places, raster.rows, raster.columns, palette(BALANCE)))


def _layer_table(found: Beside) -> str:
    head = (
        "Layer", "#Windows", "#Fallbacks", "#Same cell", "First difference", "#R, first", "#R, second",
        "#Slack median, ms", "#First maps, K rms", "#Predicted, K rms",
    )  # fmt: skip
    rows = [(_layer_row(layer, found.same_part), "") for layer in found.layers]
    alone = [f"Layers only in the {name}: {', '.join(str(layer + 1) for layer in layers)}." for name, layers in
             (("first", found.only_one), ("second", found.only_other)) if layers]  # fmt: skip
    return table(head, rows, kind="long", name="Layers") + "".join(f"<p>{escape(each)}</p>" for each in alone)


def _layer_row(layer: LayerBeside, same_part: bool) -> tuple[str, ...]:
    first = layer.first_difference
    words = "none"
    if first is not None:
        words = (
            f"window {first.window + 1}: cell {first.one.cell} ({_chose(first.one.source, first.one.cause)}),"
            f" cell {first.other.cell} ({_chose(first.other.source, first.other.cause)})"
        )
    return (
        str(layer.layer + 1),
        " / ".join(map(str, layer.windows)),
        " / ".join(map(str, layer.fallbacks)),
        str(layer.same_cells) if same_part else "–",
        words if same_part else "–",
        *(number(each, 5) for each in layer.uniformity),
        " / ".join(number(each) for each in layer.slack_median_ms),
        number(layer.first_map.rms_K if layer.first_map and same_part else None, 2),
        number(layer.predicted_map.rms_K if layer.predicted_map and same_part else None, 2),
    )


def _chose(source: str, cause: str) -> str:
    return f"{source}: {cause}" if cause else source
