"""Which plan a job should run by: a model of runtime and cost, a search, and the systems to compare with."""

from cloud.planner.compare import Proposal, propose
from cloud.planner.job import Job, job_of, random_job
from cloud.planner.platform import Platform, read_platform
from cloud.planner.search import Found, Limits, search

__all__ = [
    "Found", "Job", "Limits", "Platform", "Proposal", "job_of", "propose", "random_job", "read_platform", "search"
]  # fmt: skip
