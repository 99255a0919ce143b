"""Where the printer's part comes from: a folder, or the coordinator (`GET /v1/parts/<digest>`), kept in a cache.

A download that broke off goes on where it ended. What arrives is checked against its digest before it is used, and
seen under its name only when it is whole.
"""

from __future__ import annotations

import http.client
import re
import shutil
import ssl
import tarfile
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO

import structlog

from agent.configuration import AgentConfiguration
from cosmic.errors import ConfigurationError, PartError, RefusedError
from thermal.part import Part, load_part

_log = structlog.get_logger()
_DIGEST = re.compile(r"[0-9a-f]{64}")
_REFUSALS = {
    401: ("unauthorized", "use this printer's token in uplink.token_file"),
    404: ("unknown_part", "put the part's folder into the coordinator's parts directory"),
}
CHUNK_BYTES = 1 << 20
TRY_S = 10.0
"""Longest silence of one attempt, seconds."""


def is_digest(named: str) -> bool:
    """Return whether `printer.part` names a part by its digest (then it is fetched), not its folder."""
    return _DIGEST.fullmatch(named) is not None


def find_part(settings: AgentConfiguration, token: str, tls: ssl.SSLContext | None) -> Part:
    """Return the part that `printer.part` names: a folder, or a digest to be fetched.

    Raises ConfigurationError or PartError saying what to do, RefusedError when the coordinator does not give it.
    """
    named = settings.printer.part
    if not named:
        raise ConfigurationError(
            "no part is named",
            where="printer.part",
            remedy="set it to a folder that 'cosmic-cloud part build' made, or to a part's digest",
        )
    if not is_digest(named):
        return load_part(Path(named))
    folder = Path(settings.printer.parts_directory) / named
    if not folder.is_dir():
        if not settings.uplink.url:
            raise ConfigurationError(
                "a part is named by its digest, and no coordinator to fetch it from",
                where="printer.part",
                remedy="set uplink.url, or name the part's folder",
            )
        url = _part_url(settings.uplink.url, named)
        limit_s = settings.printer.fetch_limit_s
        fetch(url, folder, named, token=token, tls=tls, bytes_max=settings.printer.part_bytes_max, limit_s=limit_s)
    return _checked(folder, named)


def fetch(
    url: str,
    folder: Path,
    digest: str,
    *,
    token: str,
    tls: ssl.SSLContext | None,
    bytes_max: int,
    limit_s: float,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Download the tar at `url` and unpack it to `folder`, trying again for `limit_s` seconds.

    pause: how to wait between two attempts.
    Raises RefusedError when the coordinator refuses for good, PartError when the part does not arrive in time, is
    larger than `bytes_max` or is not the one that was asked for.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PartError(
            f"parts cannot be kept there: {error.strerror}",
            where=f"printer.parts_directory {folder.parent}",
            remedy="name a folder that can be written",
        ) from error
    partial = folder.with_name(f"{digest}.tar.partial")
    until_s = time.monotonic() + limit_s
    pause_s = 0.1
    while True:
        try:
            _download(url, partial, token, tls, bytes_max)
            break
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() + pause_s > until_s:
                raise PartError(
                    f"the part did not arrive: {error}",
                    where=url,
                    why=f"the limit is {limit_s:g} s (printer.fetch_limit_s)",
                    remedy="check the network and uplink.url; what has arrived is kept",
                ) from error
            _log.warning("part_download", again_in_s=pause_s, cause=str(error), bytes_kept=_size(partial))
            pause(pause_s)
            pause_s = min(5.0, 2 * pause_s)
    _unpack(partial, folder, digest)


def _download(url: str, partial: Path, token: str, tls: ssl.SSLContext | None, bytes_max: int) -> None:
    """Append what is missing to `partial`."""
    have = _size(partial)
    headers = {"Authorization": f"Bearer {token}", "Range": f"bytes={have}-"}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  made from a checked ws(s) address
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), *([urllib.request.HTTPSHandler(context=tls)] if tls is not None else [])
    )
    try:
        with opener.open(request, timeout=TRY_S) as answer:
            if have and answer.status != http.HTTPStatus.PARTIAL_CONTENT:
                have = 0
            with partial.open("r+b" if have else "wb") as file:
                file.seek(have)
                _copy(answer, file, have, bytes_max, answer.headers.get("Content-Length"))
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # it had arrived whole; unpacking tells
        if error.code in _REFUSALS:
            code, remedy = _REFUSALS[error.code]
            said = error.read(200).decode(errors="replace").strip()
            raise RefusedError(said or str(error), code=code, fatal=True, where=url, remedy=remedy) from error
        raise


def _copy(answer: IO[bytes], file: IO[bytes], have: int, bytes_max: int, length: str | None) -> None:
    expected = None if length is None else have + int(length)
    while chunk := answer.read(CHUNK_BYTES):
        have += len(chunk)
        if have > bytes_max:
            raise PartError(
                f"the part has more than {bytes_max} bytes",
                why="the limit is printer.part_bytes_max",
                remedy="raise the limit, or copy the folder to the printer",
            )
        file.write(chunk)
    if expected is not None and have < expected:
        raise ConnectionError(f"the connection ended after {have} of {expected} bytes")


def _unpack(partial: Path, folder: Path, digest: str) -> None:
    """Unpack plain files into a folder beside, check the part, and give it its name."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as temporary:
        unpacked = Path(temporary) / "part"
        unpacked.mkdir()
        try:
            _extract(partial, unpacked)
            _checked(unpacked, digest)
        except (tarfile.TarError, EOFError, PartError) as error:
            partial.unlink(missing_ok=True)
            raise PartError(
                f"what arrived is not the part: {error}",
                where=str(partial),
                remedy="start again: it is fetched anew",
            ) from error
        unpacked.rename(folder)
    partial.unlink(missing_ok=True)


def _extract(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is None or Path(member.name).name != member.name:
                raise PartError(f"the part holds {member.name!r}, which is no plain file of its folder")
            with (folder / member.name).open("wb") as file:
                shutil.copyfileobj(content, file)


def _checked(folder: Path, digest: str) -> Part:
    part = load_part(folder)
    if part.digest != digest:
        raise PartError(
            f"the part there is {part.digest}", where=str(folder), why=f"wanted is {digest}", remedy="remove it"
        )
    return part


def _part_url(uplink_url: str, digest: str) -> str:
    parts = urllib.parse.urlsplit(uplink_url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme)
    if scheme is None:
        raise ConfigurationError(
            f"{uplink_url!r} is no ws:// or wss:// address", where="uplink.url", remedy="mend it"
        )
    return urllib.parse.urlunsplit((scheme, parts.netloc, f"/v1/parts/{digest}", "", ""))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
