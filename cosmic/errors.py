"""Every error that may reach a user, in one tree.

- `CosmicError`: the root; `exit_code` 1
    - `InputError`: what the user brought cannot be used; `exit_code` 2
        - `UsageError`: the command's words are off
        - `ConfigurationError`: a setting is unknown, missing or out of range
        - `GeometryError`: a part's geometry (solid, outline, mask, build file)
        - `ProcessError`: process settings outside what is physical or stable
        - `PartError`: a part's folder is missing, damaged, of another version or another part
        - `MapError`: a temperature map of the wrong length or with impossible values
    - `ProtocolError`: the rules of the agent-coordinator protocol were broken
        - `LocalProtocolError`: by this side: a bug of ours
        - `RemoteProtocolError`: by the peer
    - `RefusedError`: the peer said no: `code` says why, `fatal` whether asking again soon is pointless
    - `EngineError`: the workers could not compute what was asked
    - `DriverError`: the printer's driver did what it must not, or went away
    - `CaptureError`: no usable frame came from the camera
    - `LayerComplete`: every cell of the layer has been handed over already

Packages refine these where a caller has to tell more cases apart: `agent.recorder.errors`, `protocol.sessions`,
`fallback.ladder`, `thermal.operators.opaque`, `cloud.stores.errors` and `cloud.aws.errors`.

An error says four things, each as data: what is wrong, where, which limit or rule it breaks, and what to do.
"""

from __future__ import annotations


class CosmicError(Exception):
    """Root of all errors that this project raises on purpose.

    Attributes:
        what: what is wrong, with the value that is wrong.
        where: the file, setting, message or layer concerned; empty where `what` says it.
        why: the limit or the rule that is broken, with its unit; empty where there is none.
        remedy: what to do about it.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", why: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the one line that a user reads: where: what - why - what to do."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        return " - ".join(part for part in (head, self.why, self.remedy) if part)

    def as_dict(self) -> dict[str, str]:
        """Return the error as a JSON-ready mapping, for `--json` and logs."""
        return {
            "error": type(self).__name__,
            "what": self.what,
            "where": self.where,
            "why": self.why,
            "remedy": self.remedy,
        }


class InputError(CosmicError):
    """What the user brought cannot be used."""

    exit_code = 2


class UsageError(InputError):
    """The words of a command are off."""


class ConfigurationError(InputError):
    """A setting is unknown, missing or out of range."""


class GeometryError(InputError):
    """A part's geometry cannot be prepared."""


class ProcessError(InputError):
    """Process settings are outside what is physical, or cannot be made stable."""


class PartError(InputError):
    """A part's folder is missing, damaged, of another version, or another part."""


class MapError(InputError):
    """A temperature map has the wrong length or impossible values."""


class ProtocolError(CosmicError):
    """The rules of the protocol between agent and coordinator were broken."""


class LocalProtocolError(ProtocolError):
    """This side tried what the protocol does not allow: a bug of ours."""


class RemoteProtocolError(ProtocolError):
    """The peer sent what the protocol does not allow.

    Attributes:
        code: the code of protocol.md that names the fault, `bad_message` unless told.
        close_code: the WebSocket close code (RFC 6455, section 7.4.1) to close with.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        why: str = "",
        remedy: str = "",
        code: str = "bad_message",
        close_code: int = 1002,
    ) -> None:
        super().__init__(what, where=where, why=why, remedy=remedy)
        self.code = code
        self.close_code = close_code


class RefusedError(CosmicError):
    """The peer refused what was asked.

    Attributes:
        code: why, as a code of protocol.md or of the handshake (`unauthorized`, `unknown_version`).
        fatal: True when asking again soon is pointless: only a person can change the answer.
    """

    def __init__(
        self,
        what: str,
        *,
        code: str,
        fatal: bool,
        where: str = "",
        why: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(what, where=where, why=why, remedy=remedy)
        self.code = code
        self.fatal = fatal


class EngineError(CosmicError):
    """The workers could not compute what was asked."""


class DriverError(CosmicError):
    """The printer's driver did what it must not, or went away."""


class CaptureError(CosmicError):
    """No usable frame came from the camera."""


class LayerComplete(CosmicError):
    """Every cell of the layer has been handed over already."""
