"""Reordered build files: the same hatches, the same header, contours where they were, read by another reader."""

from __future__ import annotations

import contextlib
import itertools
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.driver.file.build_file import parse
from agent.driver.file.cells import hatches_of_cells
from cosmic.errors import GeometryError
from tests.agent.driver.file.build_files import Read, read_ascii, read_binary, write_ascii, write_binary
from thermal.part import Part
from thermal.readers.cli import read_cli_layers

KINDS = ("ascii", "binary", "aligned")


def made(kind: str, seed: int, across: int) -> bytes:
    if kind == "ascii":
        return write_ascii(seed, across=across)
    return write_binary(seed, across=across, aligned=kind == "aligned")


def read(kind: str, raw: bytes) -> Read:
    return read_ascii(raw) if kind == "ascii" else read_binary(raw, aligned=kind == "aligned")


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS), seed=st.integers(0, 10**6), across=st.integers(0, 6), shuffle=st.integers(0, 99)
)
def test_a_reordered_file_has_the_same_hatches_and_header_and_its_contours_in_place(
    square: Part, tmp_path_factory: pytest.TempPathFactory, kind: str, seed: int, across: int, shuffle: int
) -> None:
    raw = made(kind, seed, across)
    build = parse(raw, "a.cli")
    cells = hatches_of_cells(build, square.geometry_of(0), "a.cli")
    assert sorted(cells.order) == list(range(36))
    order = list(range(36))
    random.Random(shuffle).shuffle(order)
    written = build.with_hatches(cells.in_order(order))
    before, after = read(kind, raw), read(kind, written)
    assert after.header == before.header
    assert after.hatches == before.hatches, "the same set, byte for byte"
    assert after.contours == before.contours
    if across == 0:
        assert after.kinds == before.kinds, "every command in its place"
        assert len(written) == len(raw)
    path = tmp_path_factory.mktemp("written") / "a.cli"
    path.write_bytes(written)
    (layer,) = read_cli_layers(path)
    lines = np.concatenate([group.lines for group in layer.hatches])
    middle = (lines[:, :2] + lines[:, 2:]) / 2
    scanned = (np.floor(middle[:, 1] / 0.8) * 6 + np.floor(middle[:, 0] / 0.8)).astype(int).tolist()
    assert list(dict.fromkeys(scanned)) == order, "cells come in the decided order"
    changes = sum(one != other for one, other in itertools.pairwise(scanned))
    assert changes == 35, "each cell in one go"


@pytest.mark.parametrize("kind", KINDS)
def test_in_the_files_own_order_nothing_changes(square: Part, kind: str) -> None:
    raw = made(kind, 7, 0)
    build = parse(raw, "a.cli")
    cells = hatches_of_cells(build, square.geometry_of(0), "a.cli")
    assert build.with_hatches(cells.in_order(cells.order)) == raw


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(KINDS), share=st.floats(0.0, 0.999))
def test_a_file_that_is_cut_off_is_no_file_or_has_whole_commands(kind: str, share: float) -> None:
    raw = made(kind, 3, 0)
    cut = raw[: int(len(raw) * share)]
    with contextlib.suppress(GeometryError):
        build = parse(cut, "a.cli")
        assert kind != "ascii" or cut.rstrip() == raw.rstrip(), "an ASCII file says where it ends"
        assert len(build.groups) == read(kind, cut).kinds.count("hatches"), "cut between two commands"


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_parser(body: bytes) -> None:
    for raw in (body, b"$$HEADERSTART$$ASCII$$UNITS/1$$HEADEREND" + body, write_binary(1)[:90] + body):
        with contextlib.suppress(GeometryError):
            parse(raw, "a.cli")


def test_a_file_with_two_layers_is_named() -> None:
    raw = write_ascii(1).replace(b"$$GEOMETRYEND", b"$$LAYER/6\n$$GEOMETRYEND")
    with pytest.raises(GeometryError, match="the file has 2 layers"):
        parse(raw, "a.cli")


def test_hatches_that_do_not_follow_the_part_are_named(square: Part) -> None:
    raw = write_ascii(1).replace(b"UNITS/0.01", b"UNITS/0.02")
    with pytest.raises(GeometryError, match="outside of their cells") as refused:
        hatches_of_cells(parse(raw, "a.cli"), square.geometry_of(0), "a.cli")
    assert "--cells hatches" in refused.value.remedy
    raw = write_ascii(1).replace(b"UNITS/0.01", b"UNITS/1000")
    with pytest.raises(GeometryError, match="the hatches are too long"):
        hatches_of_cells(parse(raw, "a.cli"), square.geometry_of(0), "a.cli")


def test_the_example_file_is_reordered(tmp_path: Path) -> None:
    raw = (Path(__file__).parents[4] / "examples" / "islands.cli").read_bytes()
    with pytest.raises(GeometryError, match="2 layers"):
        parse(raw, "islands.cli")
    first = raw[: raw.rindex(b"$$LAYER")] + b"$$GEOMETRYEND\n"
    assert len(parse(first, "islands.cli").groups) == 32
