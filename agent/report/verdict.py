"""A job in words: what a person should know first. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from agent.report.figures import Report

OUTCOME_WORDS = {
    "on_time": "decided in time",
    "fallback_timeout": "no decision came in time",
    "fallback_disconnected": "the link was down",
    "fallback_rejected": "the decision was not valid",
    "fallback_machine": "the machine scanned another cell",
}
"""Every outcome in words; those of the live page."""

TONES = {"good": "as it should be", "warn": "worth a look", "bad": "something went wrong"}
"""A tone in words."""


def verdict_of(report: Report) -> list[str]:
    """Return the job in sentences, the most important first."""
    return [*_windows(report), *_machine(report), *_completeness(report), *_order(report)]


def tone_of(report: Report) -> str:
    """Return `good`, `warn` where something was not as it should be, `bad` where machine or laser suffered."""
    if report.job.faults or report.slack.late or not report.windows:
        return "bad"
    fell_back = report.windows > report.on_time and report.has_coordinator
    incomplete = bool(report.problems) or any(layer.complete is False for layer in report.layers)
    return "warn" if fell_back or incomplete or not report.job.ended else "good"


def _windows(report: Report) -> Iterator[str]:
    fallbacks = report.windows - report.on_time
    if not report.windows:
        yield "No window is recorded."
    elif not report.has_coordinator:
        orders = sorted({order for group in report.fallbacks for order in group.orders})
        yield f"No coordinator was configured: the printer chose all {_many(report.windows, 'window')} itself" + (
            f", in the order {', '.join(orders)}." if orders else "."
        )
    elif not fallbacks:
        yield f"All {_many(report.windows, 'window')} had the coordinator's decision in time."
    else:
        share = 100.0 * fallbacks / report.windows
        causes = [
            f"{count} because {OUTCOME_WORDS.get(outcome, outcome)}"
            if outcome in OUTCOME_WORDS
            else f"{count} {outcome}"
            for outcome, count in sorted(report.outcomes.items(), key=lambda item: -item[1])
            if outcome != "on_time"
        ]
        yield (
            f"{fallbacks} of {_many(report.windows, 'window')} ({share:.1f} %) fell back: {', '.join(causes)}. "
            f"The others had the coordinator's decision in time."
        )
    if report.slack.late:
        yield f"{_many(report.slack.late, 'cell')} came too late: the laser waited."
    elif report.slack.min_ms is not None and report.slack.min_ms < 0.0:
        yield (
            f"The latest cell was handed over {-report.slack.min_ms:.1f} ms after its deadline, within the guard: "
            "the laser did not wait."
        )
    elif report.slack.min_ms is not None:
        yield f"The least time left before a deadline was {report.slack.min_ms:.1f} ms."


def _machine(report: Report) -> Iterator[str]:
    starved_ms = sum(layer.starved_ms or 0.0 for layer in report.layers)
    if starved_ms >= 0.05:
        yield f"The laser stood still for {starved_ms:.1f} ms in all for want of a cell."
    if report.job.faults:
        yield f"The machine reported {_many(len(report.job.faults), 'fault')}: {'; '.join(report.job.faults[:3])}."
    if report.losses:
        yield f"The link to the coordinator was lost {'once' if report.losses == 1 else f'{report.losses} times'}."
    others = sum(layer.map_from not in ("", "camera") for layer in report.layers)
    if others:
        of = "layer's" if others == 1 else "layers'"
        yield f"{others} {of} first map did not come from the camera."


def _completeness(report: Report) -> Iterator[str]:
    short = [layer.layer + 1 for layer in report.layers if layer.complete is False]
    if short:
        named = ", ".join(map(str, short[:8])) + (" …" if len(short) > 8 else "")
        yield f"Not every cell's window is recorded in {_many(len(short), 'layer')}: {named}."
    if not report.job.ended:
        yield "The recording ends before the job does."


def _order(report: Report) -> Iterator[str]:
    found = report.comparison
    if found is None or not found.printed or not found.random or not found.sequential:
        return
    yield (
        f"Mean R as printed was {_beside(found.printed, found.random, 'random orders')} and "
        f"{_beside(found.printed, found.sequential, 'the sequential order')}."
    )


def _beside(printed: float, other: float, name: str) -> str:
    ratio = other / printed
    if abs(ratio - 1.0) < 0.005:
        return f"the same as that of {name}"
    return (
        f"{ratio:.2f} times smaller than that of {name}"
        if ratio > 1
        else f"{1 / ratio:.2f} times larger than that of {name}"
    )


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count:,} {word}s".replace(",", " ")
