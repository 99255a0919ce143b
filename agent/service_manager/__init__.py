"""What the agent and the operating system's service manager (systemd) tell each other."""

from agent.service_manager.watch import Heartbeat

__all__ = ["Heartbeat"]
