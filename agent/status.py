"""What a bystander may know of the printing: state, job, layer, link, workers.

A plain object without I/O, told by the printing as one of its observers. Listeners are called at once on the event
loop's thread and must only take note: nothing that keeps a deadline waits for them, and one that fails is logged
and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

import structlog

from agent.driver.interface import Connected
from agent.observers import (
    CoordinatorConfigured,
    CoordinatorLoading,
    DriverTold,
    Happening,
    JobBegan,
    JobEnded,
    LayerBegan,
    LayerEnded,
    LinkChanged,
    MachineFault,
    MapTaken,
    RecordingStopped,
    SpreadingBegan,
    Stopping,
    WindowEnded,
    WorkersWarm,
)
from agent.tally import Tally

_log = structlog.get_logger()


class State(Enum):
    """What the printer does, in one word."""

    IDLE = "idle"
    """No job."""
    LOADING = "loading"
    """The coordinator is waited for: it loads the part."""
    WARMING = "warming"
    """Powder is being spread; the workers are kept warm."""
    PRINTING = "printing"
    """A layer is scanned as decided."""
    DEGRADED = "degraded"
    """A job is printed without its coordinator, or a window of this layer had no decision in time."""
    FAULT = "fault"
    """The machine reports a fault."""


class Subject(Enum):
    """What of the status changed."""

    STATE = "state"
    JOB = "job"
    LAYER = "layer"
    LINK = "link"
    WORKERS = "workers"


@dataclass(frozen=True, slots=True)
class JobStatus:
    """The job. `layers_done`, `windows`, `fallbacks`: so far; `reason`: why it ended, empty while it goes on."""

    name: str = ""
    part: str = ""
    digest: str = ""
    layers: int = 0
    layers_done: int = 0
    windows: int = 0
    fallbacks: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LayerStatus:
    """The layer that ended last. `uniformity`: R predicted for its end, None where it was not known."""

    layer: int
    windows: int
    fallbacks: int
    uniformity: float | None
    starved_ms: float
    slack_ms_min: float | None
    map_from: str


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """The link to the coordinator. `configured` False: the printer prints on its own by intent."""

    configured: bool = False
    up: bool = False
    engine: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class WorkersStatus:
    """What keep-warm found before `layer`: workers in all, those found cold, those reloaded."""

    layer: int
    workers: int
    cold: int
    reloaded: int


@dataclass(frozen=True, slots=True)
class StatusEvent:
    """Something happened: `kind` in one word, `text` for a reader, `layer` where it concerns one."""

    kind: str
    text: str = ""
    layer: int | None = None


Listener = Callable[[Subject | StatusEvent], None]
"""Is told which subject changed, or what happened."""


class Status:
    """The status of one printer.

    Attributes:
        state: what the printer does.
        job: the job, None before the first.
        layer: the layer that ended last, None before the first.
        link: the link to the coordinator.
        workers: what keep-warm found last, None where nothing was said.
        fault: the machine's words, empty without a fault.
        loading: how far the coordinator's loading is, 0 to 1.
    """

    def __init__(self, job: str = "") -> None:
        """Begin idle. `job`: the name of the job to come."""
        self.state = State.IDLE
        self.job: JobStatus | None = None
        self.layer: LayerStatus | None = None
        self.link = LinkStatus()
        self.workers: WorkersStatus | None = None
        self.fault = ""
        self.loading = 0.0
        self._name = job
        self._waiting = False
        self._in_job = False
        self._spreading = True
        self._layer_fallbacks = 0
        self._uniformity: float | None = None
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Tell `listener` from now on."""
        self._listeners.append(listener)

    def observe(self, happening: Happening) -> None:
        """Be told by the printing what happened."""
        self._of_the_printer(happening)
        self._of_the_coordinator(happening)

    def _of_the_printer(self, happening: Happening) -> None:
        match happening:
            case WindowEnded(handover=handover):
                self.window(fallback=handover.source == "fallback", uniformity=handover.uniformity)
            case SpreadingBegan():
                self.spreading()
            case LayerBegan():
                self.layer_ready()
            case LayerEnded(layer=layer, tally=tally):
                self.layer_done(layer, tally, starved_ms=happening.starved_ms, map_from=happening.map_from)
            case MapTaken(layer=layer, cause=cause) if cause:
                self.no_frame(layer, cause)
            case JobBegan(part=part, digest=digest, layers=layers):
                self.job_started(part, digest, layers)
            case JobEnded(reason=reason):
                self.job_done(reason)
            case MachineFault(text=text):
                self.machine_fault(text)
            case DriverTold(event=Connected()):
                self.machine_back()
            case Stopping(text=text):
                self.stopping(text)
            case RecordingStopped(cause=cause, remedy=remedy):
                self._happened(StatusEvent("recording_stopped", f"{cause} - {remedy}"))
            case _:
                pass

    def _of_the_coordinator(self, happening: Happening) -> None:
        match happening:
            case CoordinatorConfigured():
                self.coordinator_configured()
            case CoordinatorLoading(done=done, total=total):
                self.coordinator_loading(done, total)
            case LinkChanged(up=True, engine=engine):
                self.link_up(engine)
            case LinkChanged(cause=cause):
                self.link_down(cause)
            case WorkersWarm(layer=layer, workers=workers, cold=cold, reloaded=reloaded):
                self.workers_warm(WorkersStatus(layer, workers, cold, reloaded))
            case _:
                pass

    # --- the coordinator --------------------------------------------------------------------------------------

    def coordinator_configured(self) -> None:
        """A coordinator will be asked: until it answers the link is down."""
        self.link = replace(self.link, configured=True)
        self._waiting = True
        self._changed(Subject.LINK)

    def coordinator_loading(self, done: int, total: int) -> None:
        """The coordinator has loaded `done` of `total`."""
        self.loading = done / total if total else 0.0
        self._waiting = True
        self._changed(Subject.STATE)

    def link_up(self, engine: str) -> None:
        """The coordinator has the job."""
        self._waiting, self.loading = False, 1.0
        self._link(LinkStatus(configured=True, up=True, engine=engine))

    def link_down(self, cause: str) -> None:
        """The coordinator cannot be reached, or refused: `cause` in words."""
        self._link(LinkStatus(configured=True, up=False, cause=cause))

    def workers_warm(self, found: WorkersStatus) -> None:
        """Keep-warm has asked all workers."""
        if found != self.workers:
            self.workers = found
            self._changed(Subject.WORKERS)

    # --- the printer ------------------------------------------------------------------------------------------

    def job_started(self, part: str, digest: str, layers: int) -> None:
        """The printer begins the job."""
        self.job = JobStatus(name=self._name, part=part, digest=digest, layers=layers)
        self.layer, self.fault = None, ""
        self._in_job, self._spreading, self._layer_fallbacks = True, True, 0
        self._changed(Subject.JOB)
        self._changed(Subject.LAYER)
        self._happened(StatusEvent("job_started", f"{layers} layers of {part}"))

    def spreading(self) -> None:
        """Powder is being laid."""
        self._spreading, self._layer_fallbacks = True, 0
        self._settle()

    def layer_ready(self) -> None:
        """The powder lies: the layer begins."""
        self._spreading, self._layer_fallbacks, self._uniformity = False, 0, None
        self.fault = ""  # a machine that goes on has no fault any more
        self._settle()

    def window(self, *, fallback: bool, uniformity: float | None) -> None:
        """A window ended. Told for every window; told on only when the state changes by it."""
        if uniformity is not None:
            self._uniformity = uniformity
        if fallback:
            self._layer_fallbacks += 1
            self._settle()

    def layer_done(self, layer: int, tally: Tally, *, starved_ms: float, map_from: str) -> None:
        """The layer ended and came to `tally`."""
        slack_s = tally.slack_s_min
        self.layer = LayerStatus(
            layer=layer,
            windows=tally.windows,
            fallbacks=tally.fallbacks,
            uniformity=self._uniformity,
            starved_ms=starved_ms,
            slack_ms_min=None if slack_s is None else round(slack_s * 1e3, 3),
            map_from=map_from,
        )
        if self.job is not None:
            self.job = replace(
                self.job,
                layers_done=self.job.layers_done + 1,
                windows=self.job.windows + tally.windows,
                fallbacks=self.job.fallbacks + tally.fallbacks,
            )
            self._changed(Subject.JOB)
        self._changed(Subject.LAYER)
        if tally.fallbacks:
            self._happened(StatusEvent("fallbacks", f"{tally.fallbacks} of {tally.windows} windows", layer))

    def no_frame(self, layer: int, cause: str) -> None:
        """The camera gave no frame of `layer`."""
        self._happened(StatusEvent("no_frame", cause, layer))

    def machine_fault(self, text: str) -> None:
        """The machine reports a fault."""
        self.fault = text
        self._changed(Subject.STATE)
        self._happened(StatusEvent("fault", text))

    def machine_back(self) -> None:
        """The machine's driver is there again: its fault is over."""
        if self.fault:
            self.fault = ""
            self._changed(Subject.STATE)

    def stopping(self, text: str) -> None:
        """The agent was told to stop."""
        self._happened(StatusEvent("stopping", text))

    def job_done(self, reason: str) -> None:
        """The job is over."""
        self._in_job, self._waiting = False, False
        if self.job is not None:
            self.job = replace(self.job, reason=reason)
            self._changed(Subject.JOB)
        self._happened(StatusEvent("job_done", reason))
        self._settle()

    # --- telling on -------------------------------------------------------------------------------------------

    def _link(self, link: LinkStatus) -> None:
        if link == self.link:
            return
        turned = link.up != self.link.up
        self.link = link
        self._changed(Subject.LINK)
        if turned:
            self._happened(StatusEvent("link_up" if link.up else "link_down", link.engine or link.cause))

    def _settled(self) -> State:
        """Return the state that follows from what was told."""
        if self.fault:
            return State.FAULT
        if not self._in_job:
            return State.LOADING if self._waiting and self.job is None else State.IDLE
        if self.link.configured and (not self.link.up or self._layer_fallbacks):
            return State.DEGRADED
        return State.WARMING if self._spreading else State.PRINTING

    def _settle(self) -> None:
        state = self._settled()
        if state is not self.state:
            self.state = state
            self._tell(Subject.STATE)

    def _changed(self, subject: Subject) -> None:
        """Tell of `subject`, and of the state where that follows."""
        if subject is Subject.STATE:
            self.state = self._settled()
        else:
            self._settle()
        self._tell(subject)

    def _happened(self, event: StatusEvent) -> None:
        self._tell(event)

    def _tell(self, what: Subject | StatusEvent) -> None:
        for listener in self._listeners:
            try:
                listener(what)
            except Exception as error:  # noqa: BLE001  a bystander's bug must not reach the printing
                _log.error("status_listener_failed", cause=f"{type(error).__name__}: {error}")
