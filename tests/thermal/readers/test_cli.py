"""CLI build files: every form gives the same layers, and only GeometryError leaves a damaged one."""

from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmic.errors import GeometryError
from tests.thermal.buildfiles import Drawn, ascii_file, binary_file, filled, header, put_file, square
from thermal.readers import cli
from thermal.readers.cli import read_cli, read_cli_header, read_cli_layers
from thermal.readers.commands import Hatches, LayerStart, Polyline

LAYERS = [
    Drawn(
        50, [(1, 1, square(0, 0, 1000)), (2, 0, square(200, 200, 300)[::-1])], [(1, filled(0, 0, 1000, 200, 50))]
    ),
    Drawn(100, [(1, 1, square(0, 0, 800)), (1, 2, [(0, 0), (5, 5)])]),
]
FORMS: dict[str, Callable[[], bytes]] = {
    "ascii": lambda: ascii_file(LAYERS, "0.01"),
    "long": lambda: binary_file(LAYERS, "0.01"),
    "short": lambda: binary_file(LAYERS, "0.01", short=True),
    "long aligned": lambda: binary_file(LAYERS, "0.01", aligned=True),
    "short aligned": lambda: binary_file(LAYERS, "0.01", short=True, aligned=True),
}


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 20])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_layers_in_mm_whatever_the_chunks(
    tmp_path: Path, form: str, chunk_bytes: int
) -> None:
    commands = list(read_cli(put_file(tmp_path / "part.cli", FORMS[form]()), chunk_bytes))
    assert [type(command) for command in commands] == [
        LayerStart, Polyline, Polyline, Hatches, LayerStart, Polyline, Polyline,
    ]  # fmt: skip
    assert [c.height_mm for c in commands if isinstance(c, LayerStart)] == pytest.approx([0.5, 1.0])
    outer, inner = commands[1], commands[2]
    assert isinstance(outer, Polyline)
    assert isinstance(inner, Polyline)
    assert (outer.model, outer.direction, inner.model, inner.direction) == (1, 1, 2, 0)
    assert outer.points == pytest.approx(np.array(square(0, 0, 10)), abs=1e-6)
    hatches = commands[3]
    assert isinstance(hatches, Hatches)
    assert hatches.lines == pytest.approx(np.array(filled(0, 0, 10, 2, 0.5)), abs=0.011)


def test_a_header_tells_units_models_layers_and_alignment(tmp_path: Path) -> None:
    extra = "$$LABEL/1,gear\n$$LABEL/2, support // not $$UNITS/9 //\n$$LAYERS/000002\n$$DATE/010124\n"
    file = put_file(tmp_path / "part.cli", binary_file(LAYERS, "00000000.005000", aligned=True, extra=extra))
    found = read_cli_header(file)
    assert (found.binary, found.aligned, found.units_mm, found.layers) == (True, True, 0.005, 2)
    assert found.labels == {1: "gear", 2: "support"}


def test_comments_are_passed_over_wherever_they_stand(tmp_path: Path) -> None:
    text = ascii_file(LAYERS, "0.01").decode()
    text = text.replace("$$GEOMETRYSTART", "// $$LAYER/7 //\n$$GEOMETRYSTART // begin")
    text = text.replace("$$LAYER/100", "// a comment that is\n// never closed\n$$LAYER/100// here //")
    commented = list(read_cli_layers(put_file(tmp_path / "comments.cli", text.encode())))
    plain = list(read_cli_layers(put_file(tmp_path / "plain.cli", ascii_file(LAYERS, "0.01"))))
    assert [layer.height_mm for layer in commented] == [layer.height_mm for layer in plain]
    for one, other in zip(commented, plain, strict=True):
        assert [line.points.tolist() for line in one.polylines] == [
            line.points.tolist() for line in other.polylines
        ]


def test_layers_are_put_together(tmp_path: Path) -> None:
    first, second = read_cli_layers(put_file(tmp_path / "part.cli", ascii_file(LAYERS, "0.01")))
    assert (len(first.polylines), len(first.hatches)) == (2, 1)
    assert (len(second.polylines), len(second.hatches)) == (2, 0)


