"""Which printer a bearer token belongs to: one token a printer, in a file that holds only hashes.

A token is 32 random bytes, so that a plain SHA-256 of it gives nothing away. The file is written whole under
a temporary name and renamed, readable by its owner alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import structlog
from msgspec import Meta

from cosmic.errors import ConfigurationError, UsageError
from cosmic.undecodable import UNDECODABLE
from protocol.messages import Name

PREFIX = "cosmic_"
"""What every token begins with, so that scanners for leaked secrets know one."""

PRINTERS_MAX = 10_000
"""Most printers of one file."""

TOKEN_LENGTH_MAX = 256
"""Longest token that is looked up, characters."""


class Access(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One printer's access. `created`: UTC, RFC 3339, a label.

    replaces: hash of the token before, whose open connections stay; it opens no new ones.
    """

    printer: Name
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    created: str
    replaces: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    printers: list[Access]
    version: Annotated[int, Meta(ge=1, le=1)] = 1


class TokenFile:
    """The file at `path`. A file that does not exist has no printers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._known: list[Access] = []

    def printers(self) -> list[Access]:
        """Return who has access, sorted by printer. Raises ConfigurationError for a damaged file."""
        return sorted(_read(self.path), key=lambda access: access.printer)

    def add(self, printer: str, *, replace: bool = False) -> str:
        """Give `printer` access and return its token, which is told only here.

        replace: take a token that the printer has already away from it.
        Raises UsageError where it has one, or its name is no name.
        """
        if not 1 <= len(printer) <= 256 or not printer.isprintable():
            raise UsageError(f"{printer!r} is no printer's name", why="1 to 256 printable characters")
        token = PREFIX + secrets.token_urlsafe(32)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        with self._locked():
            known = _read(self.path)
            others = [access for access in known if access.printer != printer]
            before = next((access.sha256 for access in known if access.printer == printer), None)
            if not replace and before is not None:
                raise UsageError(
                    f"printer '{printer}' has a token already",
                    where=str(self.path),
                    why="one token a printer; it is stored as a hash and cannot be shown again",
                    remedy="revoke it first, or add with --replace",
                )
            if len(others) >= PRINTERS_MAX:
                raise UsageError("no room for another printer", why=f"the limit is {PRINTERS_MAX}")
            self._write([*others, Access(printer, _hash(token), created, before)])
        return token

    def revoke(self, printer: str) -> None:
        """Take access from `printer`. Raises UsageError where it has none."""
        with self._locked():
            known = _read(self.path)
            others = [access for access in known if access.printer != printer]
            if len(others) == len(known):
                raise UsageError(
                    f"printer '{printer}' has no token",
                    where=str(self.path),
                    remedy="see 'cosmic-cloud token list'",
                )
            self._write(others)

    def printer_of(self, token: str) -> str | None:
        """Return the printer that `token` belongs to, or None. Reads the file again when it has changed."""
        access = self.access_of(token)
        return None if access is None else access.printer

    def access_of(self, token: str) -> Access | None:
        """Return the access that `token` gives, or None. Reads the file again when it has changed.

        A file damaged since is reported in the log, and what was known before stays in force.
        """
        self.refresh()
        if len(token) > TOKEN_LENGTH_MAX:
            return None
        presented = _hash(token)
        found: Access | None = None
        for access in self._known:  # every one is compared, so that the time tells nothing
            if hmac.compare_digest(access.sha256, presented):
                found = access
        return found

    def stands(self, printer: str, sha256: str) -> bool:
        """Return whether a connection opened by `printer` with that token may stay, as last read."""
        return any(
            access.printer == printer and sha256 in (access.sha256, access.replaces) for access in self._known
        )

    def refresh(self, *, anyway: bool = False) -> None:
        """Read the file again when it has changed, or `anyway`."""
        try:
            status = self.path.stat()
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        except OSError:
            seen = None
        if seen == self._seen and not anyway:
            return
        self._seen = seen
        try:
            self._known = _read(self.path)
        except ConfigurationError as error:
            structlog.get_logger().error("tokens_not_read", **error.as_dict())

    def _write(self, printers: list[Access]) -> None:
        content = msgspec.json.format(msgspec.json.encode(_File(printers)), indent=2) + b"\n"
        partial = self.path.with_name(f".{self.path.name}.partial")
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other commands from changing the file at the same time; its folder is made where missing."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise ConfigurationError(f"cannot be written: {error.strerror}", where=str(self.path)) from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", errors="surrogateescape")).hexdigest()


def _read(path: Path) -> list[Access]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File).printers
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigurationError(
            f"cannot be read: {error.strerror}", where=str(path), remedy="check its permissions"
        ) from error
    except UNDECODABLE as error:
        raise ConfigurationError(
            f"is damaged: {error}", where=str(path), remedy="restore it, or remove it and add the printers again"
        ) from error
