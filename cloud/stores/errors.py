"""What can go wrong with a store, each with what the user can do about it.

- `StoreError`: the store could not do what was asked
    - `MissingLibraryError`: the optional library for this kind of store is not installed
    - `CredentialsError`: nobody is logged in, or the key or its signature is refused
    - `BucketMissingError`: there is no such bucket
    - `BucketElsewhereError`: the bucket is in another region
    - `BlockMissingError`: there is no such block
    - `DamagedBlockError`: what was read or written is not what its digest says
"""

from __future__ import annotations

from cosmic.errors import CosmicError


class StoreError(CosmicError):
    """The store could not do what was asked."""


class MissingLibraryError(StoreError):
    """The optional library for this kind of store is not installed."""

    exit_code = 2


class CredentialsError(StoreError):
    """Nobody is logged in, or the key or its signature is refused."""


class BucketMissingError(StoreError):
    """There is no such bucket."""


class BucketElsewhereError(StoreError):
    """The bucket is in another region: reading from there is slow and costs money."""


class BlockMissingError(StoreError):
    """There is no such block."""


class DamagedBlockError(StoreError):
    """What was read or written is not what its digest says."""
