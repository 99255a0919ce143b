"""Jobs that planner tests share: of known figures, so that expectations can be computed by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cloud.planner.job import Job, random_job
from cloud.planner.model import Model
from cloud.planner.platform import Platform, read_platform

SIDE = 196
"""Elements of an island of 14 x 14."""


@pytest.fixture(scope="session")
def paper() -> Platform:
    """The paper's platform at the shipped prices."""
    platform, _ = read_platform()
    return platform


def job_like_gear(cells: int = 60, distinct: int = 20, seed: int = 1) -> Job:
    """Return a job of some 12,000 elements whose cells have so many lengths; orders random, guesses 85 % right."""
    random = np.random.default_rng(seed)
    lengths = SIDE - random.integers(0, distinct, cells)
    lengths[:distinct] = SIDE - np.arange(distinct)
    job = random_job(lengths, seed=seed)
    order = job.orders[:1]
    guesses = np.where(random.random((1, cells)) < 0.85, np.roll(order, -1, axis=1), order)
    return replace(job, orders=order, guesses=guesses)


@pytest.fixture(scope="session")
def job() -> Job:
    """A small job with an order and guesses."""
    return job_like_gear()


@pytest.fixture(scope="session")
def model(job: Job, paper: Platform) -> Model:
    """The model of the small job."""
    return Model(job, paper)
