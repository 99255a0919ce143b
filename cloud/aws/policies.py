"""Who may do what: the least that functions, the coordinator and whoever deploys need. Documents, no calls."""

from __future__ import annotations

from typing import Any


def _document(*statements: tuple[list[str], list[str]]) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": resources} for actions, resources in statements
        ],
    }


TRUST: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
"""Only Lambda takes the functions' role."""


def function_policy(bucket: str, prefix: str, log_group: str | None = None) -> dict[str, Any]:
    """What the functions may: read the deployment's blocks, and nothing else.

    log_group: ARN of the group that they report into, where they do; otherwise they write no logs.
    """
    reading = (["s3:GetObject"], [f"arn:aws:s3:::{bucket}/{prefix}/parts/*"])
    writing = [(["logs:CreateLogStream", "logs:PutLogEvents"], [f"{log_group}:*"])] if log_group else []
    return _document(reading, *writing)


def coordinator_policy(deployment: str, account: str, region: str, log_group: str | None = None) -> dict[str, Any]:
    """What the coordinator may: run the functions, ask which version they are, read what they report."""
    functions = f"arn:aws:lambda:{region}:{account}:function:cosmic-{deployment}-*"
    running = (["lambda:InvokeFunction", "lambda:GetFunction", "lambda:ListTags"], [functions])
    listing = (["lambda:ListFunctions", "sts:GetCallerIdentity"], ["*"])
    reading = [(["logs:FilterLogEvents"], [f"{log_group}:*"])] if log_group else []
    return _document(running, listing, *reading)


def log_group_arn(name: str, account: str, region: str) -> str:
    """Return the ARN of a log group."""
    return f"arn:aws:logs:{region}:{account}:log-group:{name}"


def deployer_policy(
    deployment: str, account: str, region: str, bucket: str, role: str, log_group: str
) -> dict[str, Any]:
    """What `deploy`, `destroy` and `status` need. log_group: ARN of the deployment's."""
    return _document(
        (
            [
                "lambda:CreateFunction",
                "lambda:DeleteFunction",
                "lambda:GetFunction",
                "lambda:ListTags",
                "lambda:TagResource",
                "lambda:UpdateFunctionCode",
                "lambda:UpdateFunctionConfiguration",
            ],
            [f"arn:aws:lambda:{region}:{account}:function:cosmic-{deployment}-*"],
        ),
        (
            [
                "lambda:GetAccountSettings",
                "lambda:ListFunctions",
                "logs:DescribeLogGroups",
                "sts:GetCallerIdentity",
            ],
            ["*"],
        ),
        (
            ["logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy", "logs:TagResource"],
            [log_group, f"{log_group}:*"],
        ),
        (
            [
                "iam:CreateRole",
                "iam:DeleteRole",
                "iam:DeleteRolePolicy",
                "iam:GetRole",
                "iam:PassRole",
                "iam:PutRolePolicy",
            ],
            [f"arn:aws:iam::{account}:role/{role}"],
        ),
        (
            [
                "s3:CreateBucket",
                "s3:DeleteBucket",
                "s3:GetBucketTagging",
                "s3:ListBucket",
                "s3:ListBucketMultipartUploads",
                "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketTagging",
            ],
            [f"arn:aws:s3:::{bucket}"],
        ),
        (
            [
                "s3:AbortMultipartUpload",
                "s3:DeleteObject",
                "s3:GetObject",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
            ],
            [f"arn:aws:s3:::{bucket}/cosmic/{deployment}/*"],
        ),
    )
