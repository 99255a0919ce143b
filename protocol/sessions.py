"""The two ends of one connection as plain objects: told what is sent and received, they hold the rules.

No I/O and no time. A shell owns the socket: it hands received frames in, and sends the bytes it is given.
The tables of `protocol.tables` say which message is legal when; this file adds what a table cannot: the printed
prefix, epochs, and what fits the part.
"""

from __future__ import annotations

from collections.abc import Callable

from cosmic.errors import LocalProtocolError, RemoteProtocolError
from protocol.codec import decode_agent_message, decode_coordinator_message, encode
from protocol.limits import Limits
from protocol.messages import (
    AgentMessage,
    CoordinatorMessage,
    Decisions,
    Deviated,
    EndLayer,
    Failed,
    Message,
    OpenJob,
    Printed,
    StartLayer,
    tag_of,
)
from protocol.tables import AGENT_SIDE, COORDINATOR_SIDE, State, Table

LayerSize = Callable[[int], tuple[int, int] | None]
"""Layer -> (elements, cells), or None where the part has no such layer."""


def event_of(message: Message) -> str:
    """Return the table's name for `message`: its type, or `failed_layer` for a failure of one layer."""
    if isinstance(message, Failed) and message.layer is not None:
        return "failed_layer"
    return tag_of(message)


class LayerRefusal(RemoteProtocolError):
    """A message about a layer cannot be followed; the connection stays, the answer is `failed`.

    Attributes:
        layer: the layer concerned.
    """

    def __init__(self, what: str, *, code: str, layer: int, why: str = "", remedy: str = "") -> None:
        super().__init__(what, where=f"layer {layer}", why=why, remedy=remedy, code=code)
        self.layer = layer


class _Session:
    """What both ends share: a state and the table that moves it."""

    def __init__(self, table: Table, limits: Limits) -> None:
        self.state = State.IDLE
        self.limits = limits
        self._table = table

    def connection_lost(self) -> None:
        """Note that the connection is gone: nothing can be sent any more."""
        self.state = State.CLOSED

    def _send(self, message: Message, event: str) -> bytes:
        following = self._table[self.state].get(event)
        if following is None:
            raise LocalProtocolError(f"tried to send {event} in state {self.state.value}")
        frame = encode(message)
        self.state = following
        return frame

    def _received(self, message: Message) -> None:
        following = self._table[self.state].get(event_of(message))
        if following is None:
            raise RemoteProtocolError(
                f"{event_of(message)} came in state {self.state.value}",
                why=f"legal here: {', '.join(self._table[self.state]) or 'nothing'}",
                remedy="check that both sides run compatible versions",
            )
        self.state = following


class AgentSession(_Session):
    """The agent's end: sends `AgentMessage`, receives `CoordinatorMessage`."""

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(AGENT_SIDE, limits or Limits())

    def send(self, message: AgentMessage) -> bytes:
        """Return the frame to send. Raises LocalProtocolError where the state forbids the message."""
        return self._send(message, event_of(message))

    def receive(self, frame: bytes | str) -> CoordinatorMessage:
        """Return the message in `frame`. Raises RemoteProtocolError for what must not come, or not now."""
        message = decode_coordinator_message(frame, self.limits.agent_message_bytes_max)
        self._received(message)
        return message


