"""Feeds targets with mutations of their corpora and keeps what brought out an undocumented error."""

from __future__ import annotations

import hashlib
import random
import signal
import time
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.mutations import mutated
from tests.fuzz.targets import Target

FINDINGS = Path(__file__).parent / "findings"
"""Inputs that once brought out an error: kept, and fed again by every run of the tests."""
HANG_S = 10
"""An input that keeps a parser longer is a finding."""


class Hang(BaseException):
    """A parser did not come back."""


@dataclass
class Outcome:
    """What a campaign on one target came to."""

    target: str
    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0
    findings: dict[str, str] = field(default_factory=dict)


def feed(target: Target, data: bytes) -> bool:
    """Give `data` to the target; return whether it was accepted. Anything but a documented error goes through."""
    try:
        target.feed(data)
    except target.allowed:
        return False
    return True


def campaign(target: Target, seed: int, *, inputs: int | None = None, seconds: float = 1e9) -> Outcome:
    """Feed `inputs` mutations, or for `seconds`; findings are saved and the campaign goes on."""
    chance = random.Random(f"{target.name} {seed}")
    outcome = Outcome(target.name)
    began_s = time.monotonic()
    known: set[str] = set()
    corpus = (*target.corpus, *(path.read_bytes() for path in sorted(FINDINGS.glob(f"{target.name}-*"))))
    before = signal.signal(signal.SIGALRM, _alarm)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a parser may warn; it must not break
            while (inputs is None or outcome.inputs < inputs) and time.monotonic() - began_s < seconds:
                signal.alarm(HANG_S)
                data = mutated(corpus, chance)
                outcome.inputs += 1
                try:
                    accepted = feed(target, data)
                except (Exception, Hang) as error:  # noqa: BLE001  that is what is looked for
                    _keep(outcome, target, data, error, known)
                else:
                    outcome.accepted += accepted
                    outcome.refused += not accepted
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    outcome.seconds = time.monotonic() - began_s
    return outcome


def _keep(outcome: Outcome, target: Target, data: bytes, error: BaseException, known: set[str]) -> None:
    """Save the first input of every place from which an error left."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{type(error).__name__} {frames[-1].filename}:{frames[-1].lineno}"
    if place in known:
        return
    known.add(place)
    name = f"{target.name}-{hashlib.sha256(data).hexdigest()[:12]}"
    (FINDINGS / name).write_bytes(data)
    outcome.findings[name] = "".join(traceback.format_exception(error))


def _alarm(*_: object) -> None:
    raise Hang(f"longer than {HANG_S} s")
