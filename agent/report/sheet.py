"""A layer's figures as they stand on paper: order, first map, predicted map, R by window. Pure."""

from __future__ import annotations

from html import escape

from agent.report.album import Pictures, Shape
from agent.report.charts import spark
from agent.report.figures import Layer, MapFigures
from agent.report.pictures import INFERNO, VIRIDIS

NUMBERED_CELLS_MAX = 90
"""Cells of a layer whose windows are written into its picture: more cannot be read."""

NUMBERS_MAX = 4000
"""Numbers on a page at most: they are parts of the document each."""


def layer_figure(layer: Layer, pictures: Pictures, shape: Shape | None, *, numbered: int) -> str:
    """Return the figures of a layer.

    numbered: windows of all layers together.
    """
    number = layer.layer + 1
    fell = len(layer.fallback_windows)
    words = f"{layer.windows} windows" + (f", ▲ {fell} fell back" if fell else "")
    kind = ' class="fell"' if fell else ""
    marks = _marks(layer, pictures, shape, numbered=numbered)
    figures = [
        _figure("order", pictures, pictures.order, f"Order of layer {number}", "order", marks),
        _figure(
            "before",
            pictures,
            pictures.before,
            f"First map of layer {number}",
            f"first map, {_span(layer.map_before)}",
        ),
    ]
    if pictures.after:
        caption = f"predicted after, {_span(layer.map_after)}"
        figures.append(_figure("after", pictures, pictures.after, f"Predicted map after layer {number}", caption))
    figures.append(_spark(layer))
    return (
        f'<article class="layer" id="layer-{layer.layer}"><h3>'
        f'<button type="button" data-layer="{layer.layer}">Layer {number}</button>'
        f"<small{kind}>{escape(words)}</small></h3>"
        f'<div class="pics">{"".join(figures)}</div></article>'
    )


def ramps(scale_K: tuple[float, float]) -> str:
    """Return what the colours of the pictures mean."""
    low, high = scale_K
    ticks = "".join(f"<span>{low + share * (high - low):.0f} K</span>" for share in (0, 0.25, 0.5, 0.75, 1))
    return (
        '<div class="ramps">'
        f'<div class="ramp">maps, the same scale for all<i style="background:{gradient(INFERNO)}"></i>'
        f"<span>{ticks}</span></div>"
        f'<div class="ramp">order<i style="background:{gradient(VIRIDIS)}"></i>'
        "<span><span>first window</span><span>last</span></span></div></div>"
    )


def gradient(anchors: str) -> str:
    """Return a palette as a style's background."""
    return f"linear-gradient(90deg,{','.join(f'#{anchor}' for anchor in anchors.split())})"


def _figure(name: str, pictures: Pictures, address: str, words: str, caption: str, over: str = "") -> str:
    size = f'width="{pictures.columns}" height="{pictures.rows}" decoding="async"'
    # Not loading="lazy": what was not scrolled to would be missing on paper.
    return (
        f'<figure><div class="pic"><img class="{name}" src="{address}" alt="{escape(words)}" {size}>'
        f"{over}</div><figcaption>{escape(caption)}</figcaption></figure>"
    )


def _marks(layer: Layer, pictures: Pictures, shape: Shape | None, *, numbered: int) -> str:
    """Return the windows' numbers, where they can be read, and the fallbacks' marks, over the picture."""
    if shape is None:
        return ""
    fell = set(layer.fallback_windows)
    all_of_them = shape.cells <= NUMBERED_CELLS_MAX and numbered <= NUMBERS_MAX
    side = (pictures.rows * pictures.columns / max(shape.cells, 1)) ** 0.5
    size = min(side * 0.42, pictures.columns / 14) if all_of_them else pictures.columns / 22
    words = []
    for window, cell in enumerate(layer.order):
        if window not in fell and not all_of_them:
            continue
        x, y = shape.centres[cell]
        text = ("▲" if window in fell else "") + (str(window + 1) if all_of_them else "")
        words.append(f'<text x="{x:.1f}" y="{y:.1f}">{text}</text>')
    if not words:
        return ""
    style = f"font-size:{size:.2f}px;stroke-width:{size / 5:.2f}px"
    inside = f'<g style="{style}">{"".join(words)}</g>'
    return f'<svg viewBox="0 0 {pictures.columns} {pictures.rows}" aria-hidden="true">{inside}</svg>'


def _span(figures: MapFigures | None) -> str:
    return "" if figures is None else f"{figures.min_K:.0f} to {figures.max_K:.0f} K"


def _spark(layer: Layer) -> str:
    found = layer.uniformity
    if found is None or not found.printed:
        return ""
    lines = [("line-good", found.printed)]
    if found.random_mean and found.sequential:
        lines = [("line-sequential", found.sequential), ("line-random", found.random_mean), *lines]
    drawn = spark(lines, f"R by window of layer {layer.layer + 1}")
    return f"<figure>{drawn}<figcaption>R {found.printed[0]:.5f} to {found.printed[-1]:.5f}</figcaption></figure>"
