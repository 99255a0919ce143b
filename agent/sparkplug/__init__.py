"""The printer as a Sparkplug B device: plant systems (Ignition and others) find it, and its tags, by themselves.

Source: Eclipse Sparkplug Specification 3.0.0.
"""

from agent.sparkplug.node import SparkplugNode

__all__ = ["SparkplugNode"]
