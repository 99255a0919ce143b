"""`cosmic-cloud bench load` with real processes, small: what it counts, not how fast this machine is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from cloud.load.printer import LightPrinter, Tally, Work
from cloud.load.trial import Trial
from cloud.load.wire import frame
from protocol.codec import encode
from protocol.messages import Decisions

COMMAND = [sys.executable, "-c", "import cloud.commands; cloud.commands.main()"]


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_every_window_of_every_printer_is_counted(engine: str) -> None:
    words = ["bench", "load", "--json", "--printers", "2", "--area", "0.5"]
    words += ["--spreading", "0.1", "--seconds", "0.5", "--engine"]
    done = subprocess.run([*COMMAND, *words, engine], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["engine"] == engine
    assert document["lookahead"] is None
    (trial,) = document["trials"]
    assert (trial["printers"], trial["refused"], trial["lost"]) == (2, 0, 0)
    assert trial["windows"] >= document["cells"]
    assert 0 <= trial["fallbacks"] <= trial["windows"]
    assert trial["coordinator_cpu"] > 0
    assert trial["load_average"] >= 0
    assert "2 printers:" in done.stderr


def test_matrices_that_are_too_large_are_refused_with_the_remedy() -> None:
    words = ["bench", "load", "--engine", "local", "--area", "16"]
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)
    assert done.returncode in {1, 2}
    assert "the limit is 4 GB" in done.stderr
    assert "give a smaller --area" in done.stderr
    assert "Traceback" not in done.stderr


class Still(LightPrinter):
    """A printer whose timers are fired by the test, and whose messages are kept."""

    def __init__(self, work: Work, tally: Tally) -> None:
        super().__init__("printer", "token", work, tally, 0.0, 0)
        self.sent: list[bytes] = []
        self.due: list[tuple[float, Callable[..., None], tuple[object, ...]]] = []

    def send(self, payload: bytes) -> None:
        self.sent.append(payload)

    def _at(self, when_s: float, what: Callable[..., None], *arguments: object) -> None:
        self.due.append((when_s, what, arguments))

    def fire(self) -> None:
        """Fire the earliest timer."""
        self.due.sort(key=lambda one: one[0])
        _, what, arguments = self.due.pop(0)
        what(*arguments)


async def test_window_without_a_decision_is_a_fallback_and_its_order_is_told() -> None:
    tally = Tally()
    printer = Still(Work("0" * 64, [0.04] * 6, [b"start"], None, 0.0), tally)
    printer._start_layer()
    decided = Decisions(layer=0, epoch=0, first_window=0, cells=[5, 4, 3, 2], compute_ms=[0.0] * 4)
    printer.came(encode(decided))
    while tally.layers == 0:
        printer.fire()
    assert (tally.windows, tally.fallbacks, len(tally.slack_s)) == (6, 2, 4)
    told = [message for message in printer.sent if b"deviated" in message]
    assert len(told) == 2
    printed = [
        message for message in printer.sent if b"\xa7printed\xa5layer" in message or b"type\xa7printed" in message
    ]
    assert len(printed) == 6


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_frames_are_as_long_as_they_say(size: int) -> None:
    whole = frame(b"x" * size)
    assert whole[0] == 0x82
    assert whole[1] & 0x80
    assert whole.endswith(b"\0\0\0\0" + b"x" * size)


def test_a_trial_holds_only_without_fallbacks_losses_and_refusals() -> None:
    good = Trial(2, 0, 0, 1.0, 10, 0, 1.0, 1.0, 1.0, 0.0, 0.1, 0.1, 1.0, 0.0)
    assert good.held
    for change in ({"fallbacks": 1}, {"lost": 1}, {"refused": 1}, {"windows": 0}):
        values = {name: getattr(good, name) for name in Trial.__slots__} | change
        assert not Trial(**values).held
