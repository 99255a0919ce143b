"""The zip that functions run: this project's worker, and numpy for arm64. Same input, same bytes.

boto3 is part of Lambda's runtime and not in it; neither is msgspec, which the worker does not need: every
library costs start-up time.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

from cloud.aws.errors import PackageError

RUNTIME = "python3.13"
HANDLER = "cloud.aws.function.handle"
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
"""What Amazon Linux 2023 runs, glibc 2.34: newest first."""

UNZIPPED_BYTES_MAX = 250 * 2**20
"""Of a function's code (Lambda quotas)."""

SOURCES = (
    ("cosmic", ("__init__.py", "errors.py")),
    ("cloud", ("__init__.py", "worker.py")),
    ("cloud.aws", ("__init__.py", "function.py")),
    ("cloud.link", ("__init__.py", "frames.py", "worker.py")),
    (
        "cloud.stores",
        (
            "__init__.py",
            "addresses.py",
            "blocks.py",
            "errors.py",
            "folder.py",
            "interface.py",
            "s3.py",
            "transfer.py",
        ),
    ),
)
"""What the worker consists of."""

_THEN = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Package:
    """A zip, and its digest, hex."""

    content: bytes
    sha256: str


def worker_version() -> str:
    """Return the version of the worker that goes with this coordinator: of its files and of numpy, 12 digits."""
    digest = hashlib.sha256(metadata.version("numpy").encode())
    for name, content in sources():
        digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:12]


def sources() -> Iterator[tuple[str, bytes]]:
    """Yield name and content of this project's files in the zip."""
    for package, names in SOURCES:
        folder = resources.files(package)
        for name in names:
            yield f"{package.replace('.', '/')}/{name}", folder.joinpath(name).read_bytes()


def make_package(wheels: list[Path]) -> Package:
    """Return the zip of our files and those of the wheels, sorted, with one date and one mode for all.

    Raises:
        PackageError: a wheel cannot be read, or all together are too large for Lambda.
    """
    files = dict(sources())
    for wheel in wheels:
        try:
            with zipfile.ZipFile(wheel) as archive:
                files.update({name: archive.read(name) for name in archive.namelist() if _needed(name)})
        except (OSError, zipfile.BadZipFile) as error:
            raise PackageError(
                f"the wheel cannot be read: {error}", where=str(wheel), remedy="remove it and deploy again"
            ) from error
    size = sum(len(content) for content in files.values())
    if size > UNZIPPED_BYTES_MAX:
        raise PackageError(
            f"the code is {size / 2**20:.0f} MiB unzipped", why=f"Lambda takes {UNZIPPED_BYTES_MAX / 2**20:.0f} MiB"
        )
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _THEN)
            entry.external_attr = (0o755 if ".so" in name else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    content = written.getvalue()
    return Package(content, hashlib.sha256(content).hexdigest())


def fetch_wheels(cache: Path, *, index: list[str] | None = None) -> list[Path]:
    """Return numpy's wheel for the functions, of the version that runs here; downloaded once.

    Args:
        cache: folder of wheels.
        index: options for pip that say where from; None: as pip is configured.

    Raises:
        PackageError: it cannot be had.
    """
    version = metadata.version("numpy")
    tag = RUNTIME.removeprefix("python").replace(".", "")
    pattern = f"numpy-{version}-cp{tag}-*aarch64.whl"
    if not (found := sorted(cache.glob(pattern))):
        cache.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "pip", "download", f"numpy=={version}", "--no-deps", "--quiet"]
        words += ["--only-binary=:all:", "--implementation", "cp", "--python-version", tag, "--dest", str(cache)]
        words += [word for name in PLATFORMS for word in ("--platform", name)]
        done = subprocess.run([*words, *(index or [])], capture_output=True, text=True, check=False)  # noqa: S603
        found = sorted(cache.glob(pattern))
        if done.returncode != 0 or not found:
            lines = done.stderr.strip().splitlines()
            raise PackageError(
                f"numpy {version} for arm64 cannot be downloaded",
                where=str(cache),
                why=lines[-1] if lines else "pip said nothing",
                remedy="check the network, or put the wheel into the folder",
            )
    return [found[-1]]


def _needed(name: str) -> bool:
    return not (name.endswith((".pyi", "/", ".lib", ".a")) or "/tests/" in name or name.startswith("numpy/f2py/"))
