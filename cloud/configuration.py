"""The settings of the coordinator, as they stand in coordinator.toml. Values only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cloud.plans import Mode
from cosmic.configuration import load
from cosmic.logs import Level
from cosmic.web.settings import Http
from protocol.limits import Limits, PositiveFloat, PositiveInt


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all sections share: a key that is not known is an error."""


class Listen(_Section, frozen=True, kw_only=True):
    """Where printers connect."""

    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` or `::` for every interface."""

    port: Annotated[int, Meta(ge=0, le=65535)] = 8470
    """TCP port; 0 takes a free one, which the log line `listening` and the ready file name."""

    certificate_file: str | None = None
    """PEM certificate chain; with `key_file` it switches TLS on (1.2 or newer)."""

    key_file: str | None = None
    """PEM key of the certificate."""


class Parts(_Section, frozen=True, kw_only=True):
    """Where prepared parts are, and how many are held ready."""

    directory: str = "parts"
    """Folder of part folders."""

    loaded_max: PositiveInt = 4
    """Parts held loaded at a time; a job of one more waits for none and is refused with `busy`."""

    idle_s: PositiveFloat = 300.0
    """How long a part stays loaded after its last job, seconds: a printer that comes back finds it ready."""

    download_s: PositiveFloat = 60.0
    """Longest part download in one answer, seconds; the printer then asks for the rest."""

    downloads_max: PositiveInt = 4
    """Part downloads at a time; one more is answered with 503."""

    download_bytes_max: PositiveInt = 256 * 1024 * 1024
    """Largest part (without dense operators) that is served, bytes."""


class Tokens(_Section, frozen=True, kw_only=True):
    """Which printers may connect."""

    file: str = "tokens.json"
    """Written by `cosmic-cloud token`; read again when it changes."""

    check_s: PositiveFloat = 1.0
    """How often it is looked whether tokens and certificate have changed, seconds: within this time the open
    connections of a revoked token are closed."""


class AwsSettings(_Section, frozen=True, kw_only=True):
    """Where the functions of engine `lambda` are, and how they reach this coordinator."""

    deployment: str | None = None
    """Name given to `cosmic-cloud deploy`; unset: the part's name."""

    region: str | None = None
    """AWS region; unset: the one that AWS's own configuration names."""

    bucket: str | None = None
    """The bucket given to `cosmic-cloud deploy`; unset: the deployment's own."""

    endpoint_url: str | None = None
    """Another address for all of AWS's services, for look-alikes and tests."""

    link_host: str = "127.0.0.1"
    """Address of this machine on which workers are awaited: one in the functions' network (VPC)."""

    link_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """TCP port for workers, one for every loaded part; 0 takes a free one."""

    link_address: str | None = None
    """This machine's address as workers see it, where it is another than `link_host`."""


class RaySettings(_Section, frozen=True, kw_only=True):
    """Where the actors of engine `ray` run, and how they reach this coordinator."""

    address: str | None = None
    """`host:port` of the head of a Ray cluster; unset: a cluster of this machine alone, which comes and goes with
    the engine."""

    cpus: Annotated[float, Meta(ge=0.0)] = 1.0
    """Processors that a worker takes of the cluster; on a cluster of this machine alone workers share them."""

    store: str | None = None
    """Where workers read blocks: a folder that every machine sees, or `s3://BUCKET/PREFIX` (with the
    region and endpoint_url of `engine.aws`); unset: the part's folder."""

    price: str | None = None
    """Row of prices.toml that a machine of the cluster is billed by; unset: hours are counted, and cost nothing."""

    link_host: str = "127.0.0.1"
    """Address of this machine on which workers are awaited: one in the cluster's network."""

    link_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """TCP port for workers, one for every loaded part; 0 takes a free one."""

    link_address: str | None = None
    """This machine's address as workers see it, where it is another than `link_host`."""


class EngineSettings(_Section, frozen=True, kw_only=True):
    """What carries a map across a window, and where."""

    name: Literal["inline", "local", "simulated", "lambda", "ray"] = "inline"
    """`inline`: the polynomial operator in this process; `local`: dense blocks in processes of this machine;
    `simulated`: a model of a platform of functions, with real results; `lambda`: functions on AWS that
    `cosmic-cloud deploy` made; `ray`: actors of a Ray cluster."""

    aws: AwsSettings = AwsSettings()

    ray: RaySettings = RaySettings()

    profile: str = "paper"
    """What the simulated platform is like: `paper`, or the path of a TOML file."""

    plan: str | None = None
    """JSON file of a plan; set, it takes the place of `groups`, `dealing`, `mode`, `blocks_*` and `precision`.
    Unset, engine `lambda` takes the `plan.json` in the part's folder."""

    groups: PositiveInt = 1
    """Groups G that the cells are dealt to."""

    dealing: Literal["contiguous", "round-robin", "clustered"] = "contiguous"
    """How cells come to their groups; `clustered`: by how often cells followed each other in `orders`."""

    orders: str | None = None
    """Orders of earlier prints for `clustered` (documents of `cosmic-cloud order --json`, one a line or a file);
    unset: orders are predicted, which takes some seconds for a large part."""

    mode: Mode = "persistent"
    """When a group's functions are invoked. Processes of this machine always run."""

    blocks_rows: PositiveInt = 2
    """Row ranges r of a dense operator; there are G x r x c workers."""

    blocks_columns: PositiveInt = 1
    """Column ranges c of a dense operator."""

    precision: Literal["float64", "float32"] = "float64"
    """Of the dense blocks and of the vectors that the workers share."""

    tolerance: Annotated[float, Meta(gt=0.0, lt=0.1)] | None = None
    """Of the polynomial operator, as a share of the 2-norm of theta; unset: the one in the part's manifest."""

    apply_timeout_ms: PositiveFloat = 2000.0
    """Longest wait for a worker's product before it is replaced, milliseconds."""

    spare: bool = True
    """Whether the coordinator computes a window itself (polynomial operator) when a function of a platform is at
    fault; False: the function is asked again, then the engine has failed."""

    spare_after_ms: PositiveFloat = 200.0
    """Longest wait for a function before the spare computes the window, milliseconds."""

    warm_interval_s: PositiveFloat = 5.0
    """Time between the dummy requests that keep functions warm while powder is spread, seconds."""

    warm_silence_s: PositiveFloat = 120.0
    """Functions are not kept warm for a printer that has said nothing for so long, seconds."""

    load_timeout_s: PositiveFloat = 120.0
    """Longest loading of a worker, seconds."""

    tries_max: PositiveInt = 3
    """How often one product is asked for before the engine has failed."""

    snapshot_bytes_max: PositiveInt = 16 * 1024 * 1024
    """States kept of a layer in progress, bytes: from them a layer goes on after a deviation."""


class Log(_Section, frozen=True, kw_only=True):
    """What is logged and how."""

    level: Level = "info"
    format: Literal["auto", "json", "pretty"] = "auto"
    """`auto`: readable on a terminal, JSON lines elsewhere."""


class CoordinatorSettings(_Section, frozen=True, kw_only=True):
    """All settings of the coordinator."""

    listen: Listen = Listen()
    parts: Parts = Parts()
    tokens: Tokens = Tokens()
    engine: EngineSettings = EngineSettings()
    limits: Limits = Limits()
    http: Http = msgspec.field(default_factory=Http)
    log: Log = Log()


def load_settings(path: Path | None) -> CoordinatorSettings:
    """Return the settings of the file at `path` (None: defaults) and of the environment.

    Raises ConfigurationError naming the file and the value.
    """
    return load(CoordinatorSettings, path)
