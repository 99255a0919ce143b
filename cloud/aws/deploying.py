"""Creating a deployment step by step, each of which finds what is there and does only what is missing.

The order is that of dependence: bucket, code, blocks, log group, role, functions. Interrupted anywhere, the same
command goes on; what carries the deployment's tag and is not in its plan is removed at the end.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock
from time import sleep
from typing import Any

from cloud.aws.checks import Place
from cloud.aws.clients import Amazon, code_of, explained
from cloud.aws.errors import TakenError
from cloud.aws.existing import DeployedFunction, Existing, bucket_tags
from cloud.aws.layout import DEPLOYMENT_TAG, Layout, log_group_name
from cloud.aws.package import HANDLER, RUNTIME, Package, worker_version
from cloud.aws.policies import TRUST, function_policy, log_group_arn
from cloud.plans import FunctionId
from cloud.stores import upload
from cloud.stores.s3 import S3Store, amazon_library

FILES_AT_ONCE = 4
WRITERS = 4
FUNCTIONS_AT_ONCE = 8
FUNCTION_TIMEOUT_S = 900
"""Longest run of a function, seconds (Lambda quotas): a layer, or loading."""

REPORTS_KEPT_DAYS = 3
"""Reports are read when a job is over."""

ROLE_TRIES_MAX = 20
ROLE_WAIT_S = 3.0
"""A new role is known everywhere after some seconds (IAM user guide, eventual consistency)."""

Told = Callable[[str, int, int], None]
"""(what, done, in all): how far deploying is."""


def deploy(
    amazon: Amazon, layout: Layout, place: Place, package: Package, existing: Existing, told: Told
) -> dict[str, int]:
    """Make a deployment what its layout says; return how many functions were created, updated, kept and removed.

    Raises:
        CosmicError: a step failed; everything before it stays, and the same call goes on there.
    """
    s3 = amazon.client("s3")
    if place.own_bucket:
        _make_bucket(s3, layout, place)
    told("bucket", 1, 1)
    store = S3Store(s3, place.bucket, layout.prefix)
    key = f"code/{package.sha256}.zip"
    with NamedTemporaryFile(suffix=".zip") as file:
        file.write(package.content)
        file.flush()
        upload(store, key, Path(file.name))
    told("code", 1, 1)
    _upload_blocks(S3Store(s3, place.bucket, layout.blocks_prefix), layout, told)
    if layout.reports:
        _make_log_group(amazon.client("logs"), layout)
    role = _make_role(amazon.client("iam"), layout, place)
    told("role", 1, 1)
    return _make_functions(amazon, layout, place, package, f"{layout.prefix}/{key}", role, existing, told)


def blocks_store(layout: Layout, place: Place, amazon: Amazon) -> dict[str, str]:
    """Return what `load` events say about where the blocks of a deployment are."""
    return {
        "address": f"s3://{place.bucket}/{layout.blocks_prefix}",
        "region": place.region,
        "endpoint_url": amazon.endpoint_url or "",
    }


def _make_bucket(s3: Any, layout: Layout, place: Place) -> None:
    failures = amazon_library("botocore.exceptions")
    with explained(f"creating the bucket {place.bucket}"):
        where = {} if place.region == "us-east-1" else {"LocationConstraint": place.region}
        made = {"CreateBucketConfiguration": where} if where else {}
        try:
            s3.create_bucket(Bucket=place.bucket, **made)
        except failures.ClientError as error:
            if code_of(error) == "BucketAlreadyExists":
                raise TakenError(
                    "the bucket belongs to somebody else", where=place.bucket, remedy="give another --deployment"
                ) from error
            if code_of(error) != "BucketAlreadyOwnedByYou":
                raise
        s3.put_public_access_block(
            Bucket=place.bucket,
            PublicAccessBlockConfiguration=dict.fromkeys(
                ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
            ),
        )
        tags = bucket_tags(s3, place.bucket)
        if tags.get(DEPLOYMENT_TAG) != layout.deployment:
            tags[DEPLOYMENT_TAG] = layout.deployment
            tag_set = [{"Key": name, "Value": value} for name, value in sorted(tags.items())]
            s3.put_bucket_tagging(Bucket=place.bucket, Tagging={"TagSet": tag_set})


def _upload_blocks(store: S3Store, layout: Layout, told: Told) -> None:
    """Upload the block files, some at a time: small ones wait for answers, large ones for the network."""
    total = sum(layout.files.values())
    done_bytes: dict[str, int] = {}
    lock = Lock()

    def send(file: str) -> None:
        def progress(done: int, _size: int) -> None:
            with lock:
                done_bytes[file] = done
                told("blocks", sum(done_bytes.values()), total)

        upload(store, file, layout.folder / file, writers=WRITERS, progress=progress)

    with ThreadPoolExecutor(FILES_AT_ONCE, "files") as pool:
        sendings = [pool.submit(send, file) for file in layout.files]
        try:
            for one in sendings:
                one.result()
        except BaseException:
            for one in sendings:
                one.cancel()
            raise


def _make_log_group(logs: Any, layout: Layout) -> None:
    failures = amazon_library("botocore.exceptions")
    name = log_group_name(layout.deployment)
    with explained(f"creating the log group {name}"):
        try:
            logs.create_log_group(logGroupName=name, tags={DEPLOYMENT_TAG: layout.deployment})
        except failures.ClientError as error:
            if code_of(error) != "ResourceAlreadyExistsException":
                raise
        logs.put_retention_policy(logGroupName=name, retentionInDays=REPORTS_KEPT_DAYS)


def _make_role(iam: Any, layout: Layout, place: Place) -> str:
    failures = amazon_library("botocore.exceptions")
    with explained(f"creating the role {layout.role}"):
        try:
            role = iam.create_role(
                RoleName=layout.role,
                AssumeRolePolicyDocument=json.dumps(TRUST),
                Description="What the workers of a scan-order deployment may do: read its blocks",
                Tags=[{"Key": DEPLOYMENT_TAG, "Value": layout.deployment}],
            )["Role"]
        except failures.ClientError as error:
            if code_of(error) != "EntityAlreadyExists":
                raise
            role = iam.get_role(RoleName=layout.role)["Role"]
        name = log_group_name(layout.deployment)
        group = log_group_arn(name, place.account, place.region) if layout.reports else None
        iam.put_role_policy(
            RoleName=layout.role,
            PolicyName="read-blocks",
            PolicyDocument=json.dumps(function_policy(place.bucket, layout.prefix, group)),
        )
    return str(role["Arn"])


def _make_functions(
    amazon: Amazon,
    layout: Layout,
    place: Place,
    package: Package,
    key: str,
    role: str,
    existing: Existing,
    told: Told,
) -> dict[str, int]:
    client = amazon.client("lambda", connections=FUNCTIONS_AT_ONCE)
    there = {one.name: one for one in existing.functions}
    settings: dict[str, Any] = {
        "Runtime": RUNTIME,
        "Role": role,
        "Handler": HANDLER,
        "MemorySize": layout.plan.memory_mb,
        "Timeout": FUNCTION_TIMEOUT_S,
        # One BLAS thread a virtual processor that the memory size pays for (figures.md: 1 at 1,769 MB).
        "Environment": {"Variables": {"OPENBLAS_NUM_THREADS": str(max(1, round(layout.plan.memory_mb / 1769)))}},
    }
    if layout.reports:
        settings["LoggingConfig"] = {"LogFormat": "Text", "LogGroup": log_group_name(layout.deployment)}
    code = {"S3Bucket": place.bucket, "S3Key": key}
    tags = layout.tags(worker_version())

    def make(function: FunctionId) -> str:
        name = function.name(layout.deployment)
        with explained(f"creating {name}"):
            if name not in there:
                _create(client, name, settings, code, tags)
                return "created"
            return _update(client, there[name], settings, code, tags, package)

    counts = dict.fromkeys(("created", "updated", "kept", "removed"), 0)
    functions = layout.plan.functions
    with ThreadPoolExecutor(FUNCTIONS_AT_ONCE, "functions") as pool:
        makings = [pool.submit(make, function) for function in functions]
        try:
            for done, one in enumerate(makings, 1):
                counts[one.result()] += 1
                told("functions", done, len(functions))
        except BaseException:
            for one in makings:
                one.cancel()
            raise
    for name in sorted(set(there) - {function.name(layout.deployment) for function in functions}):
        with explained(f"removing {name}, which is not in the plan"):
            client.delete_function(FunctionName=name)
        counts["removed"] += 1
    return counts


def _create(client: Any, name: str, settings: dict[str, Any], code: dict[str, str], tags: dict[str, str]) -> None:
    """Create a function and wait until it can be run. A role that is not known everywhere yet is waited for."""
    failures = amazon_library("botocore.exceptions")
    for attempt in range(1, ROLE_TRIES_MAX + 1):
        try:
            client.create_function(
                FunctionName=name, Code=code, Architectures=["arm64"], Tags=tags, Publish=False, **settings
            )
            break
        except failures.ClientError as error:
            if code_of(error) == "ResourceConflictException":  # an attempt before this one made it
                break
            if "role" not in str(error).lower() or attempt == ROLE_TRIES_MAX:
                raise
            sleep(ROLE_WAIT_S)
    client.get_waiter("function_active_v2").wait(FunctionName=name)


def _update(
    client: Any,
    there: DeployedFunction,
    settings: dict[str, Any],
    code: dict[str, str],
    tags: dict[str, str],
    package: Package,
) -> str:
    """Change what differs; a function that is right already keeps its environments warm."""
    now = client.get_function_configuration(FunctionName=there.name)
    same_code = there.sha256 == b64encode(bytes.fromhex(package.sha256)).decode()
    same_settings = all(now.get(key) == value for key, value in settings.items())
    if not same_code:
        client.update_function_code(FunctionName=there.name, Architectures=["arm64"], **code)
        client.get_waiter("function_updated_v2").wait(FunctionName=there.name)
    if not same_settings:
        client.update_function_configuration(FunctionName=there.name, **settings)
        client.get_waiter("function_updated_v2").wait(FunctionName=there.name)
    if there.tags != tags:
        client.tag_resource(Resource=now["FunctionArn"], Tags=tags)
    return "kept" if same_code and same_settings else "updated"
