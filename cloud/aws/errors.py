"""What can go wrong with a deployment, each with what the user can do about it.

- `AwsError`: Amazon did not do what was asked
    - `QuotaError`: the account's limits are too small for the plan
    - `LimitError`: the plan is beyond what Lambda can do at all
    - `ArchitectureError`: the region has no arm64 functions
    - `TakenError`: the deployment's name, or its bucket's, belongs to something else
    - `VersionError`: functions are missing, of another part or size, or run another version of the worker
    - `PackageError`: the zip for the functions cannot be made

Credentials and buckets have the errors of cloud.stores.errors.
"""

from __future__ import annotations

from cosmic.errors import CosmicError


class AwsError(CosmicError):
    """Amazon did not do what was asked."""


class QuotaError(AwsError):
    """The account's limits are too small for the plan."""


class LimitError(AwsError):
    """The plan is beyond what Lambda can do at all."""


class ArchitectureError(AwsError):
    """The region has no arm64 functions."""


class TakenError(AwsError):
    """The deployment's name, or its bucket's, belongs to something else."""


class VersionError(AwsError):
    """Functions are missing, of another part or size, or run another version of the worker."""


class PackageError(AwsError):
    """The zip for the functions cannot be made."""
