"""A machine that goes on when the agent is gone: the example driver, which connects again.

It scans what it was handed, waits for more, and tells where it stands when the agent is back. At its end it says
what it scanned, and how long its laser stood still for want of a cell.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).parents[2] / "examples" / "socket_driver.py"
RETRY_S = 0.02


def example() -> Any:
    """Return the example driver as a module."""
    spec = importlib.util.spec_from_file_location("socket_driver", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Machine: Any = example().Machine


class LastingMachine(Machine):  # type: ignore[misc]
    """The example's machine, for which the agent may come and go."""

    def __init__(self, path: str, layers: int, cell_s: float, spreading_s: float) -> None:
        self.path = path
        self.orders: dict[int, list[int]] = {}
        self.over = False
        super().__init__(path, layers, cell_s, spreading_s)

    def tell(self, event: str, **fields: object) -> None:
        """Send a line; what nobody hears is told by a `position` later."""
        if event == "cell_started":
            self.orders.setdefault(self.layer, []).append(int(str(fields["cell"])))
        with contextlib.suppress(OSError):
            super().tell(event, **fields)

    def listen(self) -> None:
        """Take the agent's commands, from one agent after another."""
        while not self.over:
            with contextlib.suppress(OSError):
                for line in self.socket.makefile():
                    with self.changed:
                        self.take(json.loads(line))
                        self.changed.notify()
            if not self.over:
                self.connect_again()

    def connect_again(self) -> None:
        """Connect as soon as an agent listens, and say hello."""
        while not self.over:
            again = socket.socket(socket.AF_UNIX)
            try:
                again.connect(self.path)
            except OSError:
                again.close()
                time.sleep(RETRY_S)
                continue
            with self.changed:
                self.socket = again
                super().tell("hello", version=1, machine="lasting", layers=self.layers)
            return


def main() -> None:
    """Print a job; say what was scanned."""
    path, options = sys.argv[1], dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
    began_s = time.monotonic()
    layers, cell_s = int(options["--layers"]), float(options["--cell-ms"]) / 1e3
    machine = LastingMachine(path, layers, cell_s, float(options["--spreading-s"]))
    machine.print_job()
    machine.over = True
    scanned = {"event": "scanned", "orders": machine.orders, "took_s": time.monotonic() - began_s}
    sys.stdout.write(json.dumps(scanned) + "\n")
    with contextlib.suppress(OSError):
        machine.socket.shutdown(socket.SHUT_RDWR)
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(2.0)


if __name__ == "__main__":
    main()
