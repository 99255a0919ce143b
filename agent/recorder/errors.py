"""What can be wrong with a recording.

- `RecordingError`: a recording cannot be used
    - `ForeignRecording`: the file is no recording of ours
    - `NewerRecording`: a newer version wrote it
    - `OtherPart`: the part at hand is not the one that was printed
"""

from __future__ import annotations

import importlib
from typing import Any

from cosmic.errors import ConfigurationError, InputError


class RecordingError(InputError):
    """A recording cannot be used."""


class ForeignRecording(RecordingError):
    """The file is no recording of ours."""


class NewerRecording(RecordingError):
    """A newer version wrote it."""


class OtherPart(RecordingError):
    """The part at hand is not the one that was printed."""


def need(module: str) -> Any:
    """Return the module `module`, which comes with the extra `recording`. Raises ConfigurationError without it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"recordings need {module.partition('.')[0]}, which is not installed",
            where="recording",
            remedy='pip install "cosmic-lpbf[recording]"',
        ) from error
