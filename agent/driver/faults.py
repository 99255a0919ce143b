"""What goes wrong with the simulated machine, where and how often: the switches of `printer.simulated.faults`.

Every fault is drawn from the seed, its kind, the layer and the window: the same settings, the same faults.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from agent.configuration import SimulatedFaults
from agent.driver.interface import DriverEvent, Fault, Listener
from cosmic.errors import ConfigurationError

KINDS = ("late", "lost", "doubled", "restart", "wrong_cell", "fault", "abort")


class MachineFaults:
    """Says what goes wrong, and delivers events as badly as it was asked to."""

    def __init__(self, settings: SimulatedFaults) -> None:
        """Take the switches.

        Raises:
            ConfigurationError: `at` names what is no fault or no place.
        """
        self.restart_s = settings.restart_s
        self._settings = settings
        self._at = {_place(text) for text in settings.at}

    def happens(self, kind: str, layer: int, window: int) -> bool:
        """Return whether the fault `kind` happens in `window` of `layer`."""
        share = getattr(self._settings, kind, 0.0)
        drawn = share > 0.0 and self._drawn(kind, layer, window).random() < share
        return drawn or (kind, layer, window) in self._at

    def other_cell(self, cell: int, left: Sequence[int], layer: int, window: int) -> int:
        """Return the cell that is scanned for `cell`, which was handed over, of those not scanned yet.

        A cell of which nothing is told before the next one begins is the one that was handed over: of another one
        nobody could know in time.
        """
        others = [other for other in left if other != cell]
        if not others or not self.happens("wrong_cell", layer, window):
            return cell
        if not any(self._told_in_time(name, layer, window) for name in ("CellStarted", "CellFinished")):
            return cell
        return self._drawn("cell", layer, window).choice(others)

    def tell(self, listener: Listener, event: DriverEvent, layer: int, window: int) -> None:
        """Deliver `event`: at once, late, twice or not at all."""
        name = type(event).__name__
        if self._event_happens("lost", name, layer, window):
            return
        if self._event_happens("late", name, layer, window):
            asyncio.get_running_loop().call_later(self._settings.late_ms / 1e3, listener, event)
        else:
            listener(event)
        if self._event_happens("doubled", name, layer, window):
            listener(event)

    def trouble(self, listener: Listener, layer: int, window: int) -> None:
        """Report a fault that does not stop the machine, where one happens."""
        if self.happens("fault", layer, window):
            listener(Fault(f"simulated fault in layer {layer}, window {window}"))

    def _told_in_time(self, name: str, layer: int, window: int) -> bool:
        return not any(self._event_happens(kind, name, layer, window) for kind in ("lost", "late"))

    def _event_happens(self, kind: str, name: str, layer: int, window: int) -> bool:
        """Return whether `kind` happens to an event; those of one window share a place and not their luck."""
        share = getattr(self._settings, kind)
        drawn = share > 0.0 and self._drawn(f"{kind} {name}", layer, window).random() < share
        return drawn or (kind, layer, window) in self._at

    def _drawn(self, what: str, layer: int, window: int) -> random.Random:
        return random.Random(f"{self._settings.seed} {what} {layer} {window}")  # noqa: S311  faults, no secrets


def _place(text: str) -> tuple[str, int, int]:
    """Return kind, layer and window of `kind layer:window`."""
    kind, _, place = text.partition(" ")
    layer, _, window = place.partition(":")
    if kind not in KINDS or not (layer.isdecimal() and window.isdecimal()):
        raise ConfigurationError(
            f"{text!r} is no fault",
            where="printer.simulated.faults.at",
            why=f"it is 'KIND LAYER:WINDOW', KIND one of {', '.join(KINDS)}",
            remedy='write it like "restart 0:12"',
        )
    return kind, int(layer), int(window)
