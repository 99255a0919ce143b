"""A map's bytes on disk: lossless, since a decision may hang on the last bit of what the coordinator got.

Neighbouring elements are alike, but noise fills a float32's low bits: no coding can shrink those. So every value
is told as the difference of its bits to the element before (the bits of positive floats are ordered as the floats
are), the four bytes of all differences are laid out as four planes, and each plane is compressed for itself.
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.recorder.errors import RecordingError, need

CODING = "delta-planes-zstd"
_LENGTHS = struct.Struct("<4I")
LEVEL = 1
"""Of zstd: a higher one takes longer and gains less than 1 % on planes."""


def encode_map(map_K: NDArray[np.float32]) -> str:
    """Return the coding of `map_K`, float32[n], kelvin: bit for bit what `decode_map` gives back."""
    bits = np.ascontiguousarray(map_K, dtype="<f4").view(np.uint32)
    steps = np.diff(bits, prepend=np.uint32(0)).astype(np.uint32)
    folded = ((steps << 1) ^ np.where(steps >> 31, np.uint32(0xFFFFFFFF), np.uint32(0))).astype("<u4")
    planes = folded.view(np.uint8).reshape(-1, 4).T
    compressor = need("zstandard").ZstdCompressor(level=LEVEL)
    coded = [compressor.compress(plane.tobytes()) for plane in planes]
    return base64.b64encode(_LENGTHS.pack(*map(len, coded)) + b"".join(coded)).decode()


def decode_map(data: str, elements: int, coding: str = CODING) -> NDArray[np.float32]:
    """Return the map, float32[elements], kelvin.

    Raises RecordingError when `data` is not such a coding of so many elements.
    """
    if coding != CODING:
        raise RecordingError(
            f"a map is coded as {coding!r}", why=f"this version knows {CODING!r}", remedy="update the agent"
        )
    try:
        planes = _planes(base64.b64decode(data, validate=True), elements, need("zstandard"))
    except (binascii.Error, struct.error, ValueError) as error:
        raise RecordingError(
            f"a map cannot be decoded: {error}", remedy="the recording is damaged there"
        ) from error
    folded = np.ascontiguousarray(planes.T).view("<u4").ravel()
    steps = (folded >> 1) ^ np.where(folded & 1, np.uint32(0xFFFFFFFF), np.uint32(0))
    return np.cumsum(steps, dtype=np.uint32).view(np.float32)


def _planes(coded: bytes, elements: int, zstandard: Any) -> NDArray[np.uint8]:
    lengths = _LENGTHS.unpack_from(coded)
    decompressor = zstandard.ZstdDecompressor()
    planes = np.empty((4, elements), dtype=np.uint8)
    at = _LENGTHS.size
    for plane, length in zip(planes, lengths, strict=True):
        try:
            content = decompressor.decompress(coded[at : at + length], max_output_size=elements)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error
        if len(content) != elements:
            raise ValueError(f"a plane of {len(content)} bytes, expected were {elements}")
        plane[:] = np.frombuffer(content, dtype=np.uint8)
        at += length
    return planes
