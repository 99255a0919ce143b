"""What a demonstration's functions did: from the coordinator's log, and from the platform's own count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec


class FunctionsVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of a demonstration on functions.

    Attributes:
        engine: name of the engine.
        functions: of the plan.
        environments: that the platform started for them.
        invocations: all of them, and how many found their environment warm.
        rounds: of keep-warm that were told the printer, and functions found cold and loaded again by them.
        guesses: of the next group, and how many were right.
        invoked_in_vain: groups invoked ahead that were not needed.
        ready_minus_needed_ms: median over layers of their medians: groups invoked ahead, ready minus needed, ms.
        windows_spared: computed by the coordinator since a function was at fault.
        faults: of workers, by cause.
        gb_seconds: on our bill.
        requests: on our bill.
        dollars: what that would cost, USD.
        gb_seconds_reported: by the platform.
        requests_reported: by the platform.
        difference_percent: of our GB-seconds from the platform's.
        left: resources after `destroy`.
    """

    engine: str
    functions: int
    environments: int
    invocations: int
    invocations_warm: int
    rounds: int
    cold: int
    reloaded: int
    guesses: int
    guesses_right: int
    invoked_in_vain: int
    ready_minus_needed_ms: float | None
    windows_spared: int
    faults: dict[str, int]
    gb_seconds: float
    requests: int
    dollars: float
    gb_seconds_reported: float | None
    requests_reported: int | None
    difference_percent: float | None
    left: list[str]


def judge_functions(
    coordinator_log: Path, usage: Sequence[dict[str, Any]], left: dict[str, Any]
) -> FunctionsVerdict:
    """Return what the coordinator's log, the platform's count and what `destroy` left say."""
    lines = [msgspec.json.decode(line) for line in coordinator_log.read_bytes().splitlines() if line[:1] == b"{"]
    layers = [line for line in lines if line["event"] == "layer" and "guesses" in line]
    warm = [line for line in lines if line["event"] == "warm"]
    opened = [line for line in lines if line["event"] == "job_opened"]
    closed = [line for line in lines if line["event"] == "job_closed"]
    compared = [line for line in lines if line["event"] == "bill_compared"]
    faults: dict[str, int] = {}
    for layer in layers:
        for cause, count in layer["faults"].items():
            faults[cause] = faults.get(cause, 0) + count
    leads = [layer["ready_minus_needed_ms"][1] for layer in layers if layer["ready_minus_needed_ms"]]
    bill = closed[-1] if closed else {}
    platform = compared[-1] if compared else {}
    return FunctionsVerdict(
        engine=opened[-1]["engine"] if opened else "",
        functions=len({one["function"] for one in usage}),
        environments=len({one["environment"] for one in usage}),
        invocations=len(usage),
        invocations_warm=sum(not one["cold"] for one in usage),
        rounds=len(warm),
        cold=sum(line["cold"] for line in warm),
        reloaded=sum(line["reloaded"] for line in warm),
        guesses=sum(layer["guesses"] for layer in layers),
        guesses_right=sum(layer["guesses_right"] for layer in layers),
        invoked_in_vain=sum(layer["invoked_in_vain"] for layer in layers),
        ready_minus_needed_ms=median(leads) if leads else None,
        windows_spared=sum(layer["windows_spared"] for layer in layers),
        faults=faults,
        gb_seconds=bill.get("gb_seconds", 0.0),
        requests=bill.get("requests", 0),
        dollars=bill.get("dollars", 0.0),
        gb_seconds_reported=platform.get("gb_seconds_reported"),
        requests_reported=platform.get("requests_reported"),
        difference_percent=platform.get("difference_percent"),
        left=_names(left),
    )


def _names(left: dict[str, Any]) -> list[str]:
    names = [one["name"] for one in left["functions"]]
    names += ["role"] if left["role"] else []
    names += ["log group"] if left["log_group"] else []
    names += [f"{left['objects']} objects"] if left["objects"] else []
    return names + ([left["bucket"]] if left["bucket"] else [])


def rows(verdict: FunctionsVerdict) -> list[tuple[str, str]]:
    """Return what a person reads: what, and how much of it."""
    lead = verdict.ready_minus_needed_ms
    faults = ", ".join(f"{count} {cause}" for cause, count in verdict.faults.items())
    reported, difference = "not reported", ""
    if verdict.gb_seconds_reported is not None:
        reported = f"{verdict.gb_seconds_reported:.3f} GB-s, {verdict.requests_reported} requests"
        difference = "-" if verdict.difference_percent is None else f"{verdict.difference_percent:+.2f} %"
    return [
        ("engine", verdict.engine),
        ("functions, environments", f"{verdict.functions}, {verdict.environments}"),
        ("invocations", f"{verdict.invocations} ({verdict.invocations - verdict.invocations_warm} cold starts)"),
        ("keep-warm, cold, loaded again", f"{verdict.rounds} layers, {verdict.cold}, {verdict.reloaded}"),
        ("groups guessed right", f"{verdict.guesses_right} of {verdict.guesses}"),
        ("groups invoked in vain", str(verdict.invoked_in_vain)),
        ("ready minus needed, median", "-" if lead is None else f"{lead:.2f} ms"),
        ("windows the coordinator computed", f"{verdict.windows_spared}" + (f" ({faults})" if faults else "")),
        ("our bill", f"{verdict.gb_seconds:.3f} GB-s, {verdict.requests} requests: ${verdict.dollars:.6f}"),
        ("the platform's", reported),
        ("difference", difference),
        ("left after destroy", ", ".join(verdict.left) or "nothing"),
    ]
