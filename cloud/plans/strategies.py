"""The comparison systems of papers/cosmic.txt, section 5, as plans: points of the same space that Cosmic searches.

Each takes the number of functions a group as given: which one is best is the planner's question.
"""

from __future__ import annotations

from cloud.plans import MEMORY_SHARE_MAX, EngineName, Plan, Precision
from cosmic.errors import ConfigurationError
from thermal.geometry import Geometry
from thermal.part import Part

COMPARISONS = ("invoke-on-demand", "all-persistent", "all-active", "vm")
"""Names of the comparison systems."""

BYTES = {"float64": 8, "float32": 4}


def comparison_plan(
    strategy: str,
    part: Part,
    *,
    engine: EngineName = "simulated",
    rows: int = 1,
    columns: int = 1,
    precision: Precision = "float64",
    memory_mb: int = 10_240,
) -> Plan:
    """Return the plan of a comparison system.

    Args:
        strategy: `invoke-on-demand`: one cell a group, on demand; `all-persistent`: as few groups as memory
            allows, persistent; `all-active`: one group; `vm`: one group on machines that always run.
        part: the part.
        engine: where it runs.
        rows: row ranges r; a group has r x c functions.
        columns: column ranges c.
        precision: of blocks and vectors.
        memory_mb: size of a function, MiB.

    Raises:
        ConfigurationError: no such system, or the blocks do not fit into the functions.
    """
    cells = max(len(geometry.cells) for geometry in part.geometries)
    held_bytes = MEMORY_SHARE_MAX * memory_mb * 2**20 * rows * columns
    if strategy == "invoke-on-demand":
        groups, mode, always_on = cells, "on_demand", False
    elif strategy == "all-persistent":
        groups, mode, always_on = _fewest_groups(part, held_bytes, BYTES[precision]), "persistent", False
    elif strategy in {"all-active", "vm"}:
        groups, mode, always_on = 1, "persistent", strategy == "vm"
    else:
        raise ConfigurationError(
            f"there is no strategy '{strategy}'", where="strategy", remedy=f"use one of: {', '.join(COMPARISONS)}"
        )
    needed = max(_group_bytes(geometry, groups, BYTES[precision]) for geometry in part.geometries)
    if needed > held_bytes:
        raise ConfigurationError(
            f"{strategy}: a group needs {needed / 2**30:.1f} GiB",
            where=f"{rows}x{columns} functions of {memory_mb} MiB",
            why=f"they hold {held_bytes / 2**30:.1f} GiB of blocks (85 % of their memory)",
            remedy="use more functions a group, or float32",
        )
    return Plan(
        part=part.digest,
        engine=engine,
        strategy=strategy,
        groups=groups,
        rows=rows,
        columns=columns,
        mode=mode,  # type: ignore[arg-type]
        precision=precision,
        memory_mb=memory_mb,
        always_on=always_on,
    )


def _group_bytes(geometry: Geometry, groups: int, value_bytes: int) -> int:
    """Return the most bytes that a group of contiguous cells has to hold."""
    lengths = geometry.lengths.tolist()
    size = -(-len(lengths) // groups)
    distinct = max(len(set(lengths[first : first + size])) for first in range(0, len(lengths), size))
    return int(distinct * geometry.elements**2 * value_bytes)


def _fewest_groups(part: Part, held_bytes: float, value_bytes: int) -> int:
    cells = max(len(geometry.cells) for geometry in part.geometries)
    for groups in range(1, cells):
        if all(_group_bytes(geometry, groups, value_bytes) <= held_bytes for geometry in part.geometries):
            return groups
    return cells
