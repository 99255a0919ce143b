"""The charts of a report: slack, R, maps and link over the job. Figures in, SVG out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from agent.recorder.channels import Window
from agent.report.charts import LEFT, RIGHT, TOP, WIDTH, Chart, histogram
from agent.report.figures import Layer, LinkStretch, Slack

BINS = 48
BARS_MAX = 700
"""Windows shown as a bar each; of more, many stand together in a column."""
COLUMNS = 240
MARKS_MAX = 400
RIBBON_HEIGHT = 150


def slack_histogram(windows: Sequence[Window], slack: Slack) -> str:
    """Return how often each slack occurred; fallbacks in a colour of their own, on top."""
    counted = [window for window in windows if window.window > 0]
    if not counted:
        return ""
    slacks_ms = np.array([window.slack_ms for window in counted])
    fell_back = np.array([window.outcome != "on_time" for window in counted])
    low, high = _slack_range(slacks_ms, slack)
    on_time = histogram(slacks_ms[~fell_back], low, high, BINS)
    fallbacks = histogram(slacks_ms[fell_back], low, high, BINS)
    most = max(int((on_time + fallbacks).max()), 1)
    title = f"Slack of {len(counted)} windows: median {slack.median_ms} ms, least {slack.min_ms} ms"
    chart = Chart.over(title, (low, high), (0, most * 1.12))
    chart.frame("slack, ms", "windows")
    edges = np.linspace(low, high, BINS + 1)
    for number in range(BINS):
        span = (float(edges[number]), float(edges[number + 1]))
        good, bad = int(on_time[number]), int(fallbacks[number])
        words = f"{span[0]:.1f} to {span[1]:.1f} ms: {good} in time, {bad} fallbacks"
        if good:
            chart.bar(span, (0, good), "bar-good", words)
        if bad:
            chart.bar(span, (good, good + bad), "bar-fall", words)
    if low < 0:
        chart.upright(0.0, "deadline")
    return chart.svg()


def _slack_range(slacks_ms: np.ndarray, slack: Slack) -> tuple[float, float]:
    low = min(float(slacks_ms.min()), -(slack.guard_ms or 0.0)) * 1.05
    return low, max(float(np.percentile(slacks_ms, 99.9)), 1.0) * 1.03


def slack_timeline(windows: Sequence[Window], slack: Slack) -> str:
    """Return the slack window by window; of many windows, the range and the median of each column's."""
    if not windows:
        return ""
    slacks_ms = np.array([window.slack_ms for window in windows])
    counted = np.array([window.slack_ms for window in windows if window.window > 0])
    low, high = _slack_range(counted if counted.size else slacks_ms, slack)
    title = f"Slack of {len(windows)} windows in the order printed"
    chart = Chart.over(title, (0, len(windows)), (low, high * 1.08))
    chart.frame("window of the job", "slack, ms")
    if len(windows) <= BARS_MAX:
        for number, window in enumerate(windows):
            kind = "bar-good" if window.outcome == "on_time" else "bar-fall"
            words = f"layer {window.layer + 1}, window {window.window + 1}: {window.slack_ms:.1f} ms"
            span = sorted((0.0, window.slack_ms))
            chart.bar((number, number + 0.8), (span[0], span[1]), kind, words)
    else:
        edges = np.linspace(0, len(windows), COLUMNS + 1).astype(int)
        columns = [slacks_ms[one:other] for one, other in pairwise(edges.tolist())]
        middles = ((edges[:-1] + edges[1:]) / 2).tolist()
        chart.band(
            middles, [float(each.min()) for each in columns], [float(each.max()) for each in columns], "band-good"
        )
        chart.line(middles, [float(np.median(each)) for each in columns], "line-good")
    _mark_fallbacks(chart, windows)
    chart.level(0.0, "deadline")
    if slack.guard_ms:
        chart.level(-slack.guard_ms, f"the cell before ends: guard {slack.guard_ms:g} ms")
    return chart.svg()


