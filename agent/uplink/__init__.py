"""The connection to the coordinator: kept up for ever, never waited for."""

from agent.uplink.link import LinkListener, Uplink

__all__ = ["LinkListener", "Uplink"]
