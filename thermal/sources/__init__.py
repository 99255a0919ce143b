"""Where the outlines of a part come from: solids, build files, masks, drawn outlines. One interface."""

from thermal.sources.choose import open_source
from thermal.sources.drawn import DrawnSource
from thermal.sources.interface import Layer, Source

__all__ = ["DrawnSource", "Layer", "Source", "open_source"]
