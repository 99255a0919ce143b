"""What waits for the broker: of every subject that it changed, of every event a copy, up to a limit. Pure.

A subject that changes ten times while it waits is published once, as it is then: so nothing is ever published more
often than the rate, and a broker that comes back gets the present and no history.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from agent.mqtt.payloads import EventPayload
from agent.status import Subject


@dataclass(frozen=True, slots=True)
class Due:
    """One message to be published now: a `subject` as it stands, or else the oldest `event`."""

    subject: Subject | None = None
    event: EventPayload | None = None


class Outbox:
    """Decides what is published next, and when.

    Attributes:
        dropped: events dropped since the start, oldest first, because the queue was full.
    """

    def __init__(self, *, interval_s: float, events_max: int) -> None:
        """Begin with everything unpublished.

        interval_s: shortest time between two messages on one topic, seconds.
        events_max: most events that wait.
        """
        self.dropped = 0
        self._interval_s = interval_s
        self._events_max = events_max
        self._changed = set(Subject)
        self._events: deque[EventPayload] = deque()
        self._next_s: dict[Subject | None, float] = {}

    @property
    def events(self) -> int:
        """Events that wait."""
        return len(self._events)

    def connected(self) -> None:
        """The broker is there: it may know nothing, so it gets all that is retained, at once."""
        self._changed = set(Subject)
        self._next_s.clear()

    def finish(self) -> None:
        """Let everything that waits be due at once, once."""
        self._interval_s = 0.0
        self._next_s.clear()

    def changed(self, subject: Subject) -> None:
        """Publish `subject` again."""
        self._changed.add(subject)

    def happened(self, event: EventPayload) -> None:
        """Publish `event`; the oldest is dropped, and counted, where too many wait."""
        if len(self._events) >= self._events_max:
            self._events.popleft()
            self.dropped += 1
            self._changed.add(Subject.STATE)  # it carries the count
        self._events.append(event)

    def take(self, now_s: float) -> Due | None:
        """Return what is due at loop time `now_s`, None for nothing. State first, events after."""
        for subject in Subject:
            if subject in self._changed and self._next_s.get(subject, now_s) <= now_s:
                self._changed.discard(subject)
                self._next_s[subject] = now_s + self._interval_s
                return Due(subject=subject)
        if self._events and self._next_s.get(None, now_s) <= now_s:
            self._next_s[None] = now_s + self._interval_s
            return Due(event=self._events.popleft())
        return None

    def give_back(self, due: Due) -> None:
        """Keep what the broker did not confirm for the next connection."""
        if due.subject is not None:
            self._changed.add(due.subject)
        elif due.event is not None:
            if len(self._events) < self._events_max:
                self._events.appendleft(due.event)
            else:
                self.dropped += 1
                self._changed.add(Subject.STATE)

    def next_s(self) -> float | None:
        """Return the loop time at which something is due, None while nothing waits."""
        waiting: list[Subject | None] = [*self._changed, *([None] if self._events else [])]
        return min((self._next_s.get(key, 0.0) for key in waiting), default=None)
