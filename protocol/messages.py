"""Every message of protocol version 1 as a typed struct. Values are checked on decoding; meaning is not.

Unknown fields are ignored, so that a newer peer of the same version may say more.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from cosmic.errors import RemoteProtocolError
from protocol.limits import CELLS_MAX, LAYERS_MAX, MAP_K_MAX, MESSAGE_LENGTH_MAX, TEXT_LENGTH_MAX

Layer = Annotated[int, Meta(ge=0, le=LAYERS_MAX, description="0-based layer of the part")]
Epoch = Annotated[int, Meta(ge=0, le=LAYERS_MAX, description="how often the order left the decided one")]
Window = Annotated[int, Meta(ge=0, le=LAYERS_MAX, description="0-based window of the layer")]
Cell = Annotated[int, Meta(ge=0, lt=CELLS_MAX, description="0-based cell of the layer")]
Cells = Annotated[list[Cell], Meta(max_length=CELLS_MAX)]
Count = Annotated[int, Meta(ge=0)]
Name = Annotated[str, Meta(min_length=1, max_length=TEXT_LENGTH_MAX)]
Text = Annotated[str, Meta(max_length=MESSAGE_LENGTH_MAX)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Milliseconds = Annotated[float, Meta(ge=0.0)]
Source = Literal["coordinator", "fallback"]
FailureCode = Literal[
    "bad_message",
    "unknown_part",
    "unknown_job",
    "unknown_layer",
    "bad_map",
    "bad_cells",
    "busy",
    "limit",
    "engine_failed",
    "shutting_down",
]


class Array(msgspec.Struct, frozen=True):
    """A temperature map on the wire: little-endian float32, kelvin, one value an element."""

    dtype: Literal["<f4"]
    shape: Annotated[list[Count], Meta(min_length=1, max_length=1)]
    data: bytes

    @classmethod
    def of(cls, map_K: NDArray[np.float32]) -> Array:
        """Pack `map_K`, float32[n], kelvin."""
        packed = np.ascontiguousarray(map_K, dtype="<f4")
        return cls(dtype="<f4", shape=[packed.size], data=packed.tobytes())

    def to_numpy(self) -> NDArray[np.float32]:
        """Return the map, float32[n], kelvin, read-only and without a copy.

        Raises RemoteProtocolError (`bad_map`) when the data is not as long as the shape says, or an element is
        not finite or outside 0..5000 K. The error names the first such element.
        """
        if len(self.data) != 4 * self.shape[0]:
            raise RemoteProtocolError(
                f"map of shape {self.shape} with {len(self.data)} bytes",
                why=f"{self.shape[0]} float32 values are {4 * self.shape[0]} bytes",
                remedy="send the whole map",
                code="bad_map",
            )
        values = np.frombuffer(self.data, dtype="<f4")
        if values.size and not (values.min() >= 0.0 and values.max() <= MAP_K_MAX):  # False for NaN as well
            wrong = int(np.flatnonzero(~((values >= 0.0) & (values <= MAP_K_MAX)))[0])
            raise RemoteProtocolError(
                f"element {wrong} of the map is {values[wrong]:g} K",
                why=f"every element must be finite and between 0 and {MAP_K_MAX:g} K",
                remedy="check the camera's calibration and bad pixels",
                code="bad_map",
            )
        return values


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What all messages share: the field `type` names them."""


# --- agent to coordinator ---------------------------------------------------------------------------------


class OpenJob(Message, frozen=True, kw_only=True, tag="open_job"):
    """Start or rejoin a job. `lookahead`: windows decided ahead, None for the whole layer."""

    job: Name
    part: Digest
    printer: Name
    lookahead: Annotated[int, Meta(ge=1, le=LAYERS_MAX)] | None = None
    rule: Name | None = None


class Spreading(Message, frozen=True, kw_only=True, tag="spreading"):
    """Powder for `layer` is being laid, for about `seconds`."""

    layer: Layer
    seconds: Annotated[float, Meta(ge=0.0, le=86_400.0)]


class StartLayer(Message, frozen=True, kw_only=True, tag="start_layer"):
    """The layer's first map. `printed` not empty: a rejoin; its last cell is the one being scanned."""

    layer: Layer
    epoch: Epoch
    map: Array
    printed: Cells = msgspec.field(default_factory=list)


class Printed(Message, frozen=True, kw_only=True, tag="printed"):
    """A cell was scanned."""

    layer: Layer
    epoch: Epoch
    window: Window
    cell: Cell
    source: Source


class Deviated(Message, frozen=True, kw_only=True, tag="deviated"):
    """The order left the decided one: a new `epoch`, and all cells so far, the one being scanned last."""

    layer: Layer
    epoch: Epoch
    printed: Annotated[list[Cell], Meta(min_length=1, max_length=CELLS_MAX)]


class EndLayer(Message, frozen=True, kw_only=True, tag="end_layer"):
    """Every cell of the layer was scanned."""

    layer: Layer
    windows: Count
    fallbacks: Count


class CloseJob(Message, frozen=True, kw_only=True, tag="close_job"):
    """The job is over."""

    job: Name
    reason: Text


# --- coordinator to agent ---------------------------------------------------------------------------------


class JobReady(Message, frozen=True, kw_only=True, tag="job_ready"):
    """All state is loaded. `cells` and `elements` are those of the part's largest layer."""

    job: Name
    cells: Count
    elements: Count
    engine: Name
    lookahead: int | None = None


class Progress(Message, frozen=True, kw_only=True, tag="progress"):
    """How far loading is: `done` of `total` `what`."""

    job: Name
    done: Count
    total: Count
    what: Text


class Decisions(Message, frozen=True, kw_only=True, tag="decisions"):
    """Cells for consecutive windows from `first_window` on.

    `compute_ms`: what each decision took. `uniformity`: R predicted at the end of each of these windows, where
    the coordinator says it (not part of the first draft of version 1, hence optional).
    """

    layer: Layer
    epoch: Epoch
    first_window: Window
    cells: Annotated[list[Cell], Meta(min_length=1, max_length=CELLS_MAX)]
    compute_ms: Annotated[list[Milliseconds], Meta(max_length=CELLS_MAX)]
    uniformity: Annotated[list[float | None], Meta(max_length=CELLS_MAX)] | None = None

    def __post_init__(self) -> None:
        """Refuse lists of unequal length, which no field's own check can see."""
        if len(self.compute_ms) != len(self.cells):
            raise ValueError("`compute_ms` must be as long as `cells`")
        if self.uniformity is not None and len(self.uniformity) != len(self.cells):
            raise ValueError("`uniformity` must be as long as `cells`")


class Warm(Message, frozen=True, kw_only=True, tag="warm"):
    """What keep-warm found before the layer: workers in all, those found cold, those reloaded."""

    layer: Layer
    workers: Count
    cold: Count
    reloaded: Count


class Failed(Message, frozen=True, kw_only=True, tag="failed"):
    """What was asked cannot be done; `code` says why, `layer` which layer it concerns."""

    code: FailureCode
    message: Text
    layer: Layer | None = None


AgentMessage: TypeAlias = OpenJob | Spreading | StartLayer | Printed | Deviated | EndLayer | CloseJob
"""What the agent sends."""

CoordinatorMessage: TypeAlias = JobReady | Progress | Decisions | Warm | Failed
"""What the coordinator sends."""


def tag_of(message: Message) -> str:
    """Return the message's `type`, as on the wire."""
    tag = message.__struct_config__.tag
    assert isinstance(tag, str)
    return tag
