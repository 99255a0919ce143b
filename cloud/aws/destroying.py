"""Removing what a deployment's tag is on, and saying what is left. Repeatable, in the reverse order of creation."""

from __future__ import annotations

from typing import Any

from cloud.aws.clients import Amazon, code_of, explained
from cloud.aws.existing import Existing, find_existing
from cloud.aws.layout import log_group_name
from cloud.stores.s3 import S3Store, amazon_library


def destroy(amazon: Amazon, deployment: str, existing: Existing) -> Existing:
    """Remove a deployment and return what is left of it.

    A bucket that does not carry the deployment's tag is the user's: only the deployment's objects go from it.
    """
    client = amazon.client("lambda")
    for one in existing.functions:
        with explained(f"removing {one.name}"):
            _unless_gone(lambda name=one.name: client.delete_function(FunctionName=name))
    iam = amazon.client("iam")
    role = f"cosmic-{deployment}-worker"
    with explained(f"removing the role {role}"):
        _unless_gone(lambda: iam.delete_role_policy(RoleName=role, PolicyName="read-blocks"))
        _unless_gone(lambda: iam.delete_role(RoleName=role))
    if existing.log_group:
        name = log_group_name(deployment)
        with explained(f"removing the log group {name}"):
            _unless_gone(lambda: amazon.client("logs").delete_log_group(logGroupName=name))
    if existing.bucket is not None:
        s3 = amazon.client("s3")
        with explained(f"emptying the bucket {existing.bucket}"):
            _empty(s3, existing.bucket, f"cosmic/{deployment}/")
            if existing.bucket_owned:
                _unless_gone(lambda: s3.delete_bucket(Bucket=existing.bucket))
    return find_existing(amazon, deployment, existing.bucket)


def _empty(s3: Any, bucket: str, prefix: str) -> None:
    store = S3Store(s3, bucket)
    store.remove(one.key for one in store.list(prefix))
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        for one in page.get("Uploads", ()):  # what an interrupted upload left costs money too
            s3.abort_multipart_upload(Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"])


def _unless_gone(remove: Any) -> None:
    failures = amazon_library("botocore.exceptions")
    try:
        remove()
    except failures.ClientError as error:
        if code_of(error) not in {"404", "NoSuchBucket", "NoSuchEntity", "ResourceNotFoundException"}:
            raise
