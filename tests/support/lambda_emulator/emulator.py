"""The Invoke API of Lambda over HTTP: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html

Requests for anything else go to a control plane (moto), so that one address serves a whole deployment. What can
go wrong is asked for: delays, evictions, throttling, crashes. Every call leaves a usage record to compare bills
with.
"""

from __future__ import annotations

import http.client
import json
import math
import signal
import threading
import time
import uuid
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from tests.support.lambda_emulator.deployed import Deployed
from tests.support.lambda_emulator.environment import Environment, Handler, Invocation, Server
from tests.support.lambda_emulator.reports import ReportLog

SYNC_BYTES_MAX = 6 * 2**20
ASYNC_BYTES_MAX = 2**20
PREFIX = "/2015-03-31/functions/"


@dataclass(frozen=True)
class Function:
    """What is deployed: an unpacked zip and its settings."""

    name: str
    folder: Path
    handler: str
    memory_mb: int = 128
    timeout_s: float = 60.0
    variables: dict[str, str] = field(default_factory=dict)
    log_group: str = ""


@dataclass(frozen=True)
class Usage:
    """What one invocation is billed by: `billed_ms` is rounded up to 1 ms, with the init of a cold start."""

    function: str
    kind: str
    environment: int
    cold: bool
    init_ms: float
    duration_ms: float
    billed_ms: int
    memory_mb: int
    error: str

    def report(self, request: str) -> str:
        """Return the line that Lambda logs: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html"""
        init = f"\tInit Duration: {self.init_ms:.2f} ms" if self.cold else ""
        return (
            f"REPORT RequestId: {request}\tDuration: {self.duration_ms:.2f} ms"
            f"\tBilled Duration: {self.billed_ms} ms\tMemory Size: {self.memory_mb} MB"
            f"\tMax Memory Used: {self.memory_mb} MB{init}\t\n"
        )


