"""Reads one frame of a file: TIFF, PNG, npy or CSV. A file that is not whole is told from one that is none.

TIFF needs tifffile and PNG needs Pillow: the extra `camera`.
"""

from __future__ import annotations

import io
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.capture.faults import FaultKind, FrameFault
from agent.capture.frame import Frame, counts_max
from cosmic.errors import ConfigurationError

SUFFIXES = (".tif", ".tiff", ".png", ".npy", ".csv")
FILE_BYTES_MAX = 256 * 1024**2
"""Largest file that is read."""

_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"


class IncompleteError(Exception):
    """The file ends before its frame does: it is still being written, or its writer died."""


def check_reader(suffix: str) -> None:
    """Check that what reads files of a suffix is installed.

    Raises:
        ConfigurationError: it is not.
    """
    library = {".tif": "tifffile", ".tiff": "tifffile", ".png": "PIL"}.get(suffix.lower())
    if library is not None:
        _library(library)


def read_frame(path: Path) -> Frame:
    """Return the frame of a file; of several pages the last.

    Raises:
        IncompleteError: the file is not whole.
        FrameFault: it is no frame that is known: another format, colours, not a picture.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if size > FILE_BYTES_MAX:
        raise FrameFault(
            FaultKind.SIZE,
            f"the file has {size} bytes",
            where=str(path),
            why=f"at most {FILE_BYTES_MAX} are read",
            remedy="let the monitoring system write single frames",
        )
    content = path.read_bytes()
    if not content:
        raise IncompleteError("it is empty")
    reader = {".tif": _tiff, ".tiff": _tiff, ".png": _png, ".npy": _npy, ".csv": _csv}.get(path.suffix.lower())
    if reader is None:
        raise _other(path, f"'{path.suffix}' is no format of frames")
    pixels = reader(path, content)
    if pixels.dtype == np.bool_:  # a mask
        pixels = pixels.view(np.uint8)
    if pixels.ndim != 2 or not pixels.size:
        raise _other(path, f"it has the shape {pixels.shape}, a frame has rows and columns of one value a pixel")
    if pixels.dtype.kind not in "uif" or pixels.dtype.itemsize > (8 if pixels.dtype.kind == "f" else 4):
        raise _other(path, f"its pixels are {pixels.dtype}")
    return Frame(pixels, str(path), counts_max=counts_max(pixels.dtype), arrived_s=time.monotonic())


def _tiff(path: Path, content: bytes) -> NDArray[Any]:
    tifffile = _library("tifffile")
    if content[:2] not in (b"II", b"MM"):
        raise _other(path, "it is no TIFF")
    if len(content) < 16 or content[4:8] == b"\0\0\0\0":
        raise IncompleteError("its directory of pages is not written yet")
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            page = file.pages[-1]
            ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
            whole = max(ends, default=len(content) + 1) <= len(content)
            pixels: NDArray[Any] = page.asarray() if whole else np.empty((0, 0))
    except Exception as error:  # whatever the reader stumbles over: the file is not whole
        raise IncompleteError(f"{type(error).__name__}: {error}") from error
    if not whole:
        raise IncompleteError(f"it has {len(content)} of {max(ends, default=0)} bytes")
    return pixels


def _png(path: Path, content: bytes) -> NDArray[Any]:
    image = _library("PIL.Image")
    if content[:8] != b"\x89PNG\r\n\x1a\n"[: len(content[:8])]:
        raise _other(path, "it is no PNG")
    if not content.endswith(_PNG_END):
        raise IncompleteError("its end mark is missing")
    try:
        with image.open(io.BytesIO(content)) as picture:
            if picture.mode not in ("L", "I", "I;16", "I;16B", "F", "1"):
                raise _other(path, f"its pixels are colours ({picture.mode})")
            pixels = np.array(picture)
            return pixels.astype(np.uint16) if picture.mode == "I" else pixels  # PNG has 16 bits at most
    except OSError as error:
        raise IncompleteError(str(error)) from error


def _npy(path: Path, content: bytes) -> NDArray[Any]:
    if content[:6] != b"\x93NUMPY"[: len(content[:6])]:
        raise _other(path, "it is no npy file")
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        head = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = head(file)
    except ValueError as error:
        raise IncompleteError(f"its head: {error}") from error
    if dtype.hasobject:
        raise _other(path, "it holds objects")
    start, count = file.tell(), int(np.prod(shape, dtype=np.int64))
    if len(content) < start + count * dtype.itemsize:
        raise IncompleteError(f"it has {len(content)} of {start + count * dtype.itemsize} bytes")
    return np.frombuffer(content, dtype, count, start).reshape(shape, order="F" if fortran else "C")


def _csv(path: Path, content: bytes) -> NDArray[Any]:
    if not content.endswith((b"\n", b"\r")):
        raise IncompleteError("its last line has no end")
    first = content.split(b"\n", 1)[0]
    delimiter = next((mark for mark in (";", "\t", ",") if mark.encode() in first), None)
    try:
        text = content.decode("utf-8-sig")
        text = text.replace(",", ".") if delimiter in (";", "\t") else text  # decimal commas
        lines = [line.rstrip().rstrip(delimiter or " ") for line in text.splitlines() if line.strip()]
        return np.loadtxt(lines, delimiter=delimiter, dtype=np.float32, ndmin=2)
    except (UnicodeDecodeError, ValueError) as error:
        if "number of columns changed" in str(error):
            raise IncompleteError(str(error)) from error
        raise _other(path, f"it is no table of numbers: {error}") from error


def _other(path: Path, what: str) -> FrameFault:
    return FrameFault(
        FaultKind.FORMAT,
        what,
        where=str(path),
        why="frames are TIFF, PNG, npy or CSV of one value a pixel: integers to 16 bits, or floating point",
        remedy="set the monitoring system to such a format, or capture.folder.pattern to its frames alone",
    )


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"reading TIFF and PNG frames needs {name.partition('.')[0]}, which is not installed",
            where="capture.folder",
            remedy='pip install "cosmic-lpbf[camera]"',
        ) from error
