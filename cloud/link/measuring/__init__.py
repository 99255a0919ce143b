"""How fast a map goes to all workers and their rows come back, by several ways. See `cosmic-cloud bench link`."""

from cloud.link.measuring.figures import Figures, measure

__all__ = ["Figures", "measure"]
