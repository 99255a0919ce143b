"""The agent's settings, units in their names: `/etc/cosmic/agent.toml`, every value overridable by environment."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from agent.capture_settings import Capture as Capture  # noqa: PLC0414  it is one of the sections
from cosmic.logs import Level
from cosmic.web.settings import Http
from protocol.limits import LAYERS_MAX

Positive = Annotated[float, Meta(gt=0.0)]
NotNegative = Annotated[float, Meta(ge=0.0)]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all sections share: they are values, and unknown keys are errors."""


Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class SimulatedFaults(_Section, frozen=True, kw_only=True):
    """What goes wrong with the simulated printer. Shares are of windows, or of events."""

    seed: Annotated[int, Meta(ge=0)] = 0
    """The same seed, the same faults."""
    late: Share = 0.0
    """Share of events that are told late."""
    late_ms: Positive = 20.0
    """How late, ms."""
    lost: Share = 0.0
    """Share of events that are never told."""
    doubled: Share = 0.0
    """Share of events that are told twice."""
    wrong_cell: Share = 0.0
    """Share of windows in which the machine scans another cell than it was handed."""
    restart: Share = 0.0
    """Share of windows before which the machine starts anew and forgets what it was handed."""
    restart_s: NotNegative = 1.0
    """How long that takes, seconds."""
    fault: Share = 0.0
    """Share of windows in which the machine reports a fault and goes on."""
    abort: Share = 0.0
    """Share of windows before which the machine gives the job up."""
    at: list[str] = field(default_factory=list)
    """Faults at a place, like `"restart 0:12"`: before window 12 of layer 0."""


class Simulated(_Section, frozen=True, kw_only=True):
    """The simulated printer."""

    layers: Annotated[int, Meta(ge=1, le=LAYERS_MAX)] | None = None
    """Layers to print; unset: all of the part."""
    spreading_s: NotNegative | None = None
    """Pause between layers, seconds; unset: the part's."""
    time_scale: Positive = 1.0
    """How many times faster than a real printer it prints."""
    start_limit_s: NotNegative = 60.0
    """How long the start waits for the coordinator to be ready, seconds; then it prints without."""
    faults: SimulatedFaults = field(default_factory=SimulatedFaults)


