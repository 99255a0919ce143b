"""How fast and in how much memory CLI build files are read.

Writes files of a given size, binary and ASCII, in a temporary folder, and reads each in a process of its own.

Run it from the repository's root: python benchmarks/build_files.py [--megabytes 500] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HATCHES = 2_000


def write_file(path: Path, kind: str, megabytes: float) -> int:
    """Write a build file of one square and 20 groups of hatches a layer; return its layers."""
    generator = np.random.default_rng(1)
    square = np.array([(0, 0), (100, 0), (100, 100), (0, 100), (0, 0)], dtype="<f4")
    groups = [np.round(generator.uniform(0, 100, (HATCHES, 4)), 4).astype("<f4") for _ in range(20)]
    if kind == "binary":
        body = struct.pack("<Hiii", 130, 1, 1, 5) + square.tobytes()
        body += b"".join(struct.pack("<Hii", 132, 1, HATCHES) + group.tobytes() for group in groups)
    else:
        text = ["$$POLYLINE/1,1,5," + ",".join(f"{v:.4f}" for v in square.ravel())]
        text += [f"$$HATCHES/1,{HATCHES}," + ",".join(f"{v:.4f}" for v in group.ravel()) for group in groups]
        body = ("\n".join(text) + "\n").encode()
    layers = max(1, round(megabytes * 1e6 / len(body)))
    with path.open("wb") as file:
        name = "BINARY" if kind == "binary" else "ASCII"
        file.write(f"$$HEADERSTART\n$${name}\n$$UNITS/1\n$$VERSION/200\n$$HEADEREND".encode())
        file.write(b"" if kind == "binary" else b"\n$$GEOMETRYSTART\n")
        for layer in range(1, layers + 1):
            height_mm = 0.05 * layer
            file.write(struct.pack("<Hf", 127, height_mm) if kind == "binary" else b"$$LAYER/%.3f\n" % height_mm)
            file.write(body)
        file.write(b"" if kind == "binary" else b"$$GEOMETRYEND\n")
    return layers


def read_file(path: Path) -> dict[str, float]:
    """Read a build file; return layers, seconds, and memory before and at most, MB."""
    from thermal.readers.cli import read_cli_layers  # noqa: PLC0415  its memory is counted as "before"

    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    started_s = time.perf_counter()
    layers = sum(1 for _ in read_cli_layers(path))
    seconds = time.perf_counter() - started_s
    most_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return {"layers": layers, "seconds": round(seconds, 2), "before_mb": before_mb, "most_mb": most_mb}


def main() -> None:
    """Write, read and print."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--megabytes", type=float, default=500)
    words.add_argument("--json", type=Path)
    words.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    chosen = words.parse_args()
    if chosen.read:
        print(json.dumps(read_file(chosen.read)))
        return
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("binary", "ascii"):
            for megabytes in (chosen.megabytes / 10, chosen.megabytes):
                path = Path(folder) / "part.cli"
                write_file(path, kind, megabytes)
                done = subprocess.run(
                    [sys.executable, __file__, "--read", str(path)], check=True, capture_output=True, text=True
                )
                one = {"kind": kind, "megabytes": round(path.stat().st_size / 1e6), **json.loads(done.stdout)}
                one["mb_per_s"] = round(one["megabytes"] / one["seconds"], 1)
                found.append(one)
                print(
                    f"{kind:6} {one['megabytes']:4} MB, {one['layers']} layers: {one['seconds']:.1f} s, "
                    f"{one['mb_per_s']:.0f} MB/s, memory {one['before_mb']:.0f} -> {one['most_mb']:.0f} MB"
                )
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
