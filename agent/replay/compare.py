"""What a replay came to beside the recording: same decisions, the first difference with its reasons, slack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from agent.keeper import Handover
from agent.recorder.channels import Window
from agent.recorder.reading import Recording
from agent.replay.script import Script
from thermal.order import part_operator
from thermal.part import Part
from thermal.smartscan import SmartScan

CANDIDATES = 5
"""Best candidates told of a difference, beside the two cells."""

PERCENTILES = (1, 5, 50, 95)


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A cell that could have been chosen. `score_K2`: the smaller the better; `rank` from 1."""

    cell: int
    score_K2: float
    rank: int


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What one side did in a window, and why."""

    cell: int
    source: str
    outcome: str
    cause: str
    score_K2: float | None
    rank: int | None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The first window in which the orders differ. Scores: SmartScan's, from the recorded map and order so far.

    `tie_K2`: scores nearer than this count as equal; then the lowest cell is taken.
    """

    layer: int
    window: int
    recorded: Side
    replayed: Side
    best: list[Candidate]
    tie_K2: float


class Slack(msgspec.Struct, frozen=True, kw_only=True):
    """The slack of windows, ms; a layer's first window, which has another deadline, is left out."""

    windows: int
    min_ms: float | None
    p1_ms: float | None
    p5_ms: float | None
    median_ms: float | None
    p95_ms: float | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A replay beside its recording.

    `windows`: those recorded in the layers replayed; `same_order`: with the same cell. `decided`: those that the
    coordinator had decided; `same_decisions`: decided with the same cell again. `recorded_fallbacks` were scanned
    as recorded; `new_fallbacks`: windows without a decision that had one.
    """

    layers: int
    windows: int
    same_order: int
    decided: int
    same_decisions: int
    same_percent: float
    recorded_fallbacks: int
    new_fallbacks: int
    first_difference: Difference | None
    slack_recorded: Slack
    slack_replayed: Slack

    @property
    def same(self) -> bool:
        """Whether the order is the recorded one, decided by the same side."""
        return self.same_order == self.windows and self.same_decisions == self.decided


def compare(
    recording: Recording,
    script: Script,
    part: Part,
    replayed: Mapping[tuple[int, int], Handover],
    causes: Mapping[tuple[int, int], str],
    rule: str,
) -> Comparison:
    """Compare what was `replayed`, by layer and window, with the recording."""
    recorded = {(each.layer, number): window for each in script.layers for number, window in each.windows.items()}
    both = [(key, window, replayed[key]) for key, window in sorted(recorded.items()) if key in replayed]
    decided = [(window, again) for _, window, again in both if window.source == "coordinator"]
    same = sum(again.source == "coordinator" and again.cell == window.cell for window, again in decided)
    first = next((key for key, window, again in both if _differs(window, again)), None)
    return Comparison(
        layers=len(script.layers),
        windows=len(recorded),
        same_order=sum(window.cell == again.cell for _, window, again in both),
        decided=len(decided),
        same_decisions=same,
        same_percent=round(100.0 * same / len(decided), 3) if decided else 100.0,
        recorded_fallbacks=len(recorded) - len(decided),
        new_fallbacks=sum(again.source == "fallback" for _, again in decided),
        first_difference=None
        if first is None
        else _difference(recording, script, part, first, replayed[first], causes.get(first, ""), rule),
        slack_recorded=_slack([window.slack_ms for key, window, _ in both if key[1] > 0]),
        slack_replayed=_slack([again.slack_s * 1e3 for key, _, again in both if key[1] > 0]),
    )


def _differs(window: Window, again: Handover) -> bool:
    return window.cell != again.cell or (window.source == "coordinator" and again.source != "coordinator")


def _difference(
    recording: Recording,
    script: Script,
    part: Part,
    key: tuple[int, int],
    again: Handover,
    cause: str,
    rule: str,
) -> Difference:
    layer, number = key
    windows = script.of(layer).windows
    window = windows[number]
    scan = SmartScan(part.geometry_of(layer), part.process, rule)
    operator, lengths = part_operator(part, layer), part.geometry_of(layer).lengths
    theta = scan.theta_from_map(recording.map_K(layer))
    left = np.ones(len(lengths), dtype=np.bool_)
    for before in range(number):
        cell = windows[before].cell
        theta = scan.advance(operator.apply(int(lengths[cell]), theta), cell)
        left[cell] = False
    scores = scan.scores(theta)
    ranking = [int(cell) for cell in np.argsort(scores, kind="stable") if left[cell]]
    ranks = {cell: rank for rank, cell in enumerate(ranking, 1)}

    def side(cell: int, source: str, outcome: str, why: str) -> Side:
        score = float(scores[cell]) if cell in ranks else None
        return Side(cell=cell, source=source, outcome=outcome, cause=why, score_K2=score, rank=ranks.get(cell))

    return Difference(
        layer=layer,
        window=number,
        recorded=side(window.cell, window.source, window.outcome, window.cause),
        replayed=side(again.cell, again.source, again.outcome.value, cause),
        best=[
            Candidate(cell=cell, score_K2=float(scores[cell]), rank=ranks[cell]) for cell in ranking[:CANDIDATES]
        ],
        tie_K2=scan.tie_tolerance * float(np.max(part.geometry_of(layer).g)),
    )


def _slack(slacks_ms: Sequence[float]) -> Slack:
    if not slacks_ms:
        return Slack(windows=0, min_ms=None, p1_ms=None, p5_ms=None, median_ms=None, p95_ms=None)
    p1, p5, p50, p95 = (round(float(each), 3) for each in np.percentile(slacks_ms, PERCENTILES))
    least = round(min(slacks_ms), 3)
    return Slack(windows=len(slacks_ms), min_ms=least, p1_ms=p1, p5_ms=p5, median_ms=p50, p95_ms=p95)
