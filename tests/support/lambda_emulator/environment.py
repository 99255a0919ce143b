"""One execution environment: a process under the real runtime client, and the Runtime API that it asks.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import itertools
import os
import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.amazon import end_with_parent

_numbers = itertools.count(1)
ROLE = {"AWS_ACCESS_KEY_ID": "ASIAROLE", "AWS_SECRET_ACCESS_KEY": "role", "AWS_SESSION_TOKEN": "role"}
"""Credentials of the function's role, as Lambda puts them into every environment."""

API = "/2018-06-01/runtime"


@dataclass
class Invocation:
    """One call on its way through an environment."""

    request: str
    payload: bytes
    deadline_ms: int
    over: threading.Event = field(default_factory=threading.Event)
    answer: bytes = b"null"
    error: str = ""
    report: str = ""


class Server(ThreadingHTTPServer):
    """An HTTP server on a free port of loopback, with threads that hold nobody up."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, handler: type[BaseHTTPRequestHandler], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with quick answers and no log."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def reply(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def handle_expect_100(self) -> bool:
        """Say at once that the body may come: clients wait a second for it."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def log_message(self, *words: Any) -> None:
        """Nothing."""


class Environment:
    """A process of a function, from its start to its eviction.

    Attributes:
        number: of the environment.
        init_ms: from the start of the process to its first question for work.
        ready: set when it has asked for work, or is gone.
    """

    def __init__(self, name: str, arn: str, words: list[str], folder: str, variables: dict[str, str]) -> None:
        self.number = next(_numbers)
        self.init_ms = 0.0
        self.ready = threading.Event()
        self._arn = arn
        self._waiting: queue.Queue[Invocation | None] = queue.Queue()
        self._now: Invocation | None = None
        self._gone = threading.Event()
        self._server = Server(type("RuntimeApi", (_RuntimeApi,), {"environment": self}))
        self._started_s = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", *words],
            cwd=folder,
            env={
                **{key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ},
                "PYTHONPATH": folder,
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_address[1]}",
                "AWS_LAMBDA_FUNCTION_NAME": name,
                "AWS_REGION": "eu-central-1",
                **ROLE,
                "OPENBLAS_NUM_THREADS": "1",
                **variables,
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=end_with_parent,  # noqa: PLW1509  no lock is taken in it
        )
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def alive(self) -> bool:
        return not self._gone.is_set()

    def run(self, invocation: Invocation, timeout_s: float) -> None:
        """Have it answer an invocation, which says when it is over."""
        self._now = invocation
        if self._gone.is_set():
            self._fail("Runtime.ExitError")
        self._waiting.put(invocation)
        if not invocation.over.wait(timeout_s):
            self._fail("Sandbox.Timedout")
            self.kill()
        self._now = None

    def kill(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self._gone.wait(10.0)

    def next(self) -> Invocation | None:
        """The process asks for work; None when it shall end."""
        if not self.ready.is_set():
            self.init_ms = (time.perf_counter() - self._started_s) * 1e3
            self.ready.set()
        return self._waiting.get()

    def answered(self, request: str, content: bytes, error: str) -> None:
        """The process answered."""
        now = self._now
        if now is not None and now.request == request:
            now.answer, now.error = content, error
            now.over.set()

    def _watch(self) -> None:
        self.process.wait()
        self._gone.set()
        self.ready.set()
        self._fail("Runtime.ExitError")
        self._waiting.put(None)
        self._server.shutdown()
        self._server.server_close()

    def _fail(self, error: str) -> None:
        now = self._now
        if now is not None and not now.over.is_set():
            now.answer, now.error = f'{{"errorType":"{error}"}}'.encode(), error
            now.over.set()


class _RuntimeApi(Handler):
    environment: Environment

    def do_GET(self) -> None:
        invocation = self.environment.next()
        if invocation is None:
            self.close_connection = True
            return
        self.reply(
            200,
            invocation.payload,
            Lambda_Runtime_Aws_Request_Id=invocation.request,
            Lambda_Runtime_Deadline_Ms=str(invocation.deadline_ms),
            Lambda_Runtime_Invoked_Function_Arn=self.environment._arn,
            Content_Type="application/json",
        )

    def do_POST(self) -> None:
        content = self.body()
        *_, request, what = self.path.removeprefix(f"{API}/").split("/")
        error = self.headers.get("Lambda-Runtime-Function-Error-Type", "Unhandled") if what == "error" else ""
        self.environment.answered(request, content, error)
        self.reply(202)
