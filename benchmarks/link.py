"""The figures of docs/explanation/decisions/worker-link.md: `python benchmarks/link.py [RECORD.json]`.

Ray, Dask and ZeroMQ are measured where they are installed: `pip install "cosmic-lpbf[bench]"`.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from cloud.link.measuring import Figures, measure
from cloud.link.measuring.figures import targets


def main() -> None:
    """Measure, print a line a result, and write the record where one is named."""

    def told(one: Figures) -> None:
        figures = one.why or f"{one.median_ms:8.3f} {one.p99_ms:8.3f}"
        print(f"{one.workers:3d} workers  {one.way:24s} {figures}", flush=True)

    print("a round, ms:                   median      p99")
    results = measure(told=told)
    record = {
        "machine": {
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "system": platform.platform(),
        },
        "map_bytes": 39_936 * 8,
        "results": [asdict(one) for one in results],
        "targets": [asdict(one) for one in targets(results)],
    }
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
