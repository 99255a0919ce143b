"""From a recording to the file of its report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from agent.export.files import whole
from agent.recorder.errors import RecordingError
from agent.recorder.reading import Recording
from agent.replay.parts import part_of
from agent.report.album import CELLS_MAX, Album, Pictures
from agent.report.beside import Beside, Given, put_beside
from agent.report.beside_page import beside_page
from agent.report.collect import Told, collect
from agent.report.figures import Report
from agent.report.packed import packed
from agent.report.page import Material, page_of
from agent.report.read_in import layers_of
from cosmic import __version__
from cosmic.errors import CosmicError, InputError
from thermal.part import Part


@dataclass(frozen=True, slots=True)
class Found:
    """The part of a recording, or why there is none.

    Attributes:
        part: the part; None without one.
        without: why, in words.
        error: where a part was named that cannot be used.
    """

    part: Part | None
    without: str = ""
    error: CosmicError | None = None


def find_part(recording: Recording, folder: Path | None) -> Found:
    """Return the part that was printed: from `folder`, else where it was then and in the caches."""
    try:
        return Found(part_of(recording, folder, None))
    except RecordingError as error:
        words = f"{error.what} ({error.why}): name its folder with --part"
        return Found(None, str(error) if folder is not None else words, error if folder is not None else None)
    except InputError as error:
        return Found(None, str(error), error)


def figures_of(
    recording: Recording, found: Found, *, compare_layers: int | None = None, told: Told | None = None
) -> Report:
    """Return the figures alone."""
    return collect(recording, found.part, without=found.without, compare_layers=compare_layers, told=told)


def write_report(
    recording: Recording,
    found: Found,
    output: Path,
    *,
    compare_layers: int | None = None,
    told: Told | None = None,
) -> Report:
    """Write the page of a recording; return its figures. Raises CosmicError where it cannot be written."""
    album = None if found.part is None else Album(found.part, max(len(recording.maps), 1))
    report = collect(
        recording,
        found.part,
        without=found.without,
        compare_layers=compare_layers,
        take_maps=None if album is None else album.take,
        told=told,
    )
    page = page_of(_material(recording, report, album))
    whole(output, lambda unborn: unborn.write_text(page, encoding="utf-8"))
    return report


def _material(recording: Recording, report: Report, album: Album | None) -> Material:
    read = layers_of(recording)
    pictures: list[Pictures] = []
    if album is not None:
        pictures = album.pictures({each.layer: each.order for each in read})
    windows = {each.layer: each.in_order for each in read}
    shown = [each for each in pictures if each.cells_before_K.size <= CELLS_MAX and windows[each.layer]]
    return Material(
        report=report,
        windows=recording.windows,
        beginnings=[
            (event.layer, at_s)
            for at_s, event in recording.events
            if event.kind == "layer_ready" and event.layer is not None
        ],
        configuration=recording.configuration,
        pictures=pictures,
        shapes={} if album is None else {each.layer: album.shape_of(each.layer) for each in pictures},
        scale_K=(0.0, 1.0) if album is None else album.scale_K(),
        data=packed(report, windows, shown, album) if shown else None,
        made_by=__version__,
    )


def write_comparison(
    one: tuple[Recording, Found], other: tuple[Recording, Found], output: Path | None, told: Told | None = None
) -> Beside:
    """Put two recordings beside each other; write the page where a file is named. Return the figures."""
    given = [Given(recording, found.part, found.without) for recording, found in (one, other)]
    beside, maps, more = put_beside(given[0], given[1], told)
    if output is not None:
        page = beside_page(
            beside,
            (one[0].windows, other[0].windows),
            (maps, more),
            one[1].part if beside.same_part else None,
        )
        whole(output, lambda unborn: unborn.write_text(page, encoding="utf-8"))
    return beside


def document(report: Report | Beside) -> dict[str, object]:
    """Return the figures as one JSON document."""
    found: dict[str, object] = msgspec.to_builtins(report)
    return found
