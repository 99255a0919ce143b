"""Makes what the coordinator's pages show from its ledger and its sessions. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol

from cloud.bills import Line
from cloud.configuration import CoordinatorSettings
from cloud.http.state import Alarm, CoordinatorState, Cost, LayerRow, PrinterDetail, PrinterState
from cloud.serving.glances import Glance, Picture
from cloud.serving.ledger import Ledger, PrinterNotes
from cosmic import __version__
from cosmic.web.counts import Counts

BEHIND_WINDOWS = 2
"""Decisions ahead below which a layer in progress is said to be behind, where more are allowed."""


class Shown(Protocol):
    """What is asked of a coordinator."""

    ledger: Ledger
    host: str
    port: int

    def not_ready(self) -> str:
        """Return why no printer can be served, empty where one can."""
        ...

    @property
    def parts_loaded(self) -> int:
        """Parts that are loaded or being loaded."""
        ...


@dataclass(slots=True)
class _Seen:
    """The picture of a printer's layer, kept while its map is the same."""

    map_K: bytes
    version: int


class View:
    """What is shown of `coordinator`."""

    def __init__(self, coordinator: Shown, settings: CoordinatorSettings) -> None:
        self.ledger = coordinator.ledger
        self._coordinator = coordinator
        self._settings = settings
        self._maps: dict[str, _Seen] = {}
        self._versions = 0

    def state(self, standstill_s: float) -> CoordinatorState:
        """Return everything as it is now."""
        sums = self.ledger.sums
        printers = [self._printer(notes) for notes in sorted(self.ledger.printers.values(), key=lambda n: n.name)]
        running = [one.cost for one in printers if one.cost is not None and not one.cost.final]
        ready = self._coordinator.not_ready()
        return CoordinatorState(
            time=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            version=__version__,
            listening=f"{self._coordinator.host}:{self._coordinator.port}",
            engine=self._settings.engine.name,
            ready=ready,
            parts_loaded=self._coordinator.parts_loaded,
            connections=sum(len(notes.sessions) for notes in self.ledger.printers.values()),
            decisions=sum(sums.decisions.counts),
            decision_ms_mean=_mean_ms(sums.decisions),
            product_ms_mean=_mean_ms(sums.products),
            dollars=round(sums.billed.dollars + sum(cost.dollars for cost in running), 8),
            gb_seconds=round(sums.billed.gb_seconds + sum(cost.gb_seconds for cost in running), 3),
            loop_standstill_ms=round(standstill_s * 1e3, 2),
            printers=printers,
            alarms=[*_not_ready(ready), *(alarm for one in printers for alarm in _alarms(one))],
        )

    def detail(self, name: str) -> PrinterDetail | None:
        """Return one printer with its layer, None where it is not known."""
        notes = self.ledger.printers.get(name)
        if notes is None:
            return None
        picture = self.picture(name)
        state = self._printer(notes)
        return PrinterDetail(
            printer=state,
            order=[] if picture is None else picture.order,
            map_version=0 if picture is None else self.map_version(name, picture),
            layers=[
                LayerRow(
                    one.layer,
                    one.outcome,
                    one.windows,
                    one.decided,
                    one.fallbacks,
                    one.compute_ms_median,
                    one.uniformity,
                )
                for one in notes.layers
            ],
            alarms=list(_alarms(state)),
        )

    def picture(self, name: str) -> Picture | None:
        """Return the layer being decided for a printer, None where there is none."""
        notes = self.ledger.printers.get(name)
        pictures = [] if notes is None else [session.picture() for session in notes.sessions]
        return next((picture for picture in pictures if picture is not None), None)

    def map_version(self, name: str, picture: Picture) -> int:
        """Return a number that changes with the map of a printer's layer."""
        seen = self._maps.get(name)
        if seen is None or seen.map_K is not picture.map_K:
            self._versions += 1
            self._maps = {known: kept for known, kept in self._maps.items() if known in self.ledger.printers}
            seen = self._maps[name] = _Seen(picture.map_K, self._versions)
        return seen.version

    def _printer(self, notes: PrinterNotes) -> PrinterState:
        glances = [session.glance() for session in notes.sessions]
        glance = next((one for one in glances if one.engine), glances[-1] if glances else Glance())
        report = notes.warm[1] if notes.warm is not None else None
        return PrinterState(
            printer=notes.name,
            connected=bool(notes.sessions),
            state=_word(glance, connected=bool(notes.sessions)),
            seen=notes.seen,
            job=glance.job or notes.job,
            part=glance.part,
            engine=glance.engine,
            layers=glance.layers,
            layer=glance.layer,
            geometry=glance.geometry,
            cells=glance.cells,
            printed=glance.printed,
            decided=glance.decided,
            ahead=max(glance.decided - glance.printed - 1, 0),
            lookahead=glance.lookahead,
            epoch=glance.epoch,
            windows=notes.windows.total(),
            fallbacks=notes.windows["fallback"],
            workers=glance.workers,
            cold=0 if report is None else report.cold,
            reloaded=0 if report is None else report.reloaded,
            cost=_cost(notes.bill, glance.cost),
            refused=notes.refused,
        )


def _cost(bill: Line | None, so_far: Line | None) -> Cost | None:
    line = so_far if so_far is not None and bill is None else bill
    if line is None:
        return None
    return Cost(
        dollars=round(line.dollars, 8),
        gb_seconds=round(line.gb_seconds, 3),
        requests=line.requests,
        final=bill is not None,
    )


def _word(glance: Glance, *, connected: bool) -> Literal["deciding", "ready", "opening", "away"]:
    if not connected:
        return "away"
    if glance.layer is not None:
        return "deciding"
    return "ready" if glance.engine else "opening"


def _mean_ms(counts: Counts) -> float | None:
    number = sum(counts.counts)
    return round(counts.total / number * 1e3, 3) if number else None


def _not_ready(ready: str) -> Iterator[Alarm]:
    if ready:
        remedy = "do so, then start the agent" if "token" in ready else "check parts.directory and the log"
        yield Alarm(kind="not_ready", level="alarm", text=f"No printer can be served: {ready}", remedy=remedy)


def _alarms(printer: PrinterState) -> Iterator[Alarm]:
    name = printer.printer
    if printer.refused:
        yield Alarm(
            kind="refused",
            level="warning",
            text=f"{name}: refused, {printer.refused}",
            remedy="see the cause; the agent asks again by itself",
        )
    wanted = min(printer.lookahead or printer.cells, BEHIND_WINDOWS, printer.cells - printer.printed - 1)
    if printer.state == "deciding" and printer.printed and printer.ahead < wanted:
        yield Alarm(
            kind="behind",
            level="warning",
            text=f"{name}: only {printer.ahead} windows are decided ahead",
            remedy="give the coordinator more cores or workers; cosmic-cloud plan says how many a part needs",
        )
    if printer.cold > printer.reloaded:
        yield Alarm(
            kind="workers_cold",
            level="warning",
            text=f"{name}: {printer.cold - printer.reloaded} workers are cold and could not be loaded",
            remedy="see the coordinator's log; until then the spare or fewer workers compute",
        )
