"""What it is worth to give products to whoever is due first: missed windows against first come, first served.

Virtual time, so that the machine's load does not matter. `N` printers with whole-layer look-ahead, 250 windows of
40 ms a layer and a second between layers, in random phases, share processors that take `--product-ms` for a window.
A window is missed where its decision is not there 5 ms before it begins; the printer goes on with one of its own.

    python benchmarks/turns.py [--product-ms 1.5] [--processors 1] [--json]
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import sys
from collections import deque
from dataclasses import dataclass

from cloud.sharing.turns import Line, Pace

WINDOW_S = 0.04
GUARD_S = 0.005
WINDOWS = 250
PAUSE_S = 1.0
LAYERS = 12


@dataclass(slots=True)
class Layer:
    """One layer of one printer: when its first window begins, and how many windows are decided."""

    printer: int
    starts_s: float
    pace: Pace
    decided: int = 0
    missed: int = 0


class Fifo:
    """First come, first served: what a pool of threads does by itself."""

    def __init__(self) -> None:
        self._waiting: deque[Layer] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, _due_s: float, layer: Layer) -> None:
        """Let `layer` wait."""
        self._waiting.append(layer)

    def next(self) -> Layer:
        """Return the one that came first."""
        return self._waiting.popleft()


def missed(printers: int, product_s: float, processors: int, line: Fifo | Line[Layer], seed: int = 0) -> int:
    """Return how many windows of all printers are missed in `LAYERS` layers each."""
    generator = random.Random(seed)  # noqa: S311  phases, not secrets
    period_s = WINDOWS * WINDOW_S + PAUSE_S
    happenings: list[tuple[float, int, Layer, bool]] = []
    for printer in range(printers):
        phase_s = generator.uniform(0.0, period_s)
        for number in range(LAYERS):
            layer = Layer(printer, phase_s + number * period_s, Pace())
            heapq.heappush(happenings, (layer.starts_s, len(happenings), layer, False))
    free, count, total = processors, len(happenings), 0
    while happenings:
        now_s, _, layer, done = heapq.heappop(happenings)
        if done:
            free += 1
            begins_s = layer.starts_s + layer.decided * WINDOW_S
            if layer.decided and now_s > begins_s - GUARD_S:
                total += 1
            layer.decided += 1
        if layer.decided < WINDOWS:
            printed = int(max(0.0, now_s - layer.starts_s) / WINDOW_S)
            line.join(layer.pace.due_s(now_s, (layer.decided + 1 - printed) * WINDOW_S, WINDOW_S), layer)
        while free and len(line):
            free -= 1
            count += 1
            heapq.heappush(happenings, (now_s + product_s, count, line.next(), True))
    return total


def most(product_s: float, processors: int, fair: bool) -> int:
    """Return the most printers of which none misses a window."""
    printers = 1
    while missed(printers + 1, product_s, processors, Line() if fair else Fifo()) == 0:
        printers += 1
    return printers


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--product-ms", type=float, default=1.5)
    parser.add_argument("--processors", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    product_s = words.product_ms / 1e3
    first, due = (most(product_s, words.processors, fair) for fair in (False, True))
    beside = missed(due, product_s, words.processors, Fifo())
    bound = WINDOW_S / product_s * words.processors * (1 + PAUSE_S / (WINDOWS * WINDOW_S))
    document = {
        "product_ms": words.product_ms,
        "processors": words.processors,
        "printers_first_come": first,
        "printers_due_first": due,
        "missed_first_come_with_as_many": beside,
        "windows": due * LAYERS * WINDOWS,
        "bound_by_work": round(bound, 1),
    }
    if words.json:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    sys.stdout.write(
        f"no window missed: {first} printers first come, first served; {due} with the one due first "
        f"(the work alone allows {bound:.1f}); with {due} first come, first served misses {beside} of "
        f"{document['windows']} windows\n"
    )


if __name__ == "__main__":
    main()
