"""Ways of applying the heat-transfer matrix of a cell: steps, polynomial, dense, opaque. One interface."""

from thermal.operators.blockfiles import dense_from_files, open_block, read_block_set, write_blocks
from thermal.operators.blocks import block_name, block_ranges, block_set_folder, dense_bytes
from thermal.operators.dense import Dense, dense_in_memory
from thermal.operators.factory import VARIANTS, build_operator
from thermal.operators.interface import Operator
from thermal.operators.opaque import MatrixError, import_matrices, imported, read_matrices
from thermal.operators.polynomial import DEFAULT_TOLERANCE, Polynomial
from thermal.operators.steps import Steps

__all__ = [
    "DEFAULT_TOLERANCE",
    "VARIANTS",
    "Dense",
    "MatrixError",
    "Operator",
    "Polynomial",
    "Steps",
    "block_name",
    "block_ranges",
    "block_set_folder",
    "build_operator",
    "dense_bytes",
    "dense_from_files",
    "dense_in_memory",
    "import_matrices",
    "imported",
    "open_block",
    "read_block_set",
    "read_matrices",
    "write_blocks",
]
