"""The lines that a machine's driver and the agent exchange, version 1: their fields, limits and errors. Pure.

A line is one JSON object in UTF-8 and ends with a line feed. A machine's lines have an `event`, the agent's a
`command`. Unknown fields are ignored.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from cosmic.errors import DriverError
from protocol.limits import CELLS_MAX, LAYERS_MAX

VERSION = 1

Layer = Annotated[int, Meta(ge=0, lt=LAYERS_MAX)]
Window = Annotated[int, Meta(ge=0, lt=CELLS_MAX)]
Cell = Annotated[int, Meta(ge=0, lt=CELLS_MAX)]
Seconds = Annotated[float, Meta(ge=0.0, le=1e6)]
Text = Annotated[str, Meta(max_length=1024)]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """A line of the machine's."""


class Hello(Event, frozen=True, kw_only=True, tag="hello"):
    """The first line of a connection."""

    version: int
    """Version of this protocol: 1."""
    machine: Text
    """What the machine calls itself, for people."""
    layers: Annotated[int, Meta(ge=1, le=LAYERS_MAX)]
    """Layers of the job."""
    part: Text | None = None
    """Digest of the part that the machine prints, to be compared with the agent's; null: not known."""


class Job(Event, frozen=True, kw_only=True, tag="job"):
    """The machine begins the job."""

    layers: Annotated[int, Meta(ge=1, le=LAYERS_MAX)]


class Spreading(Event, frozen=True, kw_only=True, tag="spreading"):
    """Powder for `layer` is being laid."""

    layer: Layer
    seconds: Seconds
    """How long that takes, about."""


class LayerReady(Event, frozen=True, kw_only=True, tag="layer_ready"):
    """The powder of `layer` lies; the machine waits for cells."""

    layer: Layer
    windows_s: list[float] | None = None
    """How long each cell takes on this machine, seconds, by number; null: as the part says."""


class CellStarted(Event, frozen=True, kw_only=True, tag="cell_started"):
    """The laser began `cell`."""

    layer: Layer
    window: Window
    """Its place in the order scanned, from 0."""
    cell: Cell
    at_s: float | None = None
    """When, on the machine's own steady clock, seconds; null: now."""


class CellFinished(Event, frozen=True, kw_only=True, tag="cell_finished"):
    """The laser ended `cell`."""

    layer: Layer
    window: Window
    cell: Cell
    at_s: float | None = None


class LayerDone(Event, frozen=True, kw_only=True, tag="layer_done"):
    """Every cell of `layer` is scanned."""

    layer: Layer
    starved_s: Seconds = 0.0
    """How long the laser stood still for want of a cell."""


class Fault(Event, frozen=True, kw_only=True, tag="fault"):
    """Something is wrong with the machine, in words for an operator."""

    text: Text


class Position(Event, frozen=True, kw_only=True, tag="position"):
    """Where the machine stands: the answer to `report`."""

    layer: Annotated[int, Meta(ge=-1, lt=LAYERS_MAX)]
    """The layer whose powder lies or is being laid, -1 before the first."""
    ready: bool
    """True when its powder lies and cells can be scanned."""
    scanned: Annotated[list[Cell], Meta(max_length=CELLS_MAX)]
    """The cells that the laser has begun, in order; none of them will be scanned again."""
    scanning: bool
    """True while the last of them is being scanned."""
    at_s: float | None = None


class JobDone(Event, frozen=True, kw_only=True, tag="job_done"):
    """The job is over."""

    reason: Text
    complete: bool = True
    """False: the machine gave it up in a layer."""


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="command"):
    """A line of the agent's."""


class Welcome(Command, frozen=True, kw_only=True, tag="welcome"):
    """The answer to `hello`."""

    version: int
    part: str
    """Digest of the part."""
    layers: int
    """Layers of the part."""
    dispatch: str
    """`cell`: a `scan` for every window; `layer`: one `sequence` a layer."""


class Scan(Command, frozen=True, kw_only=True, tag="scan"):
    """Scan `cell` in `window`. It may come again after a loss; another cell for that window never does."""

    layer: int
    window: int
    cell: int
    last: bool
    """True for the last cell of the layer."""


class Sequence(Command, frozen=True, kw_only=True, tag="sequence"):
    """Scan `cells` in this order in the windows from `window` on: all that are left of the layer."""

    layer: int
    window: int
    cells: list[int]


class Report(Command, frozen=True, kw_only=True, tag="report"):
    """Answer with a `position`."""


class Abort(Command, frozen=True, kw_only=True, tag="abort"):
    """End the job after the layer being scanned, then say `job_done`."""

    reason: str


class Error(Command, frozen=True, kw_only=True, tag="error"):
    """The machine broke a rule: the connection is closed after this line. Connect again to go on."""

    code: str
    """See the table of codes."""
    text: str
    """What, where, which rule, and the remedy."""


Events: TypeAlias = (
    Hello | Job | Spreading | LayerReady | CellStarted | CellFinished | LayerDone | Fault | Position | JobDone
)
Commands: TypeAlias = Welcome | Scan | Sequence | Report | Abort | Error

CODES = {
    "bad_line": "it is no JSON object of a known event, a value is out of range, or the line is too long",
    "no_hello": "the first line was not `hello`, or none came in time",
    "unknown_version": "the agent does not speak that version",
    "wrong_part": "the machine prints another part",
    "busy": "another driver is connected",
    "breach": "it cannot have happened: a cell twice, a window without a cell, a layer that the part does not have",
    "slow": "too much waits to be read",
}
"""Codes of `error`, and what they mean."""


class LineError(DriverError):
    """A machine's line breaks the protocol.

    Attributes:
        code: one of `CODES`.
    """

    def __init__(self, what: str, *, code: str, where: str = "", why: str = "", remedy: str = "") -> None:
        super().__init__(what, where=where, why=why or CODES[code], remedy=remedy)
        self.code = code


_decoder: msgspec.json.Decoder[Events] = msgspec.json.Decoder(Events)
_encoder = msgspec.json.Encoder()


def decode(line: bytes) -> Events:
    """Return the event of a line. Raises LineError."""
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        shown = line[:80].decode("utf-8", "replace")
        raise LineError(
            f"{shown!r}: {error}",
            code="bad_line",
            where="the machine's line",
            why="every line is one JSON object of a known event",
            remedy="see docs/reference/socket-driver.md",
        ) from error


def encode(command: Commands) -> bytes:
    """Return the line of a command."""
    return _encoder.encode(command) + b"\n"


class Splitter:
    """Cuts what arrives into lines of at most `line_bytes_max` bytes."""

    def __init__(self, line_bytes_max: int) -> None:
        self._line_bytes_max = line_bytes_max
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are complete. Raises LineError for one that is too long."""
        self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        if max(map(len, [*lines, self._rest])) > self._line_bytes_max:
            raise LineError(
                f"a line of more than {self._line_bytes_max} bytes",
                code="bad_line",
                where="the machine's line",
                why="printer.socket.line_bytes_max",
                remedy="end every line with a line feed, or raise the limit",
            )
        return [bytes(line) for line in lines if line.strip()]
