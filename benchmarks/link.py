"""The figures of docs/explanation/decisions/worker-link.md: `python benchmarks/link.py [RECORD.json]`.

Ray and Dask are measured where they are installed: `pip install ray distributed` into an environment of one's own.
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


def main() -> None:
    """Measure, print a line a result, and write the record where one is named."""

    def told(one: Figures) -> None:
        figures = one.why or f"{one.median_ms:8.3f} {one.p99_ms:8.3f}"
        print(f"{one.workers:3d} workers  {one.way:16s} {figures}", flush=True)

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
    }
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
