"""Lambda as a platform: `serve` events asynchronously, `load` and `warm` with their answers. Off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from cloud.aws.clients import Amazon, code_of, explained
from cloud.aws.errors import VersionError
from cloud.aws.existing import find_functions
from cloud.aws.layout import PART_TAG, REPORTS_TAG, part_tag
from cloud.aws.package import worker_version
from cloud.aws.reports import read_reports, times_ms
from cloud.plans import FunctionId, Plan
from cloud.platforms.interface import Answer, Billing, Cause, Load, PlatformError, Reported, Serve, WarmUp
from cloud.stores.s3 import REFUSED, amazon_library
from cosmic.errors import CosmicError
from cosmic.undecodable import UNDECODABLE

SYNC_BYTES_MAX = 6 * 2**20
ASYNC_BYTES_MAX = 2**20
"""Payload of a call (figures.md, payload)."""

EVENT_TIMEOUT_S = 2.0
"""Longest wait for Lambda to accept an event, seconds: a window of a large part; a later answer helps nobody."""

CONNECT_TIMEOUT_S = 1.0
ANSWER_TIMEOUT_S = 900.0
"""Longest call that Lambda allows, seconds: loading 9 GB takes two minutes."""

CONNECTIONS_MAX = 256
"""Calls at a time; more wait for one to be accepted."""

_Result = TypeVar("_Result")


class LambdaPlatform:
    """The functions of a deployment.

    deployment: its name.
    plan: what was deployed.
    amazon: where.
    """

    def __init__(self, deployment: str, plan: Plan, amazon: Amazon) -> None:
        size = min(max(len(plan.functions), 4), CONNECTIONS_MAX)
        self._deployment = deployment
        self._plan = plan
        self._amazon = amazon
        self._events = amazon.client(
            "lambda",
            read_timeout_s=EVENT_TIMEOUT_S,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            attempts=1,
            connections=size,
        )
        self._asks = amazon.client(
            "lambda",
            read_timeout_s=ANSWER_TIMEOUT_S,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            attempts=1,
            connections=size,
        )
        self._reports = False
        self._region = str(self._events.meta.region_name)
        # Pools of their own: a load that takes minutes must not keep an event waiting.
        self._event_threads = ThreadPoolExecutor(size, "lambda-event")
        self._ask_threads = ThreadPoolExecutor(size, "lambda-ask")

    @property
    def name(self) -> str:
        """`lambda` and the region."""
        return f"lambda {self._region}"

    def check(self) -> None:
        """Compare what is deployed with the plan and with this coordinator's worker. Blocks; for the start.

        Raises:
            VersionError: functions are missing, of another part or size, or run another version.
            CredentialsError, AwsError: Amazon does not say.
        """
        there = {one.name: one for one in find_functions(self._amazon, self._deployment)}
        wanted = [function.name(self._deployment) for function in self._plan.functions]
        found = [there[name] for name in wanted if name in there]
        self._reports = bool(found) and all(one.tags.get(REPORTS_TAG) == "yes" for one in found)
        wrong = {
            "missing": [name for name in wanted if name not in there],
            "of another part": [one.name for one in found if one.tags.get(PART_TAG) != part_tag(self._plan.part)],
            "of another version": [one.name for one in found if one.version != worker_version()],
            "of another size": [one.name for one in found if one.memory_mb != self._plan.memory_mb],
        }
        for what, names in wrong.items():
            if names:
                plan = f"{len(wanted)} of {self._plan.memory_mb} MB for part {self._plan.part[:12]}"
                raise VersionError(
                    f"{len(names)} functions are {what}",
                    where=names[0],
                    why=f"the plan has {plan}, this coordinator works with version {worker_version()}",
                    remedy=f"deploy the plan again: cosmic-cloud deploy PLAN --deployment {self._deployment}",
                )

    async def ask(self, function: FunctionId, event: Load | WarmUp) -> Answer:
        """Run a function and return its answer; see Platform."""
        payload = _payload(event, SYNC_BYTES_MAX)
        name = function.name(self._deployment)
        content, tail = await self._in_thread(
            self._ask_threads, lambda: self._call(self._asks, name, payload, "RequestResponse")
        )
        try:
            answer = msgspec.json.decode(content, type=Answer)
        except UNDECODABLE as error:
            raise PlatformError(
                f"the function answered something else: {error}",
                cause="failed",
                where=name,
                remedy="deploy again: it may be of another version",
                transient=False,
            ) from error
        duration, billed = times_ms(tail)
        around = max(0.0, duration - answer.duration_ms) if billed else 0.0
        return msgspec.structs.replace(answer, billed_ms=billed, around_ms=around)

    async def invoke(self, function: FunctionId, event: Serve) -> None:
        """Have a function run; returns when Lambda has accepted it. See Platform."""
        payload = _payload(event, ASYNC_BYTES_MAX)
        name = function.name(self._deployment)
        await self._in_thread(self._event_threads, lambda: self._call(self._events, name, payload, "Event"))

    async def reported(self, since_s: float, until_s: float) -> Reported | None:
        """Return what Lambda's own reports say, where the deployment keeps them; see ReportsUsage."""
        if not self._reports:
            return None
        return await self._in_thread(self._ask_threads, lambda: self._read_reports(since_s, until_s))

    def billing(self) -> Billing:
        """By the millisecond of memory, and by the request."""
        return Billing(price="lambda-arm64", step_ms=1.0)

    async def close(self) -> None:
        """Let go of connections; calls under way end by themselves."""
        self._event_threads.shutdown(wait=False, cancel_futures=True)
        self._ask_threads.shutdown(wait=False, cancel_futures=True)
        self._events.close()
        self._asks.close()

    async def _in_thread(self, threads: ThreadPoolExecutor, call: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    def _read_reports(self, since_s: float, until_s: float) -> Reported:
        try:
            with explained("reading what Lambda reports"):
                return read_reports(self._amazon.client("logs"), self._deployment, since_s, until_s)
        except CosmicError as error:
            raise PlatformError(
                error.what, cause="refused", where=error.where, why=error.why, remedy=error.remedy
            ) from error

    def _call(self, client: Any, name: str, payload: bytes, kind: str) -> tuple[bytes, str]:
        """Return what the function answers, and the tail of its log."""
        tail = {"LogType": "Tail"} if kind == "RequestResponse" else {}
        failures = amazon_library("botocore.exceptions")
        try:
            answer = client.invoke(FunctionName=name, InvocationType=kind, Payload=payload, **tail)
            content = bytes(answer["Payload"].read())
        except failures.ClientError as error:
            raise _refusal(name, code_of(error)) from error
        except (failures.BotoCoreError, amazon_library("urllib3.exceptions").HTTPError) as error:
            raise PlatformError(
                f"Lambda did not answer: {type(error).__name__}",
                cause="unreachable",
                where=name,
                remedy="check the network and the region",
            ) from error
        if answer.get("FunctionError"):
            raise PlatformError(f"the function failed: {_why(content)}", cause="failed", where=name)
        return content, answer.get("LogResult", "")


def _payload(event: Load | WarmUp | Serve, bytes_max: int) -> bytes:
    payload = msgspec.json.encode(event)
    if len(payload) > bytes_max:
        raise PlatformError(
            f"an event of {len(payload)} bytes",
            cause="refused",
            why=f"Lambda takes {bytes_max} bytes",
            remedy="take more groups, so that a function holds fewer blocks",
            transient=False,
        )
    return payload


def _refusal(name: str, code: str) -> PlatformError:
    cause: Cause = "failed"
    remedy = ""
    if code in {"TooManyRequestsException", "EC2ThrottledException", "ThrottlingException"}:
        cause, remedy = "throttled", "ask Amazon for a higher concurrency, or take fewer functions"
    elif code in {"ResourceNotFoundException", "404"}:
        cause, remedy = "missing", "deploy the plan first"
    elif code in REFUSED or code.startswith("AccessDenied"):
        cause, remedy = "refused", "give the coordinator the policy of 'deploy --policy'"
    elif code == "RequestTooLargeException":
        cause, remedy = "refused", "take more groups"
    return PlatformError(
        f"Lambda refused: {code}",
        cause=cause,
        where=name,
        remedy=remedy,
        transient=cause in {"throttled", "failed"},
    )


def _why(content: bytes) -> str:
    """Return what a failed function says of itself, short."""
    try:
        said = msgspec.json.decode(content)
        return f"{said.get('errorType', '')} {said.get('errorMessage', '')}".strip()[:200]
    except (*UNDECODABLE, AttributeError):
        return "no reason given"
