"""From a part to the order of its cells: elements, cells, operators, SmartScan. Pure numerics.

Reading solids and outlines needs the `cloud` extra and is not handed on here: solid, slicing, elements,
shapes and building are imported by their own names.
"""

from thermal.geometry import Geometry
from thermal.operators import Operator, build_operator
from thermal.order import Order, cool, order_layer, predict_map, uniformity_of
from thermal.part import Part, load_part, part_digest, write_part
from thermal.process import Process
from thermal.smartscan import SmartScan

__all__ = [
    "Geometry",
    "Operator",
    "Order",
    "Part",
    "Process",
    "SmartScan",
    "build_operator",
    "cool",
    "load_part",
    "order_layer",
    "part_digest",
    "predict_map",
    "uniformity_of",
    "write_part",
]
