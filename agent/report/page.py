"""The report of a job as one page. Figures, pictures and charts in, HTML out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from agent.recorder.channels import Window
from agent.report import drawings, sections
from agent.report.album import Pictures, Shape
from agent.report.figures import Report
from agent.report.html import card, keys, mark, whole_page
from agent.report.sheet import layer_figure, ramps
from agent.report.verdict import TONES


@dataclass(frozen=True, slots=True)
class Material:
    """What a page is made of.

    Attributes:
        report: the figures.
        windows: every window, in the order printed.
        beginnings: layers and when their powder lay, seconds.
        configuration: every setting that was in force.
        pictures: of every layer that has some.
        shapes: of these layers, for what is written into the pictures.
        scale_K: temperatures of the first and last colour.
        data: for the animation; None without one.
        made_by: version of this program.
    """

    report: Report
    windows: Sequence[Window]
    beginnings: Sequence[tuple[int, float]]
    configuration: dict[str, Any]
    pictures: Sequence[Pictures]
    shapes: dict[int, Shape]
    scale_K: tuple[float, float]
    data: dict[str, Any] | None
    made_by: str


def page_of(material: Material) -> str:
    """Return the page."""
    report = material.report
    title = f"{report.job.job} on {report.job.printer or 'a printer'}: report"
    body = (
        f'<a class="skip" href="#main">Skip to the layers</a>\n<div class="page">\n{_head(report)}\n'
        f'<main id="main" class="grid">\n{"".join(_sections(material))}</main>\n{_foot(material)}</div>'
    )
    return whole_page(title, body, material.data)


def _head(report: Report) -> str:
    job = report.job
    words, tone = TONES[report.tone], {"good": "good", "warn": "warn", "bad": "bad"}[report.tone]
    when = job.started.replace("T", " ").partition(".")[0]
    verdict = "".join(f"<li>{escape(sentence)}</li>" for sentence in report.verdict)
    notes = [*report.problems, *report.missing, *sections.layer_notes(report)]
    noted = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return (
        f'<header class="head">{mark()}<div><h1>{escape(job.job)}</h1>'
        f'<div class="kind">{escape(job.part)} on {escape(job.printer)}, {escape(when)} UTC</div></div>'
        f'<span class="badge" data-tone="{tone}">{escape(words)}</span></header>\n'
        f'<ul class="verdict" data-tone="{report.tone}" aria-label="Verdict">{verdict}</ul>\n'
        + (f'<ul class="notes" aria-label="What is missing">{noted}</ul>\n' if noted else "")
    )


def _sections(material: Material) -> list[str]:
    report = material.report
    found = []
    if material.data is not None:
        found.append(sections.stage(report))
    else:
        found.append(sections.summary(report))
    found.append(_uniformity(report))
    found.append(_slack(material))
    found.append(sections.fallbacks(report))
    found.append(_coordinator(material))
    found.append(_sheet(material))
    found.append(sections.layer_table(report))
    found.append(sections.about(report, material.configuration))
    return [each for each in found if each]


def _uniformity(report: Report) -> str:
    charts = [
        (drawings.uniformity_by_layer(report.layers), _r_keys(report)),
        (drawings.maps_by_layer(report.layers), _map_keys(report)),
    ]
    drawn = "".join(f"<div>{chart}{legend}</div>" for chart, legend in charts if chart)
    if not drawn:
        return ""
    return card(
        "uniformity", "Uniformity and temperature", f'<div class="charts">{drawn}</div>{sections.formula(report)}'
    )


def _r_keys(report: Report) -> str:
    rows = [("line-good", "R as printed, mean over the layer's windows")]
    if report.comparison is not None and report.comparison.random is not None:
        rows.append(("line-random", f"mean of {report.comparison.random_orders} random orders"))
        rows.append(("line-sequential", "sequential order"))
    return keys(rows)


def _map_keys(report: Report) -> str:
    rows = [("line-before", "first map: mean and range")]
    if any(layer.map_after for layer in report.layers):
        rows.append(("line-after", "predicted after the layer: mean and range"))
    return keys(rows)


def _slack(material: Material) -> str:
    report = material.report
    charts = [
        drawings.slack_timeline(material.windows, report.slack),
        drawings.slack_histogram(material.windows, report.slack),
    ]
    drawn = "".join(f"<div>{chart}</div>" for chart in charts if chart)
    if not drawn:
        return ""
    legend = keys([("line-good", "decided in time"), ("line-after", "▲ fallback")])
    quiet = (
        "time left before the deadline when a cell was handed over; the deadline is the guard before the cell's end"
    )
    return card(
        "slack", "Slack", f'<div class="charts">{drawn}</div>{legend}{sections.slack_table(report)}', quiet=quiet
    )


def _coordinator(material: Material) -> str:
    report = material.report
    chart = drawings.link_timeline(report.link, report.job.duration_s, material.beginnings)
    return card(
        "link",
        "Coordinator",
        f'<div class="charts"><div>{chart}</div><div>{sections.coordinator(report)}</div></div>',
    )


def _sheet(material: Material) -> str:
    if not material.pictures:
        return ""
    layers = {layer.layer: layer for layer in material.report.layers}
    numbered = sum(len(layers[each.layer].order) for each in material.pictures)
    figures = "".join(
        layer_figure(layers[each.layer], each, material.shapes.get(each.layer), numbered=numbered)
        for each in material.pictures
    )
    region = 'class="sheet" tabindex="0" role="region" aria-label="Every layer"'
    content = f"{ramps(material.scale_K)}<div {region}>{figures}</div>"
    return card("sheet", "Every layer", content, quiet="order, first map, predicted map, R by window")


def _foot(material: Material) -> str:
    return (
        f'<footer class="foot"><span>made by cosmic-agent {escape(material.made_by)} from the recording alone'
        f"{' and the part' if material.pictures else ''}; this file needs no network</span>"
        "<span>Layers and windows are counted from 1 here, from 0 in logs and JSON; cells from 0.</span></footer>"
    )
