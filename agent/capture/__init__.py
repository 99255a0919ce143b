"""The infrared camera: a map of every layer before its first window."""

from agent.capture.interface import Camera
from agent.capture.simulated import SimulatedCamera

__all__ = ["Camera", "SimulatedCamera"]
