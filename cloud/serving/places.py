"""One connection's place among the jobs that a coordinator serves, and how fast its printer may send."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud.access.strangers import Rates
from cloud.sharing.admission import Admission, Cost
from protocol.limits import Limits

if TYPE_CHECKING:
    from cloud.parts.prepared import PreparedPart


def _any_size(_bytes: int) -> None:
    """Accept whatever the connection accepts."""


@dataclass(slots=True)
class Place:
    """What a connection is given beside the parts.

    Attributes:
        admission: the jobs of the coordinator.
        rates: of the printer, over all its connections.
        printer: whose token it has.
        accept_up_to: told how large a message may be from now on, bytes.
        job: the job that has a place, empty before.
        part: digest of its part.
        step_s: time that one of its elements is scanned, seconds.
    """

    admission: Admission
    rates: Rates
    printer: str = ""
    accept_up_to: Callable[[int], None] = _any_size
    job: str = ""
    part: str = ""
    step_s: float = 1e-3

    @classmethod
    def alone(cls, limits: Limits) -> Place:
        """Return the place of the only connection there is."""
        return cls(Admission(1.0, float("inf"), limits.rejoin_s), Rates(limits))

    def take(self, job: str, part: str, prepared: PreparedPart, now_s: float) -> None:
        """Give `job` a place. Raises Overloaded where it would make running ones late."""
        self.admission.measured(part, prepared.cost)
        self.admission.open(self.printer, job, part, prepared.window_s, now_s)
        self.job, self.part, self.step_s = job, part, prepared.part.process.step_s

    def due_s(self, now_s: float, ahead: int, elements: int) -> float:
        """Return when a product is due, loop time.

        ahead: elements scanned from the end of the last window reported to the end of the product's.
        elements: of the product's cell.
        """
        return self.rates.pace.due_s(now_s, ahead * self.step_s, elements * self.step_s)

    def begun(self, now_s: float, elements: int) -> float:
        """Take that a layer of so many elements was begun; return when that was due, loop time."""
        return self.rates.pace.begun(now_s, elements * self.step_s)

    def spent(self, cost: Cost) -> None:
        """Take what a window has cost."""
        self.admission.learned(self.part, cost)

    def left(self, now_s: float) -> None:
        """Note that the connection is over; the job's place is kept for a while."""
        if self.job:
            self.admission.left(self.printer, self.job, now_s)

    def close(self) -> None:
        """Note that the job is over."""
        self.admission.close(self.printer, self.job)
