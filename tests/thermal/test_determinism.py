"""The same map gives the same order in every process, whatever the number of threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from thermal.operators.fused import fused_available

PROGRAM = """
import json, sys
import numpy as np
from tests.thermal.outlines import geometry_of
from thermal.operators import Polynomial, dense_in_memory
from thermal.process import Process
from thermal.smartscan import SmartScan

process = Process()
geometry = geometry_of(np.ones((26, 33), dtype=np.bool_), process, side=6)
start = np.random.default_rng(3).normal(20, 3, geometry.elements)

def order(operator, rule):
    scan, theta = SmartScan(geometry, process, rule), start
    scanned, cells = np.zeros(len(geometry.cells), dtype=np.bool_), []
    for _ in geometry.cells:
        cell = scan.choose(theta, scanned)
        scanned[cell] = True
        cells.append(cell)
        theta = scan.advance(operator.apply(int(geometry.lengths[cell]), theta), cell)
    return cells, theta.tobytes().hex()

operators = [Polynomial(geometry, process, kernel=kernel) for kernel in sys.argv[1].split(",")]
print(json.dumps({
    "exact": [order(operator, rule) for operator in operators for rule in ("input", "propagated")],
    "orders": [order(dense_in_memory(geometry, process, cut), "input")[0] for cut in ((1, 1), (4, 1), (2, 2))],
}))
"""


def test_one_and_two_threads_give_the_same_order() -> None:
    kernels = "scipy,fused" if fused_available() else "scipy"
    found = []
    for threads in ("1", "2"):
        environment = {**os.environ} | dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), threads
        )
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, kernels],
            cwd=Path(__file__).parents[2],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout))
    assert found[0]["exact"] == found[1]["exact"]  # orders and every bit of the last map
    by_input = [cells for cells, _ in found[0]["exact"][::2]]
    every = by_input + found[0]["orders"] + found[1]["orders"]
    assert all(cells == every[0] for cells in every)
