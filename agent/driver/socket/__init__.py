"""A machine whose own driver connects to a Unix socket and speaks JSON lines: docs/reference/socket-driver.md."""

from agent.driver.socket.printer import SocketPrinter

__all__ = ["SocketPrinter"]
