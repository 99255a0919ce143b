"""Clients of Amazon's services, and what their refusals mean. boto3 is imported when the first one is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cloud.aws.errors import AwsError
from cloud.stores.errors import CredentialsError
from cloud.stores.s3 import REFUSED, amazon_library

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
ATTEMPTS_MAX = 4
"""Of the control plane, which throttles; invocations have one attempt (cloud.aws.platform)."""


@dataclass(frozen=True)
class Amazon:
    """Where Amazon is: region (None: the configured one) and, for tests and look-alikes, one address for all."""

    region: str | None = None
    endpoint_url: str | None = None

    @cached_property
    def _session(self) -> Any:
        """One for all clients: each session reads boto3's descriptions of the services, megabytes, anew."""
        return amazon_library("boto3").session.Session()

    def client(
        self,
        service: str,
        *,
        read_timeout_s: float = READ_TIMEOUT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        attempts: int = ATTEMPTS_MAX,
        connections: int = 16,
    ) -> Any:
        """Return a client. Raises MissingLibraryError, AwsError where no region is configured."""
        failures = amazon_library("botocore.exceptions")
        config = amazon_library("botocore.config").Config(
            connect_timeout=connect_timeout_s,
            read_timeout=read_timeout_s,
            retries={"total_max_attempts": attempts, "mode": "standard"},
            max_pool_connections=connections,
            tcp_keepalive=True,
        )
        try:
            return self._session.client(
                service, region_name=self.region, endpoint_url=self.endpoint_url, config=config
            )
        except (failures.NoRegionError, ValueError) as error:
            raise AwsError("no region", why=str(error), remedy="give --region, or set AWS_REGION") from error


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn what boto3 raises into errors that say what to do. No key is in them."""
    failures = amazon_library("botocore.exceptions")
    try:
        yield
    except (failures.NoCredentialsError, failures.PartialCredentialsError) as error:
        raise CredentialsError(
            "no credentials for Amazon", where=doing, remedy="run 'aws configure', or set AWS_PROFILE"
        ) from error
    except failures.ClientError as error:
        code = code_of(error)
        message = error.response.get("Error", {}).get("Message", "")
        if code in REFUSED or code.startswith("AccessDenied"):
            raise CredentialsError(
                f"access was refused ({code})",
                where=doing,
                why=message,
                remedy="check the credentials, and that the policy of 'deploy --policy' is attached",
            ) from error
        raise AwsError(f"Amazon refused: {code}", where=doing, why=message) from error
    except failures.BotoCoreError as error:
        raise AwsError(
            f"Amazon did not answer: {type(error).__name__}",
            where=doing,
            remedy="check the network, the region and the endpoint",
        ) from error


def code_of(error: Any) -> str:
    """Return the code of a ClientError."""
    return str(error.response.get("Error", {}).get("Code", ""))
