"""Maps the machine's clock onto the event loop's. Pure.

Every line arrives later than what it tells of, never earlier: the smallest difference between arrival and the
machine's time is the best guess of what lies between the clocks. It may grow by what clocks drift apart.
"""

from __future__ import annotations

DRIFT = 2e-4
"""How fast two clocks may drift apart, seconds a second: twice what a bad quartz does."""


class MachineClock:
    """Knows what lies between the clocks, from the lines that came."""

    def __init__(self) -> None:
        self._between_s: float | None = None
        self._known_s = 0.0

    def loop_time_s(self, machine_s: float | None, arrived_s: float) -> float:
        """Return the loop's time for `machine_s`, told in a line that came at `arrived_s`; never later.

        machine_s: None where the machine did not say: then it is the arrival.
        """
        if machine_s is None:
            return arrived_s
        seen_s = arrived_s - machine_s
        if self._between_s is None:
            self._between_s = seen_s
        else:
            self._between_s = min(seen_s, self._between_s + DRIFT * (arrived_s - self._known_s))
        self._known_s = arrived_s
        return machine_s + self._between_s
