"""The parts that printers may print: a folder of part folders, found by digest.

Only manifests are read to find a part; a digest that is not known has the folder looked through again.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from cosmic.errors import CosmicError, PartError

if TYPE_CHECKING:
    from thermal.manifest import Manifest

MANIFEST = "part.json"

FOLDERS_MAX = 10_000
"""Most folders that are looked through."""


class UnknownPart(PartError):
    """No part of the folder has the digest."""


class PartLibrary:
    """The part folders below `directory`, which may itself be one.

    Folders whose name begins with a dot are being written and are passed over.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._folders: dict[str, Path] = {}
        self._scanning = asyncio.Lock()

    async def folder_of(self, digest: str) -> Path:
        """Return the folder of the part with `digest` (SHA-256 hex). Raises UnknownPart where there is none."""
        folder = self._folders.get(digest)
        if folder is not None and await asyncio.to_thread(_digest_of, folder) == digest:
            return folder
        async with self._scanning:
            self._folders = await asyncio.to_thread(_scan, self.directory)
        if digest not in self._folders:
            raise UnknownPart(
                f"no part has the digest {digest[:12]}...",
                where=str(self.directory),
                why=f"{len(self._folders)} parts are there",
                remedy="copy the part's folder there, or open the job with a part that is there",
            )
        return self._folders[digest]


def _scan(directory: Path) -> dict[str, Path]:
    """Return digest -> folder of all parts that can be read; the first by name where two are equal."""
    if (directory / MANIFEST).is_file():
        candidates = [directory]
    elif directory.is_dir():
        candidates = sorted(path for path in directory.iterdir() if not path.name.startswith("."))[:FOLDERS_MAX]
    else:
        return {}
    found: dict[str, Path] = {}
    for folder in candidates:
        digest = _digest_of(folder)
        if digest is not None:
            found.setdefault(digest, folder)
    return found


def read_manifest(folder: Path) -> tuple[bytes, Manifest, str]:
    """Return the manifest of the part in `folder`, as bytes and as values, and its digest. Blocks on the disk.

    Raises OSError where it cannot be read, PartError and ProcessError where it is no valid manifest.
    """
    # The thermal package brings scipy with it: not before a part is wanted, so that we listen at once.
    from thermal.manifest import decode_manifest, part_digest  # noqa: PLC0415

    path = folder / MANIFEST
    content = path.read_bytes()
    manifest = decode_manifest(content, str(path))
    return content, manifest, part_digest(manifest)


def _digest_of(folder: Path) -> str | None:
    """Return the digest of the part in `folder`, None where there is none or it cannot be read (logged)."""
    try:
        return read_manifest(folder)[2]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        structlog.get_logger().warning("part_not_read", folder=str(folder), cause=error.strerror)
    except CosmicError as error:
        structlog.get_logger().warning("part_not_read", folder=str(folder), cause=str(error))
    return None