def _mark_fallbacks(chart: Chart, windows: Sequence[Window]) -> None:
    fell_back = [(number, window) for number, window in enumerate(windows) if window.outcome != "on_time"]
    step = max(1, -(-len(fell_back) // MARKS_MAX))
    for number, window in fell_back[::step]:
        words = f"layer {window.layer + 1}, window {window.window + 1}: {window.cause or window.outcome}"
        chart.mark(number + 0.5, max(window.slack_ms, 0.0), "mark-fall", words)


def uniformity_by_layer(layers: Sequence[Layer]) -> str:
    """Return mean R of every layer as printed, and of other orders where they were computed."""
    known = [
        (layer.layer + 1, layer.uniformity) for layer in layers if layer.uniformity and layer.uniformity.printed
    ]
    if not known:
        return ""
    printed = [(number, float(np.mean(each.printed))) for number, each in known]
    random = [(number, float(np.mean(each.random_mean))) for number, each in known if each.random_mean]
    sequential = [(number, float(np.mean(each.sequential))) for number, each in known if each.sequential]
    every = [value for _, value in printed + random + sequential]
    spread = (max(every) - min(every)) or max(every) * 0.1
    chart = Chart.over(
        "Mean R of every layer, as printed and for other orders",
        (known[0][0], max(known[-1][0], known[0][0] + 1)),
        (max(min(every) - 0.15 * spread, 0.0), max(every) + 0.15 * spread),
    )
    chart.frame("layer", "mean R", x_ticks=layer_ticks(known[0][0], known[-1][0]))
    for points, line in ((sequential, "line-sequential"), (random, "line-random"), (printed, "line-good")):
        if points:
            chart.line([each for each, _ in points], [value for _, value in points], line)
            for number, value in points if len(points) <= 30 else ():
                chart.dot(number, value, line.replace("line", "dot"))
    return chart.svg()


def maps_by_layer(layers: Sequence[Layer]) -> str:
    """Return the mean and the range of first and predicted maps, layer by layer, kelvin."""
    known = [layer for layer in layers if layer.map_before]
    if not known:
        return ""
    pairs = [(known, [layer.map_before for layer in known], "before")]
    after = [layer for layer in known if layer.map_after]
    if after:
        pairs.append((after, [layer.map_after for layer in after], "after"))
    every = [bound for _, maps, _ in pairs for each in maps if each for bound in (each.min_K, each.max_K)]
    low, high = min(every), max(every)
    first, last = known[0].layer + 1, known[-1].layer + 1
    chart = Chart.over(
        "Temperatures of every layer's first and predicted map",
        (first, max(last, first + 1)),
        (low - 0.05 * (high - low), high + 0.05 * (high - low) + 1),
    )
    chart.frame("layer", "kelvin", x_ticks=layer_ticks(first, last))
    for each, maps, name in reversed(pairs):
        numbers = [layer.layer + 1 for layer in each]
        given = [found for found in maps if found]
        chart.band(numbers, [found.min_K for found in given], [found.max_K for found in given], f"band-{name}")
        chart.line(numbers, [found.mean_K for found in given], f"line-{name}")
    return chart.svg()


def layer_ticks(first: int, last: int) -> list[float]:
    """Return whole numbers of layers for an axis, some eight of them."""
    step = max(1, -(-(last - first) // 8))
    return [float(number) for number in range(first, last + 1, step)]


def link_timeline(link: Sequence[LinkStretch], duration_s: float, layers: Sequence[tuple[int, float]]) -> str:
    """Return when the link was up and down over the job, with the beginnings of layers."""
    if not link:
        return ""
    up_s = sum(each.to_s - each.from_s for each in link if each.up)
    title = f"The link was up for {up_s:.1f} of {duration_s:.1f} s"
    chart = Chart.over(title, (0, max(duration_s, 0.001)), (0, 1), height=RIBBON_HEIGHT)
    for value in chart.x.ticks(6):
        chart.text(chart.x.at(value), RIBBON_HEIGHT - 24, f"{value:g}")
    chart.text((LEFT + WIDTH - RIGHT) / 2, RIBBON_HEIGHT - 6, "seconds since the recording began")
    for each in link:
        words = f"{each.from_s:.1f} to {each.to_s:.1f} s: {'up' if each.up else 'down'} {each.text}".strip()
        height = (0.72, 1.0) if each.up else (0.34, 0.62)
        chart.bar((each.from_s, each.to_s), height, "bar-good" if each.up else "bar-fall", words)
    step = max(1, -(-len(layers) // 12))
    for layer, at_s in layers[::step]:
        at = chart.x.at(at_s)
        chart.parts.append(f'<path class="limit" d="M{at} {TOP}V{chart.y.at(0)}"/>')
        chart.text(at + 3, chart.y.at(0.03), str(layer + 1), anchor="start")
    for name, place in (("up", 0.8), ("down", 0.42), ("layer", 0.03)):
        chart.text(LEFT - 8, chart.y.at(place), name, anchor="end")
    return chart.svg()
