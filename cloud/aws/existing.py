"""What there is of a deployment, as Amazon says. Nothing is remembered elsewhere, so nothing can disagree."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from cloud.aws.clients import Amazon, code_of, explained
from cloud.aws.layout import DEPLOYMENT_TAG, VERSION_TAG, log_group_name
from cloud.stores.s3 import amazon_library


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """A function that is there."""

    name: str
    memory_mb: int
    sha256: str
    state: str
    tags: dict[str, str]

    @property
    def version(self) -> str:
        """Version of the worker, as deploy tagged it."""
        return self.tags.get(VERSION_TAG, "")


@dataclass(frozen=True, slots=True)
class Existing:
    """What there is of a deployment.

    Attributes:
        functions: those that carry its tag, by name.
        role: whether its role is there.
        bucket: name of the bucket looked into; None: there is none.
        bucket_owned: whether that bucket carries the deployment's tag: it goes with the deployment.
        objects: objects of the deployment in it.
        object_bytes: their size.
        log_group: whether its log group is there.
    """

    functions: list[DeployedFunction] = field(default_factory=list)
    role: bool = False
    bucket: str | None = None
    bucket_owned: bool = False
    objects: int = 0
    object_bytes: int = 0
    log_group: bool = False

    @property
    def nothing(self) -> bool:
        """Whether there is nothing of it."""
        return not (self.functions or self.role or self.objects or self.bucket_owned or self.log_group)

    def figures(self) -> dict[str, Any]:
        """Return what there is as a JSON-ready mapping."""
        return {
            "functions": [
                {
                    "name": one.name,
                    "memory_mb": one.memory_mb,
                    "state": one.state,
                    "version": one.version,
                }
                for one in self.functions
            ],
            "role": self.role,
            "bucket": self.bucket,
            "objects": self.objects,
            "object_bytes": self.object_bytes,
            "log_group": self.log_group,
        }


def find_existing(amazon: Amazon, deployment: str, bucket: str | None) -> Existing:
    """Return what there is of a deployment. Raises CredentialsError, AwsError."""
    functions = find_functions(amazon, deployment)
    iam = amazon.client("iam")
    with explained("looking for the role"):
        role = _there(lambda: iam.get_role(RoleName=f"cosmic-{deployment}-worker"))
    name = log_group_name(deployment)
    with explained("looking for the log group"):
        groups = amazon.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    there = Existing(functions, role, log_group=name in [one["logGroupName"] for one in groups])
    if bucket is None:
        return there
    s3 = amazon.client("s3")
    with explained(f"looking into the bucket {bucket}"):
        if not _there(lambda: s3.head_bucket(Bucket=bucket)):
            return there
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"cosmic/{deployment}/")
        sizes = [int(one["Size"]) for page in pages for one in page.get("Contents", ())]
        owned = bucket_tags(s3, bucket).get(DEPLOYMENT_TAG) == deployment
    return replace(there, bucket=bucket, bucket_owned=owned, objects=len(sizes), object_bytes=sum(sizes))


def find_functions(amazon: Amazon, deployment: str) -> list[DeployedFunction]:
    """Return the functions with the deployment's name and tag."""
    client = amazon.client("lambda")
    prefix = f"cosmic-{deployment}-"
    found = []
    with explained("looking for functions"):
        for page in client.get_paginator("list_functions").paginate():
            for one in page["Functions"]:
                if not one["FunctionName"].startswith(prefix):
                    continue
                tags = client.list_tags(Resource=one["FunctionArn"]).get("Tags", {})
                if tags.get(DEPLOYMENT_TAG) == deployment:
                    found.append(
                        DeployedFunction(
                            one["FunctionName"],
                            int(one["MemorySize"]),
                            one["CodeSha256"],
                            one.get("State") or "Active",  # a list does not always say
                            tags,
                        )
                    )
    return sorted(found, key=lambda one: one.name)


def bucket_tags(s3: Any, bucket: str) -> dict[str, str]:
    """Return a bucket's tags; none where it has none."""
    failures = amazon_library("botocore.exceptions")
    try:
        tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    except failures.ClientError as error:
        if code_of(error) == "NoSuchTagSet":
            return {}
        raise
    return {tag["Key"]: tag["Value"] for tag in tags}


def _there(ask: Any) -> bool:
    failures = amazon_library("botocore.exceptions")
    try:
        ask()
    except failures.ClientError as error:
        if code_of(error) in {"404", "NoSuchBucket", "NoSuchEntity", "NotFound"}:
            return False
        raise
    return True
