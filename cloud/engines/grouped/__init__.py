"""The engine over a platform of functions: groups, invocation modes, speculation, keep-warm, failures, the bill."""

from cloud.engines.grouped.engine import GroupedEngine

__all__ = ["GroupedEngine"]
