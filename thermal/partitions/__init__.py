"""Ways of cutting a layer into cells: islands, stripes, the hatch groups of a build file."""

from thermal.partitions.hatches import cells_of_hatches
from thermal.partitions.islands import MERGED_BELOW, islands
from thermal.partitions.stripes import stripes
from thermal.partitions.visiting import serpentine

__all__ = ["MERGED_BELOW", "cells_of_hatches", "islands", "serpentine", "stripes"]
