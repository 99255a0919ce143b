"""A store in an S3 bucket, through boto3. Every part is sent with its SHA-256, which S3 compares.

The digest of the whole object is kept as its metadata `sha256`. Needs `pip install cosmic-lpbf[aws]`; in a Lambda
function boto3 is there already.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from cloud.stores.errors import (
    BlockMissingError,
    BucketElsewhereError,
    BucketMissingError,
    CredentialsError,
    DamagedBlockError,
    MissingLibraryError,
    StoreError,
)
from cloud.stores.interface import Stored

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 20.0
"""A stalled read is given up and the range is read again; S3's first byte takes 0.1 to 0.2 s (figures.md)."""

ATTEMPTS_MAX = 4
REMOVED_MAX = 1000
"""Keys of one DeleteObjects request (S3 API reference)."""

REFUSED = frozenset(
    {
        "401",
        "403",
        "AccessDenied",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""Codes that say that the request is not from somebody who may (S3 API reference, error responses)."""

NOT_THERE = frozenset({"404", "NoSuchKey", "NotFound"})
ELSEWHERE = frozenset(
    {"301", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)


def s3_client(region: str | None, endpoint_url: str | None, connections: int) -> Any:
    """Return a boto3 client set for blocks: few attempts, short time-outs, `connections` at a time.

    Raises:
        MissingLibraryError: boto3 is not installed.
        StoreError: no region is configured.
    """
    boto3 = amazon_library("boto3")
    failures = amazon_library("botocore.exceptions")
    config = amazon_library("botocore.config").Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": ATTEMPTS_MAX, "mode": "standard"},
        max_pool_connections=connections,
        request_checksum_calculation="when_required",  # ours is given with every part
        s3={"addressing_style": "path"} if endpoint_url else None,
    )
    try:
        return boto3.session.Session().client("s3", region_name=region, endpoint_url=endpoint_url, config=config)
    except (failures.BotoCoreError, ValueError) as error:
        raise StoreError(str(error), where="S3", remedy="check the region and the endpoint") from error


def amazon_library(name: str) -> Any:
    """Return a module of boto3, imported now: only who uses Amazon's services needs it.

    Raises:
        MissingLibraryError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingLibraryError(
            "boto3 is not installed",
            why="Amazon's services are reached through it",
            remedy="pip install 'cosmic-lpbf[aws]'",
        ) from error


class S3Store:
    """The objects below `prefix` of a bucket.

    client: as `s3_client` makes it; clients may be shared by threads.
    """

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    @property
    def address(self) -> str:
        """`s3://bucket/prefix`."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def check(self) -> None:
        """Raise CredentialsError, BucketMissingError or BucketElsewhereError where the bucket cannot be used."""
        with translated(self.address):
            try:
                answer = self._client.head_bucket(Bucket=self._bucket)
            except self._client.exceptions.ClientError as error:
                # The answer of a bucket that is elsewhere says where, also where it is a refusal.
                self._compare_region(error.response)
                if _code(error) in NOT_THERE:
                    raise _no_bucket(self._bucket) from error
                raise
            self._compare_region(answer)

    def find(self, key: str) -> Stored | None:
        """Return an object, or None."""
        with translated(f"{self.address}/{key}"):
            try:
                answer = self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
            except self._client.exceptions.ClientError as error:
                if _code(error) in NOT_THERE:
                    return None
                raise
        return Stored(key, int(answer["ContentLength"]), answer.get("Metadata", {}).get("sha256"))

    def list(self, prefix: str) -> list[Stored]:
        """Return the objects whose key begins with `prefix`; S3's list has no digests."""
        with translated(self.address):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            return [
                Stored(entry["Key"][len(self._prefix) :], int(entry["Size"]), None)
                for page in pages
                for entry in page.get("Contents", ())
            ]

    def read_into(self, key: str, start: int, target: memoryview) -> None:
        """Fill `target` with the bytes from `start` on."""
        where = f"{self.address}/{key}"
        if target.nbytes == 0:
            return
        filled = 0
        with translated(where):
            answer = self._client.get_object(
                Bucket=self._bucket, Key=self._prefix + key, Range=f"bytes={start}-{start + target.nbytes - 1}"
            )
            with answer["Body"] as body:
                # The raw stream fills our memory: nothing is held twice.
                while filled < target.nbytes and (count := body.readinto(target[filled:])):
                    filled += count
        if filled < target.nbytes:
            raise StoreError("the answer was cut off", where=where, why=f"{filled} of {target.nbytes} bytes came")

    def begin(self, key: str, size: int, sha256: str, part_bytes: int) -> _Whole | _Parts:
        """Begin an upload, or take up the newest one of this key that was interrupted."""
        stored = Stored(key, size, sha256)
        name = self._prefix + key
        if size <= part_bytes:
            return _Whole(self._client, self._bucket, name, stored)
        with translated(f"{self.address}/{key}"):
            return _Parts(self._client, self._bucket, name, stored, part_bytes)

    def remove(self, keys: Iterable[str]) -> None:
        """Remove objects."""
        names = [{"Key": self._prefix + key} for key in keys]
        with translated(self.address):
            for at in range(0, len(names), REMOVED_MAX):
                wanted = {"Objects": names[at : at + REMOVED_MAX], "Quiet": True}
                refused = self._client.delete_objects(Bucket=self._bucket, Delete=wanted).get("Errors")
                if refused:
                    raise StoreError(
                        f"{len(refused)} objects were not removed", where=self.address, why=refused[0]["Message"]
                    )

    def _compare_region(self, answer: Mapping[str, Any]) -> None:
        there = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("x-amz-bucket-region")
        here = self._client.meta.region_name
        if there not in (None, "", here):
            raise elsewhere(self._bucket, here, there)


class _Whole:
    """An object small enough for one request."""

    def __init__(self, client: Any, bucket: str, name: str, stored: Stored) -> None:
        self._client = client
        self._bucket = bucket
        self._name = name
        self._stored = stored
        self.left: Container[int] = ()

    def same(self, number: int, content: memoryview, sha256: str) -> bool:  # noqa: ARG002  it leaves none
        return False

    def put(self, number: int, content: memoryview, sha256: str) -> None:
        assert number == 1
        with translated(f"s3://{self._bucket}/{self._name}"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._name,
                Body=bytes(content),
                ChecksumSHA256=_base64(sha256),
                Metadata={"sha256": self._stored.sha256},
            )

    def finish(self) -> Stored:
        return self._stored

    def abandon(self) -> None:
        """Nothing is left of a request that failed."""


class _Parts:
    """A multipart upload. What an interrupted one left is asked from S3: nothing is kept here."""

    def __init__(self, client: Any, bucket: str, name: str, stored: Stored, part_bytes: int) -> None:
        self._client = client
        self._where = {"Bucket": bucket, "Key": name}
        self._stored = stored
        self._tags: dict[int, str] = {}
        self._checksums: dict[int, str] = {}
        self.left: set[int] = set()
        begun = self._interrupted()
        if begun is not None:
            self._upload: dict[str, str] = {**self._where, "UploadId": begun}
            self._take_up(part_bytes)
            return
        answer = client.create_multipart_upload(
            **self._where, ChecksumAlgorithm="SHA256", Metadata={"sha256": stored.sha256}
        )
        self._upload = {**self._where, "UploadId": answer["UploadId"]}

    def same(self, number: int, content: memoryview, sha256: str) -> bool:
        """Compare by the checksum, or, where the service keeps none, by the tag: MD5 (S3 API reference, ETag)."""
        checksum = self._checksums.get(number)
        if checksum is None:
            tag = hashlib.md5(content, usedforsecurity=False).hexdigest()
            self._checksums[number] = _base64(sha256)
            return self._tags[number].strip('"') == tag
        return checksum == _base64(sha256)

    def put(self, number: int, content: memoryview, sha256: str) -> None:
        with translated(self._label()):
            answer = self._client.upload_part(
                **self._upload, PartNumber=number, Body=bytes(content), ChecksumSHA256=_base64(sha256)
            )
        self._tags[number] = answer["ETag"]
        self._checksums[number] = _base64(sha256)

    def finish(self) -> Stored:
        parts = [
            {"PartNumber": number, "ETag": tag, "ChecksumSHA256": self._checksums[number]}
            for number, tag in sorted(self._tags.items())
        ]
        with translated(self._label()):
            self._client.complete_multipart_upload(**self._upload, MultipartUpload={"Parts": parts})
        return self._stored

    def abandon(self) -> None:
        with translated(self._label()):
            self._client.abort_multipart_upload(**self._upload)

    def _interrupted(self) -> str | None:
        """Return the newest upload of this key that was never finished."""
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._where["Bucket"], Prefix=self._where["Key"]
        )
        begun = [
            (str(one.get("Initiated")), one["UploadId"])
            for page in pages
            for one in page.get("Uploads", ())
            if one["Key"] == self._where["Key"]
        ]
        return max(begun)[1] if begun else None

    def _take_up(self, part_bytes: int) -> None:
        """Note the parts that are there; one of another size is written again."""
        last = -(-self._stored.bytes // part_bytes)
        for page in self._client.get_paginator("list_parts").paginate(**self._upload):
            for part in page.get("Parts", ()):
                number = int(part["PartNumber"])
                size = part_bytes if number < last else self._stored.bytes - (last - 1) * part_bytes
                if number <= last and int(part["Size"]) == size:
                    self.left.add(number)
                    self._tags[number] = part["ETag"]
                    if part.get("ChecksumSHA256"):
                        self._checksums[number] = part["ChecksumSHA256"]

    def _label(self) -> str:
        return f"s3://{self._where['Bucket']}/{self._where['Key']}"


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn what boto3 raises into errors that say what to do. No key or signature is in them."""
    failures = amazon_library("botocore.exceptions")
    try:
        yield
    except (failures.NoCredentialsError, failures.PartialCredentialsError) as error:
        raise CredentialsError(
            "no credentials for Amazon", where=where, remedy="run 'aws configure', or set AWS_PROFILE"
        ) from error
    except failures.ClientError as error:
        raise _translate(error, where) from error
    except (failures.BotoCoreError, amazon_library("urllib3.exceptions").HTTPError) as error:  # a body's stream
        raise StoreError(
            f"S3 did not answer: {type(error).__name__}", where=where, remedy="check the network and the endpoint"
        ) from error


def elsewhere(bucket: str, here: str, there: str) -> BucketElsewhereError:
    """Return the error for a bucket that is in another region."""
    return BucketElsewhereError(
        f"the bucket is in {there}, not in {here}",
        where=f"s3://{bucket}",
        why="reading across regions is slow and costs money",
        remedy=f"use --region {there}, or a bucket in {here}",
    )


def _no_bucket(bucket: str) -> BucketMissingError:
    return BucketMissingError(
        "there is no such bucket", where=f"s3://{bucket}", remedy="check its name, or deploy first"
    )


def _translate(error: Any, where: str) -> StoreError:
    code = _code(error)
    message = error.response.get("Error", {}).get("Message", "")
    if code == "NoSuchBucket":
        return _no_bucket(where.removeprefix("s3://").partition("/")[0])
    if code in NOT_THERE:
        return BlockMissingError("there is no such object", where=where, remedy="upload the part's blocks again")
    if code in REFUSED:
        return CredentialsError(
            f"access was refused ({code})",
            where=where,
            remedy="check the credentials, the clock, and that the policy of 'deploy --policy' is attached",
        )
    if code in ELSEWHERE:
        there = (
            error.response["ResponseMetadata"].get("HTTPHeaders", {}).get("x-amz-bucket-region", "another region")
        )
        return elsewhere(where.removeprefix("s3://").partition("/")[0], "the one in use", there)
    if code in ("BadDigest", "InvalidRequest", "XAmzContentChecksumMismatch") and "hecksum" in message + code:
        return DamagedBlockError(
            "a part was damaged on the way", where=where, why=message, remedy="upload it again"
        )
    return StoreError(f"S3 refused: {code}", where=where, why=message)


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()
