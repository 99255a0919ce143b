"""A camera without hardware: sees the simulated part, with noise. Same seed and layer, same noise."""

from __future__ import annotations

import asyncio
from typing import Self

import numpy as np
from numpy.typing import NDArray

from agent.plant import Plant


class SimulatedCamera:
    """Sees `plant` with Gaussian noise of `noise_K` kelvin, drawn from `seed` and the layer's number."""

    def __init__(self, plant: Plant, *, noise_K: float, seed: int) -> None:
        self._plant = plant
        self._noise_K = noise_K
        self._seed = seed

    async def __aenter__(self) -> Self:
        """Nothing is to be opened."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is to be closed."""

    async def capture(self, layer: int) -> NDArray[np.float32]:
        """Return the map of `layer`, float32[n], kelvin."""
        return await asyncio.to_thread(self._frame, layer)

    def _frame(self, layer: int) -> NDArray[np.float32]:
        true_K = self._plant.map_K(layer)
        generator = np.random.default_rng([self._seed, layer])
        noisy_K = true_K + generator.normal(0.0, self._noise_K, true_K.size)
        return np.maximum(noisy_K, 0.0).astype(np.float32)
