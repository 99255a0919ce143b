"""Which function holds which blocks: a plan laid over a part."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from cloud.plans import FunctionId, Plan, group_of_cells
from cloud.plans.dealings import groups_of
from cloud.platforms import BlockRef
from cloud.platforms.interface import block_digest
from cosmic.errors import ConfigurationError, EngineError, PartError
from thermal.operators import block_name, block_ranges, block_set_folder, read_block_set
from thermal.operators.blockfiles import COMPUTED
from thermal.part import Part

RUNTIME_MB = 64.0
"""Memory of a worker without blocks, MiB: interpreter and numpy take some 45."""


class PlanGroups:
    """The cells of a part dealt to the groups of a plan. Raises EngineError where the plan is not for the part."""

    def __init__(self, part: Part, plan: Plan) -> None:
        if plan.part != part.digest:
            raise EngineError(
                "the plan is for another part",
                where=f"plan '{plan.strategy}'",
                why=f"it names {plan.part[:12]}, the part is {part.digest[:12]}",
                remedy="make the plan again for this part",
            )
        self._plan = plan
        self._lengths = [geometry.lengths.tolist() for geometry in part.geometries]
        try:
            self._cells = [groups_of(plan, geometry.number, len(geometry.cells)) for geometry in part.geometries]
        except ConfigurationError as error:
            raise EngineError(error.what, where=error.where, why=error.why, remedy=error.remedy) from error
        self._group = [
            group_of_cells(groups, len(lengths)) for groups, lengths in zip(self._cells, self._lengths, strict=True)
        ]

    def group(self, geometry: int, cell: int) -> int:
        """Return the group of a cell."""
        return self._group[geometry][cell]

    def length(self, geometry: int, cell: int) -> int:
        """Return the elements of a cell."""
        return int(self._lengths[geometry][cell])

    def lengths(self, geometry: int, group: int) -> list[int]:
        """Return the distinct lengths of a group's cells, ascending: it holds an operator for each."""
        return sorted({int(self._lengths[geometry][cell]) for cell in self._cells[geometry][group]})

    def workers(self, group: int) -> range:
        """Return the places of a group's functions among the plan's."""
        size = self._plan.functions_per_group
        return range(group * size, (group + 1) * size)


def block_folder(part: Part) -> Path:
    """Return the folder that the files of block references lie below. Raises EngineError where there is none."""
    if part.folder is None:
        raise EngineError("the part is in no folder", where=part.name, remedy="write it to one")
    return part.folder


def function_blocks(part: Part, plan: Plan, groups: PlanGroups) -> dict[FunctionId, tuple[BlockRef, ...]]:
    """Return for every function of a plan the blocks it has to hold; their files need not exist."""
    held: dict[FunctionId, list[BlockRef]] = {function: [] for function in plan.functions}
    for geometry in part.geometries:
        try:
            rows = block_ranges(geometry.elements, plan.rows)
            columns = block_ranges(geometry.elements, plan.columns)
            folder = block_set_folder(Path(), geometry.number, plan.blocks, plan.precision)
        except ConfigurationError as error:
            raise EngineError(error.what, where=error.where, why=error.why, remedy=error.remedy) from error
        for function, blocks in held.items():
            for length in groups.lengths(geometry.number, function.group):
                file = (folder / block_name(length, function.row, function.column)).as_posix()
                blocks.append(
                    BlockRef(
                        digest=block_digest(part.digest, file),
                        file=file,
                        geometry=geometry.number,
                        length=length,
                        rows=rows[function.row],
                        columns=columns[function.column],
                    )
                )
    return {function: tuple(blocks) for function, blocks in held.items()}


def check_block_files(part: Part, plan: Plan) -> None:
    """Check that the part has the blocks of a plan beside it, and that they are its own. Raises EngineError."""
    folder = block_folder(part)
    for geometry in part.geometries:
        try:
            label = read_block_set(folder, geometry.number, plan.blocks, plan.precision)
        except PartError as error:
            raise EngineError(
                error.what,
                where=error.where,
                why=f"the plan has {plan.rows}x{plan.columns} blocks in {plan.precision}",
                remedy="run cosmic-cloud part build ... --operators dense"
                f" --blocks {plan.rows}x{plan.columns} --precision {plan.precision}",
            ) from error
        if label.part != part.digest:
            raise EngineError(
                "these operators belong to another part",
                where=str(block_set_folder(folder, geometry.number, plan.blocks, plan.precision)),
                remedy="remove them and build the dense operators again",
            )


def block_source(part: Part, plan: Plan) -> str:
    """Return where a plan's operators come from, `computed` or `imported`; `computed` where there are none yet."""
    if part.folder is None:
        return COMPUTED
    for geometry in part.geometries:
        with suppress(PartError):
            source = read_block_set(part.folder, geometry.number, plan.blocks, plan.precision).source
            if source != COMPUTED:
                return source
    return COMPUTED


def held_bytes(plan: Plan, blocks: tuple[BlockRef, ...]) -> int:
    """Return the memory that a function's blocks take, bytes."""
    value_bytes = {"float64": 8, "float32": 4}[plan.precision]
    return value_bytes * sum((b.rows[1] - b.rows[0]) * (b.columns[1] - b.columns[0]) for b in blocks)


def check_memory(plan: Plan, held: dict[FunctionId, tuple[BlockRef, ...]]) -> None:
    """Check that every function holds its blocks in the plan's share of its memory. Raises EngineError."""
    function, blocks = max(held.items(), key=lambda item: held_bytes(plan, item[1]))
    needed_mb = held_bytes(plan, blocks) / 2**20 + RUNTIME_MB
    if needed_mb > plan.memory_share * plan.memory_mb:
        raise EngineError(
            f"function {function} needs {needed_mb:.0f} MiB",
            where=f"plan '{plan.strategy}'",
            why=f"it may fill {plan.memory_share:.0%} of {plan.memory_mb} MiB",
            remedy="use more groups, more functions a group, or float32",
        )
