"""One S3 server of one's own (moto, over HTTP on loopback) and both kinds of store in front of every test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud.stores.folder import FolderStore
from cloud.stores.interface import Store
from tests.support.amazon import REGION, amazon_server, amazon_session

_numbers = itertools.count()


@pytest.fixture(scope="session")
def amazon() -> Iterator[str]:
    """The address of a server that speaks S3, IAM and Lambda's control plane."""
    with amazon_server() as address:
        yield address


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that the server takes; nothing of this machine's own configuration."""
    amazon_session(monkeypatch)


@pytest.fixture
def s3(amazon: str, credentials: None) -> Any:
    """A client of the server, set as ours are."""
    from cloud.stores.s3 import s3_client

    return s3_client(REGION, amazon, 8)


@pytest.fixture
def bucket(s3: Any) -> str:
    """A new, empty bucket."""
    name = f"blocks-{next(_numbers)}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind."""
    if request.param == "folder":
        return FolderStore(tmp_path / "store")
    from cloud.stores.s3 import S3Store

    return S3Store(request.getfixturevalue("s3"), request.getfixturevalue("bucket"), "parts/a")


@pytest.fixture
def reopen(store: Store, request: pytest.FixtureRequest) -> Callable[[], Store]:
    """Another object on the same store, as another process has it."""
    if isinstance(store, FolderStore):
        return lambda: FolderStore(Path(store.address))
    from cloud.stores.s3 import S3Store

    return lambda: S3Store(request.getfixturevalue("s3"), request.getfixturevalue("bucket"), "parts/a")
