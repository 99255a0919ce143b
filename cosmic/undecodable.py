"""What libraries raise for input that is no document of theirs: more than their own error class says.

Found by feeding them damaged input (`make fuzz`). Used as `except UNDECODABLE as error`.
"""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from struct import error as struct_error

import msgspec

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""From msgspec, for JSON and msgpack: text that is not UTF-8 and deep nesting are not its DecodeError."""

UNREADABLE_ARRAY = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    TypeError,
    OverflowError,
    MemoryError,  # a header that claims more elements than there is memory
    RuntimeError,  # an entry that says it is encrypted
    NotImplementedError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
    struct_error,
)
"""From `numpy.load`, for npy and npz files: their headers are Python literals in an archive."""

UNREADABLE_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    EOFError,
    ValueError,
    OverflowError,  # a number that is longer than 64 bits
    RuntimeError,  # an entry that says it is encrypted
    NotImplementedError,
    struct_error,
)
"""From zipfile, and from numbers in what it holds."""
