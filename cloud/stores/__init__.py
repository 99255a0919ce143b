"""Where the blocks of dense operators are kept for workers: a folder or S3, behind one interface."""

from cloud.stores.addresses import open_store
from cloud.stores.interface import Store, Stored, Upload
from cloud.stores.transfer import fetch, fetch_array, upload

__all__ = ["Store", "Stored", "Upload", "fetch", "fetch_array", "open_store", "upload"]
