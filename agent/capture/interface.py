"""What a camera is to the agent."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Camera(Protocol):
    """Takes one frame a layer and answers with the layer's map."""

    async def capture(self, layer: int) -> NDArray[np.float32]:
        """Return the temperature of every element of `layer`, float32[n], kelvin.

        Raises CaptureError naming what is wrong with the frame.
        """
        ...
