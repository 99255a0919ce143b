"""Which groups of functions run during one layer: invoked when, released when. Pure; time is passed in.

The schedule is told that windows begin and end, guesses and results; it answers with groups to invoke (now or at
a time) and to release. What a mode does at an event is the table `MODES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cloud.invocation.estimates import RunningQuantile
from cloud.plans import Mode

DELAY_PRIOR_S = 0.0102
"""Invocation delay before one was measured: the paper's median (papers/cosmic.txt, section 3.2.1), seconds."""

WINDOW_PRIOR_S = 0.0
"""Window time before one was measured, seconds: 0 invokes at once, which costs idle time and no deadline."""

DELAY_SHARE = 0.5
"""D is the median of the measured delays (papers/cosmic.txt, section 4.3)."""


class _Rules(NamedTuple):
    """What a mode does."""

    at_layer: bool
    """All groups are invoked when the layer begins, and kept to its end."""
    at_window_end: bool
    """The group is released when its window ends."""
    ahead: bool
    """The guessed next group is invoked before the window's end."""


MODES: dict[Mode, _Rules] = {
    "on_demand": _Rules(at_layer=False, at_window_end=True, ahead=False),
    "reuse": _Rules(at_layer=False, at_window_end=False, ahead=False),
    "speculative": _Rules(at_layer=False, at_window_end=False, ahead=True),
    "persistent": _Rules(at_layer=True, at_window_end=False, ahead=False),
}


@dataclass(frozen=True, slots=True)
class Invoke:
    """Invoke the functions of `group`, at loop time `at_s`."""

    group: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Release:
    """Let go of the functions of `group`."""

    group: int


Action = Invoke | Release


class Timing:
    """What is learned about a platform and kept over layers: the delay of a group, and a window's time.

    The delay of a group is that of its slowest function: D is learned from groups, so that it fits their size.

    Attributes:
        delay: D, seconds from invoking a group to its last function being ready.
        window: seconds from sending theta to the last answer.
    """

    def __init__(self) -> None:
        self.delay = RunningQuantile(DELAY_SHARE, DELAY_PRIOR_S)
        self.window = RunningQuantile(0.5, WINDOW_PRIOR_S)


class LayerSchedule:
    """The groups of one layer.

    mode: when groups are invoked.
    groups: all groups that the layer may need.
    timing: shared by the layers of an engine.

    Attributes:
        held: groups invoked, or to be invoked at a time set, and not released.
        guesses: windows whose next group was guessed.
        guesses_right: of these, those where it was the one needed.
        wrong_invoked: groups invoked ahead and released unused.
    """

    def __init__(self, mode: Mode, groups: Sequence[int], timing: Timing) -> None:
        self.held: set[int] = set()
        self.guesses = 0
        self.guesses_right = 0
        self.wrong_invoked = 0
        self._rules = MODES[mode]
        self._groups = list(groups)
        self._timing = timing
        self._current: int | None = None
        self._guessed: int | None = None
        self._ahead: Invoke | None = None

    def layer_begins(self, now_s: float) -> list[Action]:
        """Return what to do before the first window is known."""
        if not self._rules.at_layer:
            return []
        return [self._invoke(group, now_s) for group in self._groups]

    def window_begins(self, group: int, now_s: float) -> list[Action]:
        """Return what to do now that the window's group is known: invoke it, release what was guessed wrong."""
        if self._guessed is not None:
            self.guesses += 1
            self.guesses_right += self._guessed == group
        if self._ahead is not None and self._ahead.group != group:
            self.wrong_invoked += self._ahead.at_s <= now_s
        actions: list[Action] = []
        if not self._rules.at_layer:
            actions += [self._release(other) for other in sorted(self.held - {group})]
        if group not in self.held:
            actions.append(self._invoke(group, now_s))
        self._current, self._guessed, self._ahead = group, None, None
        return actions

    def guessed(self, group: int, started_s: float, now_s: float) -> list[Action]:
        """Return what to do about a guess of the next group: invoke it D before the window's expected end.

        started_s: when theta was sent to the workers of the window.
        """
        self._guessed = group
        if not self._rules.ahead or group in self.held:
            return []
        at_s = started_s + self._timing.window.value - self._timing.delay.value
        self._ahead = self._invoke(group, max(now_s, at_s))
        return [self._ahead]

    def window_ended(self) -> list[Action]:
        """Return what to do now that all answers are there and the next group is not known yet."""
        if not self._rules.at_window_end or self._current is None:
            return []
        return [self._release(self._current)]

    def rests(self, *, done: bool) -> list[Action]:
        """Return what to do while nothing is needed for a while: what waits is paid for.

        done: every window is computed; the layer may go on all the same, after a deviation.
        """
        self._guessed = self._ahead = None
        if self._rules.at_layer and not done:
            return []
        return [self._release(group) for group in sorted(self.held)]

    def _invoke(self, group: int, at_s: float) -> Invoke:
        self.held.add(group)
        return Invoke(group, at_s)

    def _release(self, group: int) -> Release:
        self.held.discard(group)
        return Release(group)
