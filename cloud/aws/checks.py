"""What must be true before anything is created: credentials, quotas, architecture, names that are free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cloud.aws.clients import Amazon, code_of, explained
from cloud.aws.errors import ArchitectureError, QuotaError, TakenError
from cloud.aws.existing import Existing, find_existing
from cloud.aws.layout import PART_TAG, Layout, part_tag
from cloud.aws.package import HANDLER, RUNTIME
from cloud.stores.errors import BucketMissingError
from cloud.stores.s3 import S3Store, amazon_library


@dataclass(frozen=True, slots=True)
class Place:
    """Where a deployment goes: account, region, and its bucket.

    Attributes:
        own_bucket: True where the bucket is the deployment's, to be created and removed with it.
    """

    account: str
    region: str
    bucket: str
    own_bucket: bool


def find_place(amazon: Amazon, own_bucket: str | None, deployment_bucket: str = "") -> Place:
    """Return account and region, as the credentials say. Raises CredentialsError, AwsError.

    own_bucket: a bucket of the user's, None for the deployment's own.
    deployment_bucket: beginning of the name of the deployment's own.
    """
    client = amazon.client("sts")
    with explained("asking who we are"):
        account = str(client.get_caller_identity()["Account"])
    region = str(client.meta.region_name)
    bucket = own_bucket or f"{deployment_bucket}-{account}-{region}"
    return Place(account, region, bucket, own_bucket is None)


def check_place(amazon: Amazon, layout: Layout, place: Place) -> Existing:
    """Check everything that can be before the first thing is made; return what is there already.

    Raises:
        CredentialsError: access was refused.
        QuotaError: the account's limits are too small.
        ArchitectureError: the region has no arm64.
        BucketMissingError, BucketElsewhereError: of a bucket that the user named.
        TakenError: the name is in use for another part.
    """
    store = S3Store(amazon.client("s3"), place.bucket, layout.prefix)
    try:
        store.check()
        bucket_there = True
    except BucketMissingError:
        if not place.own_bucket:
            raise
        bucket_there = False
    client = amazon.client("lambda")
    existing = find_existing(amazon, layout.deployment, place.bucket if bucket_there else None)
    others = {one.tags.get(PART_TAG) for one in existing.functions} - {part_tag(layout.part.digest)}
    if others:
        raise TakenError(
            f"deployment '{layout.deployment}' is of another part",
            where=existing.functions[0].name,
            remedy="give another --deployment, or destroy that one first",
        )
    _check_concurrency(client, layout)
    if not existing.functions:
        _probe(client, layout, place)
    return existing


def _check_concurrency(client: Any, layout: Layout) -> None:
    with explained("asking for the account's limits"):
        limits = client.get_account_settings()["AccountLimit"]
    free = int(limits.get("UnreservedConcurrentExecutions", limits["ConcurrentExecutions"]))
    needed = len(layout.plan.functions)
    if free < needed:
        raise QuotaError(
            f"the plan runs {needed} functions at a time",
            where=f"region {client.meta.region_name}",
            why=f"the account may run {free} (Concurrent executions)",
            remedy="ask for more in Service Quotas, or plan with fewer functions",
        )


def _probe(client: Any, layout: Layout, place: Place) -> None:
    """Ask for a function that cannot be made, since its role does not exist: its size is judged before that.

    Amazon has no other way to ask what memory and architecture an account is given.
    """
    failures = amazon_library("botocore.exceptions")
    name = f"cosmic-{layout.deployment}-probe"
    try:
        client.create_function(
            FunctionName=name,
            Runtime=RUNTIME,
            Role=f"arn:aws:iam::{place.account}:role/{name}-no-such-role",
            Handler=HANDLER,
            Code={"ZipFile": b"PK\x05\x06" + bytes(18)},
            MemorySize=layout.plan.memory_mb,
            Architectures=["arm64"],
            Tags=layout.tags("probe"),
        )
    except failures.ClientError as error:
        _judge(error, layout, place)
    except failures.BotoCoreError:
        with explained("asking for a function"):
            raise
    else:  # it was made after all
        with explained("removing the probe"):
            client.delete_function(FunctionName=name)


def _judge(error: Any, layout: Layout, place: Place) -> None:
    message = str(error.response.get("Error", {}).get("Message", ""))
    if "rchitecture" in message:
        raise ArchitectureError(
            "there are no arm64 functions here",
            where=f"region {place.region}",
            why=message,
            remedy="choose another --region, such as us-east-1 or eu-central-1",
        ) from error
    if "emory" in message:
        raise QuotaError(
            f"the plan's functions have {layout.plan.memory_mb} MiB",
            where=f"region {place.region}",
            why=message,
            remedy="ask Amazon for more (new accounts have 3,008 MiB), or plan with smaller functions",
        ) from error
    if code_of(error) not in {"InvalidParameterValueException", "InvalidParameterValue", "ValidationException"}:
        with explained("asking for a function"):
            raise error
