"""What the coordinator has done, printer by printer and in sums: for its page and its metrics. Bounded memory.

Sessions and layers tell it what happened, on the event loop; each happening costs microseconds. It knows nothing of
who reads it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from cloud.bills import Bill, Line
from cloud.engines import WarmReport
from cloud.serving.glances import Glance, Picture
from cosmic.web.counts import Counts

PRINTERS_MAX = 1000
"""Printers that are remembered; of those not connected the one heard of longest ago goes first."""

LAYERS_KEPT = 50
"""Layers that are remembered of a printer."""

DECISION_BOUNDS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
AHEAD_BOUNDS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


class Session(Protocol):
    """What is asked of a connection."""

    def glance(self) -> Glance:
        """Return how it is now."""
        ...

    def picture(self) -> Picture | None:
        """Return the layer being decided, None between layers."""
        ...


@dataclass(frozen=True, slots=True)
class LayerNote:
    """A layer that is over, as its log line says."""

    layer: int
    outcome: str
    windows: int
    decided: int
    fallbacks: int | None
    compute_ms_median: float | None
    uniformity: float | None


@dataclass(slots=True)
class PrinterNotes:
    """What is remembered of a printer."""

    name: str
    sessions: list[Session] = field(default_factory=list)
    seen: str = ""
    job: str = ""
    layers: deque[LayerNote] = field(default_factory=lambda: deque(maxlen=LAYERS_KEPT))
    windows: Counter[str] = field(default_factory=Counter)
    warm: tuple[int, WarmReport] | None = None
    refused: str = ""
    bill: Line | None = None


@dataclass(slots=True)
class Sums:
    """What has been counted since the coordinator's start."""

    connections: int = 0
    jobs_opened: int = 0
    jobs_closed: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    layers: Counter[str] = field(default_factory=Counter)
    windows: Counter[str] = field(default_factory=Counter)
    decisions: Counts = field(default_factory=lambda: Counts(DECISION_BOUNDS_S))
    ahead: Counts = field(default_factory=lambda: Counts(AHEAD_BOUNDS))
    products: Counts = field(default_factory=lambda: Counts(DECISION_BOUNDS_S))
    products_failed: int = 0
    cold: int = 0
    reloaded: int = 0
    billed: Line = field(default_factory=Line)


class Ledger:
    """The notes of one coordinator.

    Attributes:
        printers: by name, the one heard of last at the end.
        sums: what has been counted.
        version: changes whenever something was noted.
    """

    def __init__(self) -> None:
        self.printers: OrderedDict[str, PrinterNotes] = OrderedDict()
        self.sums = Sums()
        self.version = 0

    def notes(self, printer: str) -> PrinterNotes:
        """Return the notes of `printer`, to be added to."""
        self.version += 1
        notes = self.printers.setdefault(printer, PrinterNotes(printer))
        self.printers.move_to_end(printer)
        notes.seen = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")  # a label
        if len(self.printers) > PRINTERS_MAX:
            gone = next((name for name, kept in self.printers.items() if not kept.sessions), None)
            if gone is not None:
                del self.printers[gone]
        return notes

    # --- connections and jobs ---------------------------------------------------------------------------------

    def connected(self, printer: str, session: Session) -> None:
        """Note a connection."""
        self.notes(printer).sessions.append(session)
        self.sums.connections += 1

    def disconnected(self, printer: str, session: Session) -> None:
        """Note that a connection is over."""
        self.notes(printer).sessions.remove(session)

    def refused(self, printer: str, code: str, why: str) -> None:
        """Note that a job, or a layer of it, was refused."""
        self.notes(printer).refused = f"{code}: {why}"
        self.sums.refusals[code] += 1

    def job_opened(self, printer: str, job: str) -> None:
        """Note that a job is ready to be decided on; one that comes back after a loss goes on."""
        notes = self.notes(printer)
        notes.refused = ""
        if notes.job != job:
            notes.job, notes.bill = job, None
            notes.layers.clear()
            notes.windows.clear()
        self.sums.jobs_opened += 1

    def job_closed(self, printer: str) -> None:
        """Note that a job is over."""
        self.notes(printer)
        self.sums.jobs_closed += 1

    def billed(self, printer: str, bill: Bill) -> None:
        """Note the bill of a closed job."""
        self.notes(printer).bill = bill.total
        for name in Line.__struct_fields__:
            setattr(self.sums.billed, name, getattr(self.sums.billed, name) + getattr(bill.total, name))

    def warm(self, printer: str, layer: int, report: WarmReport) -> None:
        """Note what keep-warm found."""
        self.notes(printer).warm = (layer, report)
        self.sums.cold += report.cold
        self.sums.reloaded += report.reloaded

    # --- layers -----------------------------------------------------------------------------------------------

    def layer_ended(self, printer: str, layer: int, outcome: str, figures: dict[str, Any]) -> None:
        """Note that a layer is over, with the figures of its log line."""
        self.notes(printer).layers.append(
            LayerNote(
                layer=layer,
                outcome=outcome,
                windows=figures["windows"],
                decided=figures["windows_decided"],
                fallbacks=figures.get("fallbacks"),
                compute_ms_median=figures["compute_ms_median"],
                uniformity=figures["uniformity_predicted"],
            )
        )
        self.sums.layers[outcome] += 1

    def printed(self, printer: str, source: str) -> None:
        """Note that a window was printed, and whose decision it was."""
        self.notes(printer).windows[source] += 1
        self.sums.windows[source] += 1

    def decided(self, compute_s: float, ahead: int) -> None:
        """Note a decision that took `compute_s` seconds, for a window `ahead` of the one being scanned."""
        self.sums.decisions.add(compute_s)
        self.sums.ahead.add(ahead)
        self.version += 1

    def product(self, seconds: float) -> None:
        """Note an operator's product."""
        self.sums.products.add(seconds)

    def product_failed(self) -> None:
        """Note that a product had to be asked for again."""
        self.sums.products_failed += 1