class CoordinatorSession(_Session):
    """The coordinator's end: receives `AgentMessage`, sends `CoordinatorMessage`.

    Attributes:
        job: the job that was opened, None before.
        layer: the layer in progress, or None.
        epoch: the epoch of that layer.
        prefix: the cells of that layer as far as the agent has told, in the order printed.
        layer_size: what a layer of the job's part has; set it before `job_ready` is sent.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(COORDINATOR_SIDE, limits or Limits())
        self.job: OpenJob | None = None
        self.layer: int | None = None
        self.epoch = 0
        self.prefix: list[int] = []
        self.layer_size: LayerSize = lambda _layer: None
        self._let_go: int | None = None
        self._windows_reported = 0
        self._cells = 0

    @property
    def windows_reported(self) -> int:
        """How many cells of the layer are known to be scanned to their end."""
        return self._windows_reported

    def send(self, message: CoordinatorMessage) -> bytes:
        """Return the frame to send. Raises LocalProtocolError where the state forbids the message."""
        if isinstance(message, Decisions) and (message.layer, message.epoch) != (self.layer, self.epoch):
            raise LocalProtocolError(
                f"tried to send decisions for layer {message.layer}, epoch {message.epoch}"
                f" while layer {self.layer}, epoch {self.epoch} is in progress"
            )
        event = event_of(message)
        if isinstance(message, Failed) and event == "failed_layer" and message.layer != self.layer:
            self._let_go = message.layer
            return self._send(message, "failed")  # the layer in progress, if any, is another one
        frame = self._send(message, event)
        if event == "failed_layer":
            self._let_go, self.layer = self.layer, None
        return frame

    def receive(self, frame: bytes | str) -> AgentMessage | None:
        """Return the message in `frame`, or None for one about a layer that was given up already.

        Raises LayerRefusal where the answer is a `failed` for that layer, and RemoteProtocolError where the
        connection has to be closed.
        """
        message = decode_agent_message(frame, self.limits.message_bytes_max)
        before = self.state
        self._received(message)
        match message:
            case OpenJob():
                self.job = message
            case StartLayer():
                self.state = before  # moves on only when the layer is accepted
                self._start_layer(message)
                self.state = State.LAYER
            case Printed() | Deviated() | EndLayer():
                if message.layer != self.layer:
                    self.state = before
                    self._unknown_layer(message.layer)
                    return None
                self._in_layer(message)
            case _:
                pass
        return message

    def _unknown_layer(self, layer: int) -> None:
        if layer == self._let_go:  # said already; the agent's next start_layer ends it
            return
        self._let_go = layer
        raise LayerRefusal(
            "no such layer is in progress here",
            code="unknown_layer",
            layer=layer,
            remedy="send start_layer with the map and the printed cells",
        )

    def _start_layer(self, message: StartLayer) -> None:
        size = self.layer_size(message.layer)
        if size is None:
            raise RemoteProtocolError(
                f"start_layer for layer {message.layer}",
                why="the part has no such layer",
                remedy="open the job with the part that is being printed",
                close_code=1008,
            )
        elements, cells = size
        self._let_go = message.layer
        if message.map.shape[0] != elements:
            raise LayerRefusal(
                f"map of {message.map.shape[0]} elements",
                code="bad_map",
                layer=message.layer,
                why=f"the layer has {elements} elements",
                remedy="register the camera to this part",
            )
        try:
            message.map.to_numpy()
        except RemoteProtocolError as error:
            raise LayerRefusal(
                error.what, code="bad_map", layer=message.layer, why=error.why, remedy=error.remedy
            ) from error
        _check_cells(message.printed, cells, message.layer)
        self._let_go = None
        self._cells = cells
        self.layer = message.layer
        self.epoch = message.epoch
        self.prefix = list(message.printed)
        self._windows_reported = max(0, len(self.prefix) - 1)

    def _in_layer(self, message: Printed | Deviated | EndLayer) -> None:
        match message:
            case Deviated():
                if message.epoch <= self.epoch:
                    self._refuse_cells(
                        f"deviated to epoch {message.epoch}",
                        f"epoch {self.epoch} is in progress",
                        message.layer,
                    )
                self._checked(message.printed, message.layer)
                if message.printed[: len(self.prefix)] != self.prefix:
                    self._refuse_cells(
                        "the printed cells are not a continuation",
                        "what was printed never changes",
                        message.layer,
                    )
                self.epoch = message.epoch
                self.prefix = list(message.printed)
                self._windows_reported = max(self._windows_reported, len(self.prefix) - 1)
            case Printed():
                self._printed(message)
            case _:
                self.layer = None

    def _printed(self, message: Printed) -> None:
        if message.epoch != self.epoch or message.window > len(self.prefix):
            self._refuse_cells(
                f"printed window {message.window} of epoch {message.epoch}",
                f"{len(self.prefix)} windows of epoch {self.epoch} are known",
                message.layer,
            )
        if message.window == len(self.prefix):
            self._checked([*self.prefix, message.cell], message.layer)
            self.prefix.append(message.cell)
        elif self.prefix[message.window] != message.cell:
            self._refuse_cells(
                f"cell {message.cell} in window {message.window}",
                f"cell {self.prefix[message.window]} was reported there before",
                message.layer,
            )
        self._windows_reported = max(self._windows_reported, message.window + 1)

    def _checked(self, printed: list[int], layer: int) -> None:
        try:
            _check_cells(printed, self._cells, layer)
        except LayerRefusal:
            self._drop_layer()
            raise

    def _refuse_cells(self, what: str, why: str, layer: int) -> None:
        self._drop_layer()
        raise LayerRefusal(
            what, code="bad_cells", layer=layer, why=why, remedy="send start_layer with the printed cells"
        )

    def _drop_layer(self) -> None:
        self._let_go = self.layer
        self.layer = None
        self.state = State.READY


def _check_cells(printed: list[int], cells: int, layer: int) -> None:
    """Raise LayerRefusal unless `printed` names cells below `cells`, each once."""
    outside = next((cell for cell in printed if cell >= cells), None)
    if outside is not None:
        raise LayerRefusal(
            f"cell {outside} in the printed cells",
            code="bad_cells",
            layer=layer,
            why=f"the layer has {cells} cells",
            remedy="open the job with the part that is being printed",
        )
    if len(set(printed)) != len(printed):
        raise LayerRefusal(
            "a cell is twice in the printed cells",
            code="bad_cells",
            layer=layer,
            why="every cell is scanned once",
            remedy="check the driver's events",
        )
