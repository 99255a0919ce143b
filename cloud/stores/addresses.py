"""From the address of a store to the store. Amazon's library is imported only for an address that needs it."""

from __future__ import annotations

from pathlib import Path

from cloud.stores.errors import StoreError
from cloud.stores.interface import Store

CONNECTIONS_MAX = 16
"""Connections of one store at a time: ranged reads beyond this wait for one."""


def open_store(address: str, *, region: str | None = None, endpoint_url: str | None = None) -> Store:
    """Return the store at an address: a folder's path, or `s3://bucket/prefix`.

    Args:
        address: where the blocks are.
        region: of the bucket; None: the one that Amazon's configuration names.
        endpoint_url: of a service that speaks S3 elsewhere; None: Amazon's.

    Raises:
        MissingLibraryError: the address needs a library that is not installed.
        StoreError: it is no address.
    """
    kind, separator, rest = address.partition("://")
    if not separator:
        from cloud.stores.folder import FolderStore  # noqa: PLC0415

        return FolderStore(Path(address))
    bucket, _, prefix = rest.partition("/")
    if kind != "s3" or not bucket:
        raise StoreError(
            "is no store's address", where=address, remedy="give a folder's path, or s3://BUCKET/PREFIX"
        )
    from cloud.stores.s3 import S3Store, s3_client  # noqa: PLC0415

    return S3Store(s3_client(region, endpoint_url, CONNECTIONS_MAX), bucket, prefix.strip("/"))
