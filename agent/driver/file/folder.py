"""The folders between the machine's software and the agent: which layer's file is there, and writing it back.

Reading and writing block: they are called in a thread.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from agent.configuration import BuildFiles
from cosmic.errors import ConfigurationError

FILE_BYTES_MAX = 1 << 30
"""Largest build file of a layer, bytes."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file of `layer`: its path, and what must not change while it is being written: size and time."""

    layer: int
    path: Path
    bytes: int
    changed_ns: int


class Folders:
    """The two folders."""

    def __init__(self, settings: BuildFiles) -> None:
        """Take the settings.

        Raises:
            ConfigurationError: a folder is not named, missing, or both are the same.
        """
        for name in ("input_directory", "output_directory"):
            folder = getattr(settings, name)
            if not folder or not Path(folder).is_dir():
                raise ConfigurationError(
                    f"{folder!r} is no folder" if folder else "it is not set",
                    where=f"printer.file.{name}",
                    why="the file driver reads from one folder and writes to another",
                    remedy="make the folder and name it",
                )
        self._input, self._output = Path(settings.input_directory), Path(settings.output_directory)
        if self._input.samefile(self._output):
            raise ConfigurationError(
                f"'{self._input}' is the input as well",
                where="printer.file.output_directory",
                why="a file that is written back would be read again",
                remedy="name another folder",
            )
        self._pattern = settings.pattern
        self._first_number = settings.first_number

    def next_file(self, after: int, layers: int) -> Found | None:
        """Return the file of the lowest layer above `after` that was not written back yet, None without one.

        Raises OSError when the folder cannot be read.
        """
        found: dict[int, Found] = {}
        for path in self._input.glob(self._pattern):
            layer = self._layer(path)
            if layer is None or not after < layer < layers or (self._output / path.name).exists():
                continue
            try:
                state = path.stat()
            except FileNotFoundError:
                continue
            found[layer] = Found(layer, path, state.st_size, state.st_mtime_ns)
        return found[min(found)] if found else None

    def write(self, name: str, content: bytes) -> Path:
        """Write a file for the machine: whole or not at all. Raises OSError."""
        path = self._output / name
        temporary = path.with_name(f"{name}.part")
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        return path

    def _layer(self, path: Path) -> int | None:
        """Return the layer that a name ends in, None for a name without a number."""
        numbers = re.findall(r"\d{1,9}", path.stem)
        return int(numbers[-1]) - self._first_number if numbers else None