class LambdaEmulator:
    """Runs functions. `with` ends all environments.

    delays_ms: added before every invocation, ms; None: none.
    concurrency_max: environments that work at a time; one more is answered with 429.
    init_limit_s: an environment that takes longer starts again inside its first invocation.
    control_plane: address that answers every other request; functions unknown here are looked up there.
    code: unpacked zip of functions that were deployed through the control plane; None: fetched from its bucket.
    port: 0 takes a free one.
    """

    def __init__(
        self,
        *,
        delays_ms: Iterator[float] | None = None,
        concurrency_max: int = 1000,
        init_limit_s: float = 10.0,
        control_plane: str | None = None,
        code: Path | None = None,
        port: int = 0,
    ) -> None:
        self.delays_ms = delays_ms
        self.concurrency_max = concurrency_max
        self.usage: list[Usage] = []
        self.inits_cut_off = 0
        self._init_limit_s = init_limit_s
        self._control_plane = control_plane
        self._deployed = Deployed(control_plane, code) if control_plane is not None else None
        self._reports = ReportLog(control_plane)
        self._functions: dict[str, Function] = {}
        self._idle: dict[str, list[Environment]] = {}
        self._busy: dict[Environment, str] = {}
        self._active = 0
        self._refusing = 0
        self._starter = ThreadPoolExecutor(1, "starter")
        self._changed = threading.Condition()
        self._server = Server(type("InvokeApi", (_InvokeApi,), {"emulator": self}), port)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        with self._changed:
            running = [*self._busy, *(one for idle in self._idle.values() for one in idle)]
        for environment in running:
            environment.kill()
        self._starter.shutdown()
        self._reports.close()
        if self._deployed is not None:
            self._deployed.close()

    def deploy(self, function: Function) -> None:
        """Make a function known, or another version of it: environments of the old one are gone."""
        self._functions[function.name] = function
        self.evict(function.name)

    def evict(self, name: str | None = None) -> int:
        """Take idle environments away, of one function or of all; return how many."""
        with self._changed:
            names = [name] if name is not None else list(self._idle)
            gone = [environment for one in names for environment in self._idle.pop(one, [])]
        for environment in gone:
            environment.kill()
        return len(gone)

    def kill(self, name: str) -> int:
        """Kill the environments of a function that are at work, as a crash of the machine does; return how many."""
        with self._changed:
            gone = [environment for environment, busy in self._busy.items() if busy == name]
        for environment in gone:
            environment.kill()
        return len(gone)

    def stop(self, name: str) -> int:
        """Have the environments of a function that are at work hang; return how many."""
        with self._changed:
            hung = [environment for environment, busy in self._busy.items() if busy == name]
        for environment in hung:
            environment.process.send_signal(signal.SIGSTOP)
        return len(hung)

    def throttle(self, calls: int) -> None:
        """Answer so many of the next calls with 429."""
        with self._changed:
            self._refusing = calls

    def wait_for(self, count: int, *, kind: str | None = None, timeout_s: float = 30.0) -> list[Usage]:
        """Return the usage records once there are `count` (of a kind)."""

        def wanted() -> list[Usage]:
            return [one for one in self.usage if kind in {None, one.kind}]

        with self._changed:
            assert self._changed.wait_for(lambda: len(wanted()) >= count, timeout_s), self.usage
            return wanted()

    def wait_idle(self, timeout_s: float = 30.0) -> None:
        """Return once no environment is at work."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._active == 0, timeout_s), self._busy

    def admit(self, name: str, headers: http.client.HTTPMessage, size: int, kind: str) -> tuple[int, str] | None:
        """Return why an invocation is refused, None where it is not."""
        limit = SYNC_BYTES_MAX if kind == "RequestResponse" else ASYNC_BYTES_MAX
        if size > limit:
            return 413, "RequestTooLargeException"
        if name not in self._functions and not self._look_up(name, headers):
            return 404, "ResourceNotFoundException"
        with self._changed:
            if self._refusing or self._active >= self.concurrency_max:
                self._refusing = max(0, self._refusing - 1)
                return 429, "TooManyRequestsException"
            self._active += 1
        return None

    def invoke(self, name: str, payload: bytes, kind: str) -> Invocation:
        """Run an invocation that was admitted, in an environment that is warm or new."""
        if self.delays_ms is not None:
            with self._changed:
                delay_ms = next(self.delays_ms)
            time.sleep(delay_ms / 1e3)
        function = self._functions[name]
        started_s = time.perf_counter()
        environment, cold = self._environment(function)
        deadline_ms = int(time.time() * 1e3 + function.timeout_s * 1e3)
        invocation = Invocation(str(uuid.uuid4()), payload, deadline_ms)
        begun_s = time.perf_counter()
        environment.run(invocation, function.timeout_s)
        ended_s = time.perf_counter()
        ended_at_ms = int(time.time() * 1e3)
        duration_ms = (ended_s - begun_s) * 1e3
        billed_ms = math.ceil((ended_s - started_s if cold else ended_s - begun_s) * 1e3)
        with self._changed:
            del self._busy[environment]
            if environment.alive:
                self._idle.setdefault(name, []).append(environment)
            self._active -= 1
            usage = Usage(
                function=name,
                kind=kind,
                environment=environment.number,
                cold=cold,
                init_ms=environment.init_ms if cold else 0.0,
                duration_ms=duration_ms,
                billed_ms=billed_ms,
                memory_mb=function.memory_mb,
                error=invocation.error,
            )
            self.usage.append(usage)
            self._changed.notify_all()
        invocation.report = usage.report(invocation.request)
        if function.log_group:
            self._reports.write(function.log_group, name, ended_at_ms, invocation.report)
        return invocation

    def _environment(self, function: Function) -> tuple[Environment, bool]:
        with self._changed:
            idle = self._idle.get(function.name, [])
            while idle:
                warm = idle.pop()
                if warm.alive:
                    self._busy[warm] = function.name
                    return warm, False
        environment = self._start(function)
        if not environment.ready.wait(self._init_limit_s):
            self.inits_cut_off += 1
            environment.kill()
            environment = self._start(function)
            environment.ready.wait(function.timeout_s)
        with self._changed:
            self._busy[environment] = function.name
        return environment, True

    def _start(self, function: Function) -> Environment:
        # A process ends with the thread that started it (prctl(2)): that of a call would take it along.
        return self._starter.submit(self._start_here, function).result()

    def _start_here(self, function: Function) -> Environment:
        arn = f"arn:aws:lambda:eu-central-1:123456789012:function:{function.name}"
        return Environment(function.name, arn, [function.handler], str(function.folder), function.variables)

    def _look_up(self, name: str, headers: http.client.HTTPMessage) -> bool:
        """Take a function over from the control plane; the code is the one given."""
        if self._deployed is None:
            return False
        status, _, content = self.forward("GET", PREFIX + name, headers, b"")
        if status != 200:
            return False
        settings = json.loads(content)["Configuration"]
        self._functions[name] = Function(
            name=name,
            folder=self._deployed.folder(name),
            handler=settings["Handler"],
            memory_mb=settings["MemorySize"],
            timeout_s=settings["Timeout"],
            variables=settings.get("Environment", {}).get("Variables", {}),
            log_group=self._deployed.log_group(name),
        )
        return True

    def changed(self, method: str, path: str, content: bytes) -> None:
        """Note what the control plane was asked to change: environments of an older version are gone."""
        if self._deployed is not None and (name := self._deployed.note(method, path, content)):
            self._functions.pop(name, None)
            self.evict(name)

    def complete(self, method: str, path: str, answer: bytes) -> bytes:
        """Return a control plane's answer with what it does not keep itself."""
        return answer if self._deployed is None else self._deployed.complete(method, path, answer)

    def forward(
        self, method: str, path: str, headers: http.client.HTTPMessage, content: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Ask the control plane, with the caller's headers."""
        assert self._control_plane is not None, "there is no control plane"
        there = http.client.HTTPConnection(urlsplit(self._control_plane).netloc, timeout=30.0)
        try:
            kept = {
                name: value for name, value in headers.items() if name.lower() not in {"content-length", "expect"}
            }
            there.request(method, path, body=content, headers=kept)
            answer = there.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            there.close()


class _InvokeApi(Handler):
    emulator: LambdaEmulator

    def do_POST(self) -> None:
        content = self.body()
        path = urlsplit(self.path).path
        if path == "/emulator/evict":
            self.reply(200, json.dumps({"evicted": self.emulator.evict()}).encode())
            return
        if not (path.startswith(PREFIX) and path.endswith("/invocations")):
            self._forward(content)
            return
        name = unquote(path[len(PREFIX) : -len("/invocations")])
        kind = self.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        refused = self.emulator.admit(name, self.headers, len(content), kind)
        if refused is not None:
            status, error = refused
            body = json.dumps({"Type": "User", "message": error, "Message": error}).encode()
            self.reply(status, body, X_Amzn_ErrorType=error, Content_Type="application/json")
        elif kind == "Event":
            threading.Thread(target=self.emulator.invoke, args=(name, content, kind), daemon=True).start()
            self.reply(202)
        else:
            invocation = self.emulator.invoke(name, content, kind)
            said = {"X_Amz_Function_Error": "Unhandled"} if invocation.error else {}
            if self.headers.get("X-Amz-Log-Type") == "Tail":
                said["X_Amz_Log_Result"] = b64encode(invocation.report.encode()).decode()
            self.reply(200, invocation.answer, Content_Type="application/json", **said)

    def _other(self) -> None:
        if self.path.startswith("/2016-08-19/account-settings"):  # moto has none
            limit = self.emulator.concurrency_max
            limits = {"AccountLimit": {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": limit}}
            self.reply(200, json.dumps(limits).encode(), Content_Type="application/json")
        elif self.path == "/emulator/usage":
            usage = [asdict(one) for one in self.emulator.wait_for(0)]
            self.reply(200, json.dumps(usage).encode(), Content_Type="application/json")
        else:
            self._forward(self.body())

    do_GET = do_PUT = do_DELETE = do_HEAD = do_PATCH = _other

    def _forward(self, content: bytes) -> None:
        status, headers, answer = self.emulator.forward(self.command, self.path, self.headers, content)
        if status < 300:
            self.emulator.changed(self.command, urlsplit(self.path).path, content)
            answer = self.emulator.complete(self.command, urlsplit(self.path).path, answer)
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        length = {name.lower(): value for name, value in headers}.get("content-length")
        self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)
        self.wfile.flush()
