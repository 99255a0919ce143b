"""The parts that a coordinator has: its library of folders, and those that are loaded and ready to decide on."""

from cloud.parts.library import MANIFEST, PartLibrary, UnknownPart, read_manifest

__all__ = ["MANIFEST", "PartLibrary", "UnknownPart", "read_manifest"]
