"""The support archive: what somebody far away needs to understand a printer's trouble, and no secret."""

from agent.bundle.archive import Bundled, write_bundle

__all__ = ["Bundled", "write_bundle"]
