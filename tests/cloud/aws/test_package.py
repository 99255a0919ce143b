"""The zip of the functions: the same bytes every time, and nothing in it that the worker does not need."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cloud.aws.errors import PackageError
from cloud.aws.package import fetch_wheels, make_package, sources


def test_package_is_the_same_bytes_every_time(wheels: Path) -> None:
    first, second = make_package(fetch_wheels(wheels)), make_package(fetch_wheels(wheels))
    assert first == second
    with zipfile.ZipFile(io.BytesIO(first.content)) as archive:
        names = archive.namelist()
        assert names == sorted(names)
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert "numpy.libs/libarm.so.1" in names
    assert "cloud/aws/function.py" in names
    assert not any("test" in name for name in names)


def test_files_of_the_package_are_enough_for_the_worker(tmp_path: Path) -> None:
    for name, content in sources():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    code = (
        "import json, sys; from cloud.aws.function import handle; answer = handle({'kind': 'warm'}, None);"
        "names = 'msgspec', 'structlog', 'scipy', 'boto3';"
        "print(json.dumps([answer, [name for name in names if name in sys.modules]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    answer, loaded = json.loads(done.stdout)
    assert (answer["kind"], answer["resident"], loaded) == ("warm", [], [])


def test_wheel_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(PackageError, match="cannot be downloaded") as error:
        fetch_wheels(tmp_path / "cache", index=["--no-index", "--find-links", str(tmp_path / "nothing")])
    assert "No matching distribution" in error.value.why


def test_damaged_wheel_is_named(wheels: Path) -> None:
    (wheel,) = fetch_wheels(wheels)
    wheel.write_bytes(b"damaged")
    with pytest.raises(PackageError, match="cannot be read"):
        make_package([wheel])
