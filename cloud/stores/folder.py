"""A store in a folder, for one machine or a shared file system.

An object's digest lies beside it in `.<name>.sha256`. An upload writes `.<name>.partial` and notes each part in
`.<name>.parts` once it is on the disk, so that an interrupted one goes on where it broke off.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Container, Iterable
from pathlib import Path, PurePosixPath

from cloud.stores.errors import BlockMissingError, DamagedBlockError, StoreError
from cloud.stores.interface import Stored


class FolderStore:
    """The folder at `root`, which is made when first written to."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    @property
    def address(self) -> str:
        """The folder's path."""
        return str(self._root)

    def check(self) -> None:
        """Raise StoreError where the folder is none, or may not be read."""
        try:
            if self._root.exists():
                next(os.scandir(self._root), None)
        except OSError as error:
            raise _failed(self._root, error) from error

    def find(self, key: str) -> Stored | None:
        """Return an object, or None."""
        path = self._path(key)
        try:
            return Stored(key, path.stat().st_size, _digest_of(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failed(path, error) from error

    def list(self, prefix: str) -> list[Stored]:
        """Return the objects whose key begins with `prefix`."""
        return sorted(
            (
                Stored(key, path.stat().st_size, _digest_of(path))
                for path in self._root.rglob("*")
                if not path.name.startswith(".") and path.is_file()
                for key in [path.relative_to(self._root).as_posix()]
                if key.startswith(prefix)
            ),
            key=lambda stored: stored.key,
        )

    def read_into(self, key: str, start: int, target: memoryview) -> None:
        """Fill `target` with the bytes from `start` on."""
        path = self._path(key)
        filled = 0
        try:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                while filled < target.nbytes:
                    count = os.preadv(descriptor, [target[filled:]], start + filled)
                    if count == 0:
                        raise StoreError(f"ends before byte {start + target.nbytes}", where=str(path))
                    filled += count
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            raise BlockMissingError("there is no such block", where=str(path), remedy="upload it again") from None
        except OSError as error:
            raise _failed(path, error) from error

    def begin(self, key: str, size: int, sha256: str, part_bytes: int) -> FolderUpload:
        """Begin an upload, or take up one of the same content."""
        path = self._path(key)
        try:
            return FolderUpload(path, Stored(key, size, sha256), part_bytes)
        except OSError as error:
            raise _failed(path, error) from error

    def remove(self, keys: Iterable[str]) -> None:
        """Remove objects and what uploads of them left."""
        for key in keys:
            path = self._path(key)
            for name in (path.name, *(f".{path.name}.{kind}" for kind in ("sha256", "partial", "parts"))):
                path.with_name(name).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        """Return an object's file. Raises StoreError for a key that leaves the folder, or hides."""
        steps = PurePosixPath(key).parts
        if not steps or key.startswith("/") or any(step.startswith(".") for step in steps):
            raise StoreError(f"{key!r} is no key", where=self.address, why="steps may not begin with '.' or '/'")
        return self._root.joinpath(*steps)


class FolderUpload:
    """The parts of one object; see Upload."""

    def __init__(self, path: Path, stored: Stored, part_bytes: int) -> None:
        self._path = path
        self._stored = stored
        self._part_bytes = part_bytes
        self._partial = path.with_name(f".{path.name}.partial")
        self._noted = path.with_name(f".{path.name}.parts")
        self._lock = threading.Lock()
        self._head = f"{stored.sha256} {stored.bytes} {part_bytes}\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._done = self._noted_parts()
        if not self._done:
            self._noted.write_text(self._head)
            with self._partial.open("wb") as file:
                file.truncate(stored.bytes)

    @property
    def left(self) -> Container[int]:
        """Parts that an earlier attempt left."""
        return self._done

    def same(self, number: int, content: memoryview, sha256: str) -> bool:  # noqa: ARG002  others need the content
        """Return whether a part that was left is this content."""
        return self._done[number] == sha256

    def put(self, number: int, content: memoryview, sha256: str) -> None:
        """Write a part, then note it."""
        if hashlib.sha256(content).hexdigest() != sha256:
            raise DamagedBlockError(f"part {number} is not what its digest says", where=str(self._path))
        try:
            descriptor = os.open(self._partial, os.O_WRONLY)
            try:
                written = 0
                while written < content.nbytes:
                    at = (number - 1) * self._part_bytes + written
                    written += os.pwrite(descriptor, content[written:], at)
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            with self._lock, self._noted.open("a") as file:
                file.write(f"{number} {sha256}\n")
        except OSError as error:
            raise _failed(self._path, error) from error

    def finish(self) -> Stored:
        """Make the object appear with its digest."""
        assert self._stored.sha256 is not None
        try:
            self._path.unlink(missing_ok=True)  # an old object must never stand beside the new one's digest
            self._path.with_name(f".{self._path.name}.sha256").write_text(self._stored.sha256 + "\n")
            self._partial.replace(self._path)
            self._noted.unlink(missing_ok=True)
        except OSError as error:
            raise _failed(self._path, error) from error
        return self._stored

    def abandon(self) -> None:
        """Remove what was written."""
        self._partial.unlink(missing_ok=True)
        self._noted.unlink(missing_ok=True)

    def _noted_parts(self) -> dict[int, str]:
        """Return the parts that an attempt with the same content left; none for another content."""
        try:
            head, *lines = self._noted.read_text().splitlines(keepends=True)
            if head != self._head or self._partial.stat().st_size != self._stored.bytes:
                return {}
        except (FileNotFoundError, ValueError):
            return {}
        # A line that was cut off has no newline: its part is written again.
        return {int(line.split()[0]): line.split()[1] for line in lines if line.endswith("\n")}


def _digest_of(path: Path) -> str | None:
    try:
        return path.with_name(f".{path.name}.sha256").read_text().strip()
    except FileNotFoundError:
        return None


def _failed(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"the store failed: {error.strerror}", where=str(path), remedy="check the path, permissions and room"
    )
