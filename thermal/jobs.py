"""The thirty jobs of the paper's evaluation: ten shapes of 9, 16 and 25 cm2 (papers/cosmic.txt, section 5.1)."""

from __future__ import annotations

from concurrent.futures import as_completed
from pathlib import Path

from thermal.building import islands_of
from thermal.part import MANIFEST, Part, load_part
from thermal.preparing.cutting import Progress
from thermal.preparing.folder import build_folder
from thermal.preparing.workers import worker_processes
from thermal.process import Process
from thermal.shapes import JOB_AREAS_CM2, SHAPES, outline_of
from thermal.sources import DrawnSource


def job_name(shape: str, area_cm2: float) -> str:
    """Return the name of a job's folder: `segmented-gear-16cm2`."""
    return f"{shape}-{area_cm2:g}cm2"


def build_jobs(folder: Path, *, layers: int, processes: int, progress: Progress | None = None) -> list[Part]:
    """Build the jobs that are not there yet; return all thirty, shape by shape.

    Args:
        folder: for the parts' folders; made where it is missing.
        layers: of each job.
        processes: that build; each builds whole jobs.
        progress: told after every job.

    Raises:
        PartError: a folder is there and is no part, or cannot be written.
        GeometryError: the number of layers is not possible.
    """
    jobs = [(shape, area_cm2) for shape in SHAPES for area_cm2 in JOB_AREAS_CM2]
    missing = [job for job in jobs if not (folder / job_name(*job) / MANIFEST).is_file()]
    done = len(jobs) - len(missing)
    if processes == 1 or len(missing) < 2:
        for number, (shape, area_cm2) in enumerate(missing, 1):
            build_job(folder, shape, area_cm2, layers)
            _tell(progress, done + number, len(jobs))
    else:
        # The large ones first, so that no process is left with one at the end.
        missing.sort(key=lambda job: -job[1])
        with worker_processes(processes) as executor:
            building = [executor.submit(build_job, folder, shape, area_cm2, layers) for shape, area_cm2 in missing]
            for number, job in enumerate(as_completed(building), 1):
                job.result()
                _tell(progress, done + number, len(jobs))
    return [load_part(folder / job_name(*job)) for job in jobs]


def build_job(folder: Path, shape: str, area_cm2: float, layers: int) -> None:
    """Build one job with the default process and islands."""
    process = Process()
    source = DrawnSource(outline_of(shape, area_cm2), f"{shape} {area_cm2:g} cm2", layers)
    build_folder(source, folder / job_name(shape, area_cm2), process, islands_of(None, process), processes=1)


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress("jobs", done, total)
