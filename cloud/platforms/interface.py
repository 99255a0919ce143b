"""What a platform does for the coordinator: run functions, and say by what rules it bills.

An event is what a worker's `invoked` gets, as a map of built-in types (`msgspec.to_builtins`): workers need no
msgspec. A platform has one environment at most for a function at a time, as far as it is asked in turn.
"""

from __future__ import annotations

import hashlib
from typing import Literal, Protocol, runtime_checkable

import msgspec

from cloud.plans import FunctionId
from cosmic.errors import EngineError


class BlockRef(msgspec.Struct, frozen=True, kw_only=True):
    """One block of one operator, as a worker is told to load it.

    Attributes:
        digest: names the block's content; see `block_digest`.
        file: path below the part's folder (or prefix), as `thermal.operators.block_set_folder` has it.
        geometry: number of the layer geometry.
        length: elements of the cells whose operator it is.
        rows: first row and end.
        columns: first column and end.
    """

    digest: str
    file: str
    geometry: int
    length: int
    rows: tuple[int, int]
    columns: tuple[int, int]


def block_digest(part: str, file: str) -> str:
    """Return the name of a block's content, 16 hex digits.

    The part's digest fixes every operator, and the file's path geometry, length, cut, place and precision.
    """
    return hashlib.sha256(f"{part}/{file}".encode()).hexdigest()[:16]


class Load(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="load"):
    """Read blocks into memory; answered with what is resident then.

    Attributes:
        precision: `float64` or `float32`.
        blocks: what the function has to hold; those in memory already are not read again.
        store: where block files are; what it says is the store's business (a folder, a bucket and prefix).
        forget_others: False where other events of the same load name the rest.
    """

    precision: str
    blocks: tuple[BlockRef, ...]
    store: dict[str, str]
    forget_others: bool = True


class WarmUp(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="warm"):
    """The dummy request: answered at once; never loads, never computes."""


class Serve(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="serve"):
    """Connect to the coordinator, say ready, answer windows until released.

    Attributes:
        function: as `FunctionId.__str__` has it.
        address: where the coordinator's link listens; what it says is the link's business.
        token: proves that the coordinator asked for this worker; see cloud.platforms.tokens.
        limit_s: the worker ends on its own after so long without a window, seconds.
    """

    function: str
    address: str
    token: str
    limit_s: float


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's answer to `Load` or `WarmUp`.

    Attributes:
        kind: `loaded`, `warm`, or `failed`, with `error` saying why.
        environment: names the environment: another one than before means that state is gone.
        resident: digests of the blocks in memory.
        memory_mb: memory in use, MiB.
        duration_ms: from the start of the worker's code to its answer.
        billed_ms: what the platform bills for it, where it says so at once; 0 where it does not.
        around_ms: of that, what its runtime took before and after the worker's code.
        error: what went wrong, empty for nothing.
    """

    kind: Literal["loaded", "warm", "failed"]
    environment: str
    resident: tuple[str, ...] = ()
    memory_mb: float = 0.0
    duration_ms: float = 0.0
    billed_ms: float = 0.0
    around_ms: float = 0.0
    error: str = ""


class ServeSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker did until it was released, as it says itself.

    Attributes:
        windows: answered.
        busy_ms: in products.
        duration_ms: from the start of the worker's code to this summary; 0 where it does not say.
        bytes_in, bytes_out: over the link.
    """

    windows: int = 0
    busy_ms: float = 0.0
    duration_ms: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0


class Billing(msgspec.Struct, frozen=True, kw_only=True):
    """By what rules a platform bills.

    Attributes:
        price: name of the row in prices.toml.
        step_ms: durations are rounded up to multiples of it, for every invocation.
        minimum_ms: shortest duration billed.
        always_on: billed from the job's start to its end, used or not.
    """

    price: str
    step_ms: float = 1.0
    minimum_ms: float = 0.0
    always_on: bool = False


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """What a platform says it has run, and bills.

    Attributes:
        requests: invocations.
        seconds: billed time of all of them.
        gb_seconds: `seconds` times the functions' memory in GB.
    """

    requests: int = 0
    seconds: float = 0.0
    gb_seconds: float = 0.0


@runtime_checkable
class ReportsUsage(Protocol):
    """A platform that says afterwards what it bills."""

    async def reported(self, since_s: float, until_s: float) -> Reported | None:
        """Return what ended between two Unix times, seconds; None where the platform was not set up to say.

        Reports come late: asked again, there may be more of them. Raises PlatformError.
        """
        ...


Cause = Literal["throttled", "failed", "unreachable", "missing", "refused"]
"""Why not: too many at once, the worker's code failed, no answer, no such function, no right."""


class PlatformError(EngineError):
    """The platform did not run a function.

    Attributes:
        cause: see `Cause`.
        transient: True where asking again soon may succeed.
    """

    def __init__(
        self, what: str, *, cause: Cause, where: str = "", why: str = "", remedy: str = "", transient: bool = True
    ) -> None:
        super().__init__(what, where=where, why=why, remedy=remedy)
        self.cause: Cause = cause
        self.transient = transient


class Platform(Protocol):
    """Runs the functions of one plan. Methods run on one event loop, many at a time."""

    @property
    def name(self) -> str:
        """What the platform is, for logs and the agent: `lambda eu-central-1`."""
        ...

    async def ask(self, function: FunctionId, event: Load | WarmUp) -> Answer:
        """Run `function` on `event` and return its answer; the caller sets the time limit by cancelling.

        Raises PlatformError.
        """
        ...

    async def invoke(self, function: FunctionId, event: Serve) -> None:
        """Have `function` run on `event`; returns when accepted. The worker then comes by the link.

        Raises PlatformError.
        """
        ...

    def billing(self) -> Billing:
        """Return by what rules the platform bills."""
        ...

    async def close(self) -> None:
        """Let go of connections and threads. Functions and environments stay."""
        ...
