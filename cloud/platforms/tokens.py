"""Tokens that workers bring back: HMAC over function, job and expiry. Pure; time is passed in.

Coordinator and checker are one process: the expiry is in seconds of its event loop's clock.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from cloud.plans import FunctionId


class CallbackTokens:
    """Issues and checks the tokens of one engine.

    secret: key, 32 bytes; None draws one, which no other process knows.
    """

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secret or secrets.token_bytes(32)

    def issue(self, function: FunctionId, job: str, serial: int, expires_s: float) -> str:
        """Return a token for one invocation.

        job: whose work it is; without a dot.
        serial: tells two invocations of one function apart.
        expires_s: loop time after which it is refused, seconds.
        """
        text = f"{function.group}-{function.row}-{function.column}.{job}.{serial}.{round(expires_s * 1e3)}"
        return f"{text}.{self._sign(text)}"

    def check(self, token: str, now_s: float) -> FunctionId | None:
        """Return the function that `token` stands for, None where it is not ours or has expired."""
        text, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(text).encode()):
            return None
        function, _job, _serial, expires_ms = text.split(".")
        if round(now_s * 1e3) > int(expires_ms):
            return None
        group, row, column = function.split("-")
        return FunctionId(int(group), int(row), int(column))

    def _sign(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()[:32]