class Socket(_Section, frozen=True, kw_only=True):
    """A machine whose own driver connects to a Unix socket (docs/reference/socket-driver.md)."""

    path: Annotated[str, Meta(min_length=1, max_length=100)] = "/run/cosmic/printer.sock"
    """The socket's file. The agent makes it; the machine's driver connects to it."""
    mode: Annotated[str, Meta(pattern="^0?[0-7]{3}$")] = "0660"
    """Permissions of that file, octal: whoever may write to it may print."""
    hello_s: Positive = 5.0
    """How long a new connection may take to say hello, seconds."""
    line_bytes_max: Annotated[int, Meta(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024
    """Longest line accepted, bytes."""
    waiting_bytes_max: Annotated[int, Meta(ge=4096)] = 4 * 1024 * 1024
    """What may wait for a machine that does not read, bytes; beyond that the connection is closed."""


class BuildFiles(_Section, frozen=True, kw_only=True):
    """A machine that takes one CLI build file a layer."""

    input_directory: str = ""
    """Folder in which the machine's software puts the layers' files. Their names end in the layer's number."""
    output_directory: str = ""
    """Folder from which the machine takes them, hatches in the decided order."""
    pattern: Annotated[str, Meta(min_length=1)] = "*.cli"
    """Names that are build files."""
    first_number: Annotated[int, Meta(ge=0)] = 0
    """Number in the name of the first layer's file."""
    settle_ms: NotNegative = 200.0
    """How long a file's size must not change before it counts as whole, ms."""
    poll_ms: Positive = 50.0
    """How often the folder is looked into, ms."""
    incomplete_s: Positive = 10.0
    """After how long a file that is not whole is named as a fault, seconds; it is waited for all the same."""


class Printer(_Section, frozen=True, kw_only=True):
    """The printer and how cells are handed to it."""

    name: Annotated[str, Meta(min_length=1, max_length=256)] = "printer"
    """Name at the coordinator: the one its token was made for."""
    part: str = ""
    """Folder of the prepared part, or its digest: then it is fetched from the coordinator."""
    parts_directory: str = "/var/lib/cosmic/parts"
    """Where fetched parts are kept."""
    part_bytes_max: Annotated[int, Meta(ge=1)] = 1024**3
    """Largest part that is fetched, bytes."""
    fetch_limit_s: Positive = 120.0
    """How long fetching is tried, seconds; what has arrived by then is kept for the next start."""
    job: str = ""
    """Name of the job; unset: the part's name and the time of the start."""
    driver: Literal["simulated", "socket", "file"] = "simulated"
    """`simulated`: no machine; `socket`: the machine's own driver connects; `file`: build files, one a layer."""
    dispatch: Literal["cell", "layer"] = "cell"
    """`cell`: one cell a window; `layer`: the whole order at once (always with `file`)."""
    sequence_limit_ms: Positive = 3000.0
    """`layer`: how long a layer's whole order is waited for after the layer is ready, ms; what is missing then
    is filled by the fallback order."""
    on_stop: Literal["finish", "hand_over"] = "finish"
    """What SIGTERM does in a layer: `finish` it, or `hand_over` the rest of its order and end at once."""
    overdue_ms: Positive = 20.0
    """After how long an event that is due is asked for, ms."""
    guard_ms: NotNegative = 5.0
    """How long before the end of the current cell the next one must be with the driver, ms."""
    first_cell_limit_ms: Positive = 2000.0
    """How long a layer's first cell is waited for after the layer is ready, ms."""
    start_windows: Annotated[int, Meta(ge=1)] = 4
    """Decisions that wait before a layer's first cell is handed over (at most the look-ahead and one)."""
    start_wait_ms: NotNegative = 100.0
    """How long they are waited for once the first is there, ms."""
    simulated: Simulated = field(default_factory=Simulated)
    socket: Socket = field(default_factory=Socket)
    file: BuildFiles = field(default_factory=BuildFiles)

    @property
    def whole(self) -> bool:
        """True where a layer's whole order is handed over at once."""
        return self.dispatch == "layer" or self.driver == "file"


class Uplink(_Section, frozen=True, kw_only=True):
    """The connection to the coordinator."""

    url: str = ""
    """`wss://host:port/v1/agent`; unset: print with the fallback order alone."""
    token_file: str = ""
    """File with the printer's token."""
    ca_file: str = ""
    """Certificates to trust instead of the system's."""
    lookahead: Annotated[int, Meta(ge=1, le=LAYERS_MAX)] | None = None
    """Windows decided ahead; unset, and with `printer.dispatch = "layer"`: the whole layer."""
    rule: str | None = None
    """SmartScan's rule; unset: the coordinator's default."""
    backoff_min_s: Positive = 0.1
    """Shortest pause before connecting again, seconds; doubles with every failure."""
    backoff_max_s: Positive = 5.0
    """Longest pause before connecting again, seconds."""
    connect_s: Positive = 5.0
    """Longest opening handshake, seconds."""
    ping_interval_s: Positive = 2.0
    ping_timeout_s: Positive = 4.0
    message_bytes_max: Annotated[int, Meta(ge=1024)] = 1024 * 1024
    """Largest message accepted, bytes."""
    queue_messages: Annotated[int, Meta(ge=8)] = 1024
    """Messages waiting to be sent before a stalled connection is given up."""


class Fallback(_Section, frozen=True, kw_only=True):
    """What is scanned when no decision is there."""

    order: str | list[str] = "random"
    """`random`, `sequential`, `chessboard`, `farthest`, `smartscan`, or a list: the first that has an answer.

    `smartscan` thinks on the printer's own computer while the coordinator is away, and answers only when it is
    ready; `random` is below it."""
    smartscan_limit_ms: Positive = 30.0
    """What `smartscan` may take for a window, ms; slower, it is left alone for the rest of the layer."""
    seed: Annotated[int, Meta(ge=0)] = 0


class Recording(_Section, frozen=True, kw_only=True):
    """What is kept of every job."""

    directory: str = ""
    """Folder for recordings, one folder a job (needs the extra `recording`); unset: nothing is kept."""
    bytes_max: Annotated[int, Meta(ge=65_536)] = 4 * 1024**3
    """Most bytes of all recordings: the oldest files are removed first, the newest never."""
    file_bytes_max: Annotated[int, Meta(ge=65_536)] = 256 * 1024**2
    """Size at which a recording goes on in another file, bytes; at most half of `bytes_max`."""
    flush_ms: Annotated[float, Meta(ge=50.0, le=900.0)] = 400.0
    """How often what was noted is written, ms: what a kill can cost."""
    sync: bool = True
    """Have it reach the disk itself each time, not only the system: what a loss of power can cost."""


class Mqtt(_Section, frozen=True, kw_only=True):
    """The printer's status on an MQTT broker (`pip install "cosmic-lpbf[mqtt]"`)."""

    host: str = ""
    """Name or address of the broker; unset: no MQTT."""
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    """TCP port; unset: 1883, with TLS 8883."""
    site: str = "site"
    """Where the printer stands: topics begin with `cosmic/<site>/<printer.name>/`."""
    username: str = ""
    password_file: str = ""
    """File with the password."""
    tls: bool = False
    """Encrypt, with TLS 1.2 or newer, and check the broker's certificate."""
    ca_file: str = ""
    """Certificates to trust instead of the system's."""
    certificate_file: str = ""
    """PEM certificate with which the agent proves who it is."""
    key_file: str = ""
    """PEM key of that certificate; unset: it stands in the same file."""
    interval_s: NotNegative = 1.0
    """Shortest time between two messages on one topic, seconds."""
    queue_events: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    """Events that wait while the broker is away; beyond that the oldest are dropped and counted."""
    answer_s: Positive = 3.0
    """How long the broker's answer is waited for, seconds; then the connection is made anew."""
    keepalive_s: Annotated[int, Meta(ge=1, le=65535)] = 10
    """How long a silent connection is left before it is tested, seconds."""
    backoff_min_s: Positive = 0.2
    """Shortest pause before connecting again, seconds; doubles with every failure."""
    backoff_max_s: Positive = 2.0
    """Longest pause before connecting again, seconds."""
    home_assistant: bool = False
    """Let Home Assistant find the printer."""
    home_assistant_prefix: Annotated[str, Meta(min_length=1, max_length=256)] = "homeassistant"
    """Home Assistant's discovery prefix."""
    sparkplug: bool = False
    """Let Sparkplug B hosts (Ignition and others) find the printer: group `mqtt.site`, node and device
    `printer.name`."""


class Log(_Section, frozen=True, kw_only=True):
    """Log lines on stdout."""

    level: Level = "info"
    pretty: bool | None = None
    """Readable lines instead of JSON; unset: on a terminal."""


class AgentConfiguration(_Section, frozen=True, kw_only=True):
    """All settings of the agent."""

    printer: Printer = field(default_factory=Printer)
    capture: Capture = field(default_factory=Capture)
    uplink: Uplink = field(default_factory=Uplink)
    fallback: Fallback = field(default_factory=Fallback)
    recording: Recording = field(default_factory=Recording)
    mqtt: Mqtt = field(default_factory=Mqtt)
    http: Http = field(default_factory=Http)
    log: Log = field(default_factory=Log)
