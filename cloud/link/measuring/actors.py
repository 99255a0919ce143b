"""The same question to actors of Ray and of Dask, where they are installed: the neighbours' figures beside ours."""

from __future__ import annotations

import logging
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np

from cloud.engines.ray.cluster import prepare
from cloud.link.measuring.candidates import Floats64, a_map, check
from cloud.link.measuring.rounds import Rounds

START = "180s"
"""Longest start of Dask's workers: 34 processes that import it on two processors take half a minute."""


class _Rows:
    """An actor: its rows of a map."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def answer(self, theta: Floats64) -> Floats64:
        """Return the first rows."""
        return theta[: self._rows]


def ray_actors(workers: int, values: int, rounds: Rounds) -> list[float]:
    """Ray actors on this machine; the map is put into Ray's shared memory once a round, which is its best way."""
    prepare(None)
    ray: Any = import_module("ray")
    logging.getLogger("ray").setLevel(logging.ERROR)
    ray.init(
        num_cpus=workers, include_dashboard=False, log_to_driver=False, configure_logging=False,
        object_store_memory=512 * 2**20,
    )  # fmt: skip
    try:
        actors = [ray.remote(_Rows).remote(values // workers) for _ in range(workers)]
        theta = a_map(values)
        taken = []
        for _ in rounds:
            started_s = perf_counter()
            shared = ray.put(theta)
            gathered = np.concatenate(ray.get([actor.answer.remote(shared) for actor in actors]))
            taken.append(perf_counter() - started_s)
    finally:
        ray.shutdown()
    check(gathered, workers, values)
    return taken


def dask_actors(workers: int, values: int, rounds: Rounds) -> list[float]:
    """Actors of Dask's distributed on this machine, a process each."""
    distributed: Any = import_module("distributed")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    patience = {"distributed.comm.timeouts.connect": START, "distributed.comm.timeouts.tcp": START}
    with (
        import_module("dask").config.set(patience),
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(workers, timeout=START)
        names = list(client.scheduler_info(n_workers=-1)["workers"])
        made = [client.submit(_Rows, values // workers, actor=True, workers=[name], pure=False) for name in names]
        actors = [one.result() for one in made]
        theta = a_map(values)
        taken = []
        for _ in rounds:
            started_s = perf_counter()
            asked = [actor.answer(theta) for actor in actors]
            gathered = np.concatenate([one.result() for one in asked])
            taken.append(perf_counter() - started_s)
    check(gathered, workers, values)
    return taken
