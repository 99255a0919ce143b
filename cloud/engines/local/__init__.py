"""The engine of one machine: dense blocks and vectors in memory that worker processes share."""

from cloud.engines.local.engine import LocalEngine

__all__ = ["LocalEngine"]
