"""A machine's driver for the agent's socket, in plain Python: scans (by waiting) what the agent hands over.

    python examples/socket_driver.py /run/cosmic/printer.sock --layers 3 --cell-ms 40

Replace what stands between `cell_started` and `cell_finished` by your machine. docs/reference/socket-driver.md
"""

import argparse
import json
import socket
import sys
import threading
import time


class Machine:
    """A machine that scans by waiting."""

    def __init__(self, path: str, layers: int, cell_s: float, spreading_s: float) -> None:
        self.layers, self.cell_s, self.spreading_s = layers, cell_s, spreading_s
        self.changed = threading.Condition()
        self.handed: dict[tuple[int, int], tuple[int, bool]] = {}  # (layer, window) -> (cell, last of the layer)
        self.layer, self.ready, self.scanning, self.scanned = -1, False, False, []
        self.aborted, self.gone = "", False
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.tell("hello", version=1, machine="example", layers=layers)
        threading.Thread(target=self.listen, daemon=True).start()

    def tell(self, event: str, **fields: object) -> None:
        """Send a line."""
        self.socket.sendall(json.dumps({"event": event, **fields}).encode() + b"\n")

    def listen(self) -> None:
        """Take the agent's commands, until it closes the connection."""
        for line in self.socket.makefile():
            with self.changed:
                self.take(json.loads(line))
                self.changed.notify()
        with self.changed:
            self.gone = True
            self.changed.notify()

    def take(self, command: dict) -> None:
        """Follow a command."""
        kind = command["command"]
        if kind == "scan":
            self.handed[command["layer"], command["window"]] = (command["cell"], command["last"])
        elif kind == "sequence":
            for window, cell in enumerate(command["cells"], command["window"]):
                self.handed[command["layer"], window] = (cell, cell == command["cells"][-1])
        elif kind == "report":
            self.tell("position", layer=self.layer, ready=self.ready, scanned=self.scanned, scanning=self.scanning)
        elif kind == "abort":
            self.aborted = command["reason"]
        elif kind == "error":
            print(f"{command['code']}: {command['text']}", file=sys.stderr)  # it closes the connection now

    def print_job(self) -> None:
        """Print all layers."""
        self.tell("job", layers=self.layers)
        for layer in range(self.layers):
            if not self.aborted:
                self.print_layer(layer)
        self.tell("job_done", reason=self.aborted or "all layers printed")

    def print_layer(self, layer: int) -> None:
        """Lay powder, then scan cells until the layer's last one."""
        self.layer, self.ready, self.scanned, last = layer, False, [], False
        self.tell("spreading", layer=layer, seconds=self.spreading_s)
        time.sleep(self.spreading_s)  # here the machine lays powder
        self.ready = True
        self.tell("layer_ready", layer=layer)
        while not last:
            window = len(self.scanned)
            with self.changed:
                self.changed.wait_for(lambda w=window: (layer, w) in self.handed or self.gone)
                if self.gone:
                    sys.exit("the agent is gone")
                cell, last = self.handed[layer, window]
                place = {"layer": layer, "window": window, "cell": cell}
                self.scanned, self.scanning = [*self.scanned, cell], True
                self.tell("cell_started", **place, at_s=time.monotonic())
            time.sleep(self.cell_s)  # here the machine scans `cell`
            with self.changed:
                self.scanning = False
                self.tell("cell_finished", **place, at_s=time.monotonic())
        self.tell("layer_done", layer=layer)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path")
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--cell-ms", type=float, default=40.0)
    parser.add_argument("--spreading-s", type=float, default=15.0)
    given = parser.parse_args()
    Machine(given.path, given.layers, given.cell_ms / 1e3, given.spreading_s).print_job()
