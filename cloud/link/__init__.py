"""The network link between the coordinator and its workers: frames over TCP, no pickle, vectors not copied.

Why this and not a message library: docs/explanation/decisions/worker-link.md.
"""

from cloud.link.link import TcpLink

__all__ = ["TcpLink"]
