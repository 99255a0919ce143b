"""Orders for when nobody decides for us: which cell to scan next, from what the printer itself knows. Pure."""

from fallback.order import Order, UnknownOrder, make_order
from fallback.random import RandomOrder
from fallback.sequential import SequentialOrder

__all__ = ["Order", "RandomOrder", "SequentialOrder", "UnknownOrder", "make_order"]
