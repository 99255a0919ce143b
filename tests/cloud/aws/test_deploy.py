"""deploy, status and destroy as commands against S3, IAM and Lambda's control plane over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloud.aws import deploying
from cloud.aws.checks import check_place, find_place
from cloud.aws.errors import ArchitectureError, LimitError, QuotaError, TakenError
from cloud.aws.layout import lay_out
from cloud.aws.package import fetch_wheels, make_package, worker_version
from cloud.aws.starting import INIT_S_MAX, import_s
from cloud.plans import Plan
from cosmic.errors import UsageError
from tests.cloud.aws.conftest import Account
from thermal.part import Part


def names(account: Account) -> list[str]:
    listed = account.amazon.client("lambda").list_functions()["Functions"]
    return sorted(one["FunctionName"] for one in listed if account.name in one["FunctionName"])


def test_deploy_shows_what_it_makes_makes_it_once_and_destroy_leaves_nothing(account: Account) -> None:
    plan = account.plan()
    shown = account.run(
        "deploy", str(plan), "--part", str(account.part.folder), "--deployment", account.name, "--dry-run"
    )
    assert shown.returncode == 0, shown.stderr
    assert f"cosmic-{account.name}-g0-0-0" in shown.stdout
    assert "a month" in shown.stdout
    assert names(account) == []

    first = account.deploy(plan)
    assert first["done"] == {"created": 2, "updated": 0, "kept": 0, "removed": 0}
    assert first["functions"] == [f"cosmic-{account.name}-g{group}-0-0" for group in (0, 1)] == names(account)
    assert first["version"] == worker_version()
    configuration = account.amazon.client("lambda").get_function(FunctionName=first["functions"][0])
    assert configuration["Configuration"]["Architectures"] == ["arm64"]
    assert configuration["Configuration"]["MemorySize"] == 512
    assert configuration["Tags"]["cosmic:deployment"] == account.name
    again = account.deploy(plan)
    assert again["done"] == {"created": 0, "updated": 0, "kept": 2, "removed": 0}
    reporting = account.deploy(plan, "--reports")
    assert reporting["done"]["updated"] == 2
    assert reporting["log_group"] == f"/cosmic/{account.name}"
    assert account.deploy(plan, "--reports")["done"] == {"created": 0, "updated": 0, "kept": 2, "removed": 0}

    status = account.run("status", account.name, "--json")
    assert status.returncode == 0
    said = json.loads(status.stdout)
    assert [one["name"] for one in said["functions"]] == first["functions"]
    assert said["versions"] == [worker_version()]
    assert said["objects"] == first["block_files"] + 1

    smaller = account.deploy(account.plan(groups=1, memory_mb=1024))
    assert smaller["done"] == {"created": 0, "updated": 1, "kept": 0, "removed": 1}

    gone = account.run("destroy", account.name, "--yes", "--json")
    assert gone.returncode == 0, gone.stderr
    left = json.loads(gone.stdout)["left"]
    assert (left["functions"], left["role"], left["objects"], left["bucket"]) == ([], False, 0, None)
    assert left["log_group"] is False
    assert names(account) == []
    assert first["bucket"] not in [one["Name"] for one in account.amazon.client("s3").list_buckets()["Buckets"]]
    assert account.run("destroy", account.name, "--yes").stdout.endswith("nothing is left\n")
    assert account.run("status", account.name).returncode == 1


class Broken(Exception):
    """The process ends here."""


@pytest.mark.parametrize("step", ["bucket", "code", "blocks", "role", "functions"])
def test_deploy_that_was_interrupted_goes_on(account: Account, step: str) -> None:
    plan = Plan(part=account.part.digest, engine="lambda", groups=2, memory_mb=512)
    layout = lay_out(account.part, plan, account.name)
    place = find_place(account.amazon, None, f"cosmic-{account.name}")
    package = make_package(fetch_wheels(account.wheels))

    def stop(what: str, done: int, total: int) -> None:
        if what == step:
            raise Broken

    def run(told: Any) -> dict[str, int]:
        there = check_place(account.amazon, layout, place)
        return deploying.deploy(account.amazon, layout, place, package, there, told)

    with pytest.raises(Broken):
        run(stop)
    counts = run(lambda *_: None)
    assert counts["created"] + counts["kept"] == 2
    assert run(lambda *_: None) == {"created": 0, "updated": 0, "kept": 2, "removed": 0}


def test_bucket_of_the_user_keeps_what_is_theirs(account: Account) -> None:
    s3 = account.amazon.client("s3")
    bucket = f"ours-{account.name}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_object(Bucket=bucket, Key="theirs", Body=b"x")
    account.deploy(account.plan(), "--bucket", bucket)
    gone = account.run("destroy", account.name, "--bucket", bucket, "--yes", "--json")
    assert gone.returncode == 0, gone.stderr
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["theirs"]


def test_policies_name_only_what_is_the_deployments(account: Account) -> None:
    words = ["deploy", str(account.plan()), "--part", str(account.part.folder), "--deployment", account.name]
    (policies,) = json.loads(account.run(*words, "--policy").stdout)
    for who in ("deployer", "functions", "coordinator"):
        for statement in policies[who]["Statement"]:
            assert all("*" not in action for action in statement["Action"])
            assert statement["Resource"] == ["*"] or all(account.name in one for one in statement["Resource"])
    assert [one["Action"] for one in policies["functions"]["Statement"]] == [["s3:GetObject"]]
    anywhere = [one["Action"] for one in policies["deployer"]["Statement"] if one["Resource"] == ["*"]]
    assert anywhere == [
        ["lambda:GetAccountSettings", "lambda:ListFunctions", "logs:DescribeLogGroups", "sts:GetCallerIdentity"]
    ]
    assert names(account) == []


def test_nobody_is_asked_where_nobody_can_answer(account: Account) -> None:
    words = ["deploy", str(account.plan()), "--part", str(account.part.folder), "--deployment", account.name]
    refused = account.run(*words, "--json")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert names(account) == []


def test_credentials_that_are_absent_are_named_before_anything_is_made(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    words = ["deploy", str(account.plan()), "--part", str(account.part.folder), "--deployment", account.name]
    refused = account.run(*words, "--yes")
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert "no credentials" in refused.stderr
    assert "aws configure" in refused.stderr


def layout_of(account: Account, **changes: Any) -> Any:
    settings = {"groups": 2, "memory_mb": 512, **changes}
    return lay_out(account.part, Plan(part=account.part.digest, engine="lambda", **settings), account.name)


def check(account: Account, **changes: Any) -> None:
    place = find_place(account.amazon, None, f"cosmic-{account.name}")
    check_place(account.amazon, layout_of(account, **changes), place)


def test_quota_of_concurrency_is_compared_with_the_plan(account: Account) -> None:
    account.emulator.concurrency_max = 3
    with pytest.raises(QuotaError, match="runs 4 functions") as error:
        check(account, groups=4)
    assert "Service Quotas" in error.value.remedy


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("'MemorySize' value failed to satisfy constraint: less than or equal to 3008", QuotaError),
        ("Architecture arm64 is not supported in this region", ArchitectureError),
    ],
)
def test_memory_and_architecture_of_the_account_are_asked_before_anything_is_made(
    account: Account, monkeypatch: pytest.MonkeyPatch, message: str, kind: type[Exception]
) -> None:
    real = account.emulator.forward

    def judge(method: str, path: str, headers: Any, content: bytes) -> Any:
        if method == "POST" and path.rstrip("/").endswith("/functions"):
            answer = {"Type": "User", "message": message}
            kind_of = [("x-amzn-ErrorType", "InvalidParameterValueException"), ("Content-Type", "application/json")]
            return 400, kind_of, json.dumps(answer).encode()
        return real(method, path, headers, content)

    monkeypatch.setattr(account.emulator, "forward", judge)
    with pytest.raises(kind):
        check(account)
    assert names(account) == []


def test_deployment_of_another_part_is_not_overwritten(account: Account) -> None:
    account.deploy(account.plan())
    client = account.amazon.client("lambda")
    for one in client.list_functions()["Functions"]:
        client.tag_resource(Resource=one["FunctionArn"], Tags={"cosmic:part": "another"})
    with pytest.raises(TakenError, match="another part"):
        check(account)


def test_plan_that_no_function_can_hold_is_refused(account: Account) -> None:
    with pytest.raises(LimitError, match="a function needs"):
        layout_of(account, memory_mb=128)


def test_start_that_lambda_cuts_off_is_refused_and_one_near_it_is_told(part: Part) -> None:
    plan = Plan(part=part.digest, engine="lambda", groups=2, memory_mb=512)
    with pytest.raises(LimitError, match=r"takes some 10\.4 s to start") as error:
        lay_out(part, plan, "plate", import_s=3.0)
    assert "512 MiB get 29% of a processor" in error.value.why
    assert any("6.9 s to start" in one for one in lay_out(part, plan, "plate", import_s=2.0).warnings)
    assert lay_out(part, plan, "plate", import_s=0.5).warnings == ()
    assert 0.0 < import_s() < INIT_S_MAX


@pytest.mark.parametrize("name", ["", "Plate", "-x", "x-", "a_b", "x" * 31])
def test_name_that_lambda_or_s3_would_refuse_is_refused_first(part: Part, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a deployment's name"):
        lay_out(part, Plan(part=part.digest, engine="lambda"), name)
