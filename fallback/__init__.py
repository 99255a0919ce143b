"""Orders for when nobody decides for us: which cell to scan next, from what the printer itself knows. Pure."""

from fallback.chessboard import ChessboardOrder
from fallback.farthest import FarthestOrder
from fallback.ladder import ORDERS, Ladder, UnknownOrder, make_ladder
from fallback.layout import Layout
from fallback.order import Order
from fallback.random import RandomOrder
from fallback.sequential import SequentialOrder
from fallback.smartscan import SmartScanOrder

__all__ = [
    "ORDERS",
    "ChessboardOrder",
    "FarthestOrder",
    "Ladder",
    "Layout",
    "Order",
    "RandomOrder",
    "SequentialOrder",
    "SmartScanOrder",
    "UnknownOrder",
    "make_ladder",
]
