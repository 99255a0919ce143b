from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cosmic.errors import ConfigurationError, PartError
from tests.thermal.outlines import geometry_of, warm
from thermal.operators import (
    MatrixError,
    Steps,
    block_set_folder,
    blockfiles,
    dense_from_files,
    import_matrices,
    imported,
    opaque,
    read_matrices,
    write_blocks,
)
from thermal.process import Process

PROCESS = Process()
GEOMETRY = geometry_of(np.random.default_rng(4).random((9, 11)) < 0.9, PROCESS, side=4)
N = GEOMETRY.elements
DIGEST = "ab" * 32
EYE = np.eye(N)


def powers() -> dict[int, NDArray[np.float64]]:
    """The model's own matrices, as if they came from elsewhere."""
    steps = Steps(GEOMETRY, PROCESS)
    return {length: np.stack([steps.apply(length, e) for e in EYE], axis=1) for length in GEOMETRY.distinct_lengths}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    for length, matrix in powers().items():
        np.save(folder / f"length-{length}.npy", matrix)
    return folder


@pytest.fixture
def part(tmp_path: Path) -> Path:
    folder = tmp_path / "part"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("blocks", [(1, 1), (4, 1), (2, 3)])
def test_imported_matrices_do_what_they_did_before(
    mine: Path, part: Path, blocks: tuple[int, int], precision: str
) -> None:
    said: list[str] = []
    operator = import_matrices(
        part, DIGEST, GEOMETRY, mine, blocks=blocks, precision=precision, announce=said.append
    )
    assert (operator.variant, operator.blocks) == ("opaque", blocks)
    assert "GB to write" in said[0]
    theta = warm(N)
    again = imported(part, DIGEST, GEOMETRY, blocks=blocks, precision=precision)
    for length, matrix in powers().items():
        expected = matrix @ theta
        for each in (operator, again):
            assert np.linalg.norm(each.apply(length, theta) - expected) <= each.tolerance * np.linalg.norm(theta)


def test_one_matrix_a_cell_serves_as_well(tmp_path: Path) -> None:
    for cell, length in enumerate(GEOMETRY.lengths.tolist()):
        np.save(tmp_path / f"cell-{cell:04d}.npy", powers()[length].astype(np.float32))
    matrices = read_matrices(tmp_path, GEOMETRY)
    assert tuple(matrices) == GEOMETRY.distinct_lengths


def test_cells_of_one_length_with_different_matrices_are_refused(tmp_path: Path) -> None:
    for cell in range(len(GEOMETRY.cells)):
        np.save(tmp_path / f"cell-{cell}.npy", EYE * (0.9 - 0.01 * cell))
    with pytest.raises(MatrixError, match="it differs from cell-") as refused:
        read_matrices(tmp_path, GEOMETRY)
    assert refused.value.exit_code == 2


def _with(value: float) -> NDArray[np.float64]:
    matrix = 0.5 * EYE
    matrix[3, 5] = value
    return matrix


@pytest.mark.parametrize(
    ("matrix", "says"),
    [
        (_with(np.nan), "row 3, column 5 is nan"),
        (_with(-np.inf), "row 3, column 5 is -inf"),
        (1.01 * EYE, "2-norm is 1.01"),
        (_with(2.0), "lets heat grow"),
        (EYE[:-1], "shape"),
        (EYE[0], "shape"),
        (EYE.astype(np.int64), "dtype int64"),
        (EYE.astype(np.complex128), "dtype complex128"),
    ],
)
def test_what_cannot_be_an_operator_is_refused_and_nothing_is_written(
    mine: Path, part: Path, matrix: NDArray[np.generic], says: str
) -> None:
    name = f"length-{GEOMETRY.distinct_lengths[-1]}.npy"
    np.save(mine / name, matrix)
    with pytest.raises(MatrixError, match=says) as refused:
        import_matrices(part, DIGEST, GEOMETRY, mine)
    assert name in refused.value.where
    assert refused.value.remedy
    assert refused.value.exit_code == 2
    assert not list(part.iterdir())


def test_missing_damaged_and_absent_files_are_named(mine: Path, part: Path, tmp_path: Path) -> None:
    with pytest.raises(MatrixError, match="no such folder"):
        read_matrices(tmp_path / "nowhere", GEOMETRY)
    last = mine / f"length-{GEOMETRY.distinct_lengths[-1]}.npy"
    last.write_bytes(last.read_bytes()[:-8])
    with pytest.raises(MatrixError, match="cannot be read"):
        import_matrices(part, DIGEST, GEOMETRY, mine)
    last.unlink()
    with pytest.raises(MatrixError, match=rf"1 of \d+ matrices are missing: {last.name}"):
        import_matrices(part, DIGEST, GEOMETRY, mine)
    assert not list(part.iterdir())


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 2.0), st.integers(2, 30))
def test_what_is_accepted_lets_no_map_grow(seed: int, scale: float, n: int) -> None:
    matrix = np.random.default_rng(seed).standard_normal((n, n))
    matrix *= scale / np.linalg.norm(matrix, 2)
    try:
        assert opaque.check_matrix(matrix, "given") >= 0.98 * scale
        assert scale <= 1.001  # the estimate is from below
    except MatrixError:
        assert scale > 1


def test_a_matrix_with_large_sums_and_a_norm_below_one_is_accepted() -> None:
    rotation, _ = np.linalg.qr(np.random.default_rng(2).standard_normal((40, 40)))
    assert opaque.check_matrix(0.999 * rotation, "given") == pytest.approx(0.999, abs=1e-6)


def test_computed_and_imported_matrices_never_stand_in_for_each_other(mine: Path, part: Path) -> None:
    import_matrices(part, DIGEST, GEOMETRY, mine, blocks=(2, 1))
    with pytest.raises(PartError, match="imported"):
        dense_from_files(part, GEOMETRY, (2, 1), part_digest=DIGEST)
    with pytest.raises(PartError, match="imported"):
        write_blocks(part, DIGEST, GEOMETRY, PROCESS, blocks=(2, 1))
    write_blocks(part, DIGEST, GEOMETRY, PROCESS)
    with pytest.raises(PartError, match="computed"):
        import_matrices(part, DIGEST, GEOMETRY, mine)
    with pytest.raises(PartError, match="another part"):
        imported(part, "cd" * 32, GEOMETRY, blocks=(2, 1))


def test_a_disk_without_room_leaves_nothing_behind(mine: Path, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blockfiles, "SPARE_BYTES", 2**60)
    for write in (
        lambda: import_matrices(part, DIGEST, GEOMETRY, mine),
        lambda: write_blocks(part, DIGEST, GEOMETRY, PROCESS),
    ):
        with pytest.raises(ConfigurationError, match="GB left"):
            write()
        assert not block_set_folder(part, 0, (1, 1), "float64").exists()
        assert not list(part.iterdir())