GOOD = ascii_file(LAYERS, "0.01")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"no \$\$HEADERSTART"),
        (b"solid part\n", r"no \$\$HEADERSTART"),
        (GOOD.replace(b"$$HEADEREND", b""), r"no \$\$HEADEREND"),
        (GOOD.replace(b"$$UNITS/0.01\n", b""), r"no \$\$UNITS"),
        (GOOD.replace(b"$$UNITS/0.01", b"$$UNITS/0"), r"\$\$UNITS is '0'"),
        (GOOD.replace(b"$$UNITS/0.01", b"$$UNITS/nan"), r"\$\$UNITS is 'nan'"),
        (GOOD.replace(b"$$UNITS/0.01", b"$$UNITS/-1"), r"\$\$UNITS is '-1'"),
        (GOOD.replace(b"$$UNITS/0.01", b"$$UNITS/mm"), r"\$\$UNITS is 'mm'"),
        (GOOD.replace(b"$$ASCII\n", b""), r"neither \$\$ASCII nor \$\$BINARY"),
        (GOOD.replace(b"$$GEOMETRYSTART", b""), r"no \$\$GEOMETRYSTART"),
        (GOOD[:-20], "GEOMETRYEND"),
        (GOOD[:400], "ends at byte"),
        (GOOD.replace(b"$$LAYER/100", b"$$LAYER/50"), "0.5 mm follows one at 0.5 mm"),
        (GOOD.replace(b"$$LAYER/100", b"$$LAYER/40"), "0.4 mm follows one at 0.5 mm"),
        (GOOD.replace(b"$$LAYER/100", b"$$LAYER/high"), "something else than numbers"),
        (GOOD.replace(b"$$LAYER/50\n", b""), "before the first layer"),
        (GOOD.replace(b"POLYLINE/1,1,5", b"POLYLINE/1,1,6"), "announces 12 coordinates and has 10"),
        (GOOD.replace(b"POLYLINE/1,1,5", b"POLYLINE/1,3,5"), "direction 3"),
        (GOOD.replace(b"POLYLINE/1,1,5", b"POLYLINE/1,1,-5"), "announces -5"),
        (GOOD.replace(b"POLYLINE/1,1,5", b"POLYLINE/1.5,1,5"), "fraction"),
        (GOOD.replace(b"1000.0", b"1e999", 1), "not a finite number"),
        (GOOD.replace(b"$$HATCHES", b"$$ARCS"), r"'\$\$ARCS' is not known"),
        (header("ASCII").encode() + b"$$GEOMETRYSTART\n$$GEOMETRYEND\n", "no layer"),
        (header("BINARY").encode(), "no layer"),
        (header("BINARY").encode() + struct.pack("<Hf", 127, 1.0) + b"\x99\x00", "binary command 153 is not known"),
        (binary_file(LAYERS, "0.01")[:-3], "truncated"),
        (header("BINARY").encode() + struct.pack("<HfHiii", 127, 1.0, 130, 1, 1, 2**30), "announces 1073741824"),
        (header("BINARY").encode() + struct.pack("<Hf", 127, float("nan")), "not a finite number"),
    ],
)  # fmt: skip
def test_a_damaged_build_file_is_refused_with_its_place(tmp_path: Path, content: bytes, says: str) -> None:
    file = put_file(tmp_path / "part.cli", content)
    with pytest.raises(GeometryError, match=says) as refused:
        list(read_cli_layers(file))
    assert "part.cli" in str(refused.value)
    assert refused.value.remedy


def read_through(content: bytes) -> None:
    """Read a build file from memory; whatever is not a GeometryError fails the test."""

    class Memory:
        def open(self, _mode: str) -> io.BytesIO:
            return io.BytesIO(content)

        def __str__(self) -> str:
            return "part.cli"

    with contextlib.suppress(GeometryError):
        list(cli.read_cli_layers(Memory()))  # type: ignore[arg-type]


@given(st.binary(max_size=300), st.sampled_from(["ASCII", "BINARY"]), st.booleans())
def test_any_bytes_after_a_header_are_read_or_refused(noise: bytes, kind: str, aligned: bool) -> None:
    read_through(header(kind, extra="$$ALIGN\n" if aligned else "").encode() + noise)


@given(
    st.sampled_from([make() for make in FORMS.values()]),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=6)), max_size=4),
    st.integers(0, 3000),
)
def test_any_damage_to_a_build_file_is_read_or_refused(
    content: bytes, changes: list[tuple[int, bytes]], cut: int
) -> None:
    for place, patch in changes:
        content = content[:place] + patch + content[place + len(patch) :]
    read_through(content[: len(content) - cut] if cut < len(content) else content)


@given(st.lists(st.sampled_from(
    [b"$$", b"LAYER/1", b"POLYLINE/", b"1,1,", b"HATCHES/1,0", b"//", b"\n", b",", b"GEOMETRYSTART",
     b"GEOMETRYEND", b"9", b"1e9", b"-", b"nan", b"$", b"/"]), max_size=25))  # fmt: skip
def test_any_words_of_the_format_are_read_or_refused(words: list[bytes]) -> None:
    read_through(header("ASCII").encode() + b"\n$$GEOMETRYSTART\n" + b"".join(words))


@pytest.mark.parametrize("form", ["ascii", "binary"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, form: str) -> None:
    """The peak of allocations is the same few megabytes for a file ten times as large."""
    layer = Drawn(1, [(1, 1, square(0, 0, 1000))], [(1, filled(0, 0, 1000, 1000, 1))])
    one = ascii_file([layer]) if form == "ascii" else binary_file([layer])
    start = one.index(b"$$LAYER/") if form == "ascii" else one.index(b"$$HEADEREND") + len(b"$$HEADEREND")
    body = one[start:].replace(b"$$GEOMETRYEND\n", b"")
    peaks = []
    for megabytes in (1, 6) if form == "ascii" else (3, 30):  # tracing makes text slow
        file = tmp_path / f"{megabytes}.cli"
        with file.open("wb") as stream:
            stream.write(one[:start])
            for number in range(megabytes * 1_000_000 // len(body)):
                height = number + 1
                new = b"$$LAYER/%d\n" % height if form == "ascii" else struct.pack("<Hf", 127, height)
                stream.write(new + body[len(b"$$LAYER/1\n") if form == "ascii" else 6 :])
            stream.write(b"$$GEOMETRYEND\n" if form == "ascii" else b"")
        assert file.stat().st_size > megabytes * 900_000
        tracemalloc.start()
        layers = sum(1 for _ in read_cli_layers(file))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert layers > 10
    assert peaks[1] < 1.2 * peaks[0] + 100_000
    assert peaks[1] < 8_000_000
