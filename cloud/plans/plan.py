"""How one part is computed: which cells share which functions, and when those functions run. Values only.

A plan is what the planner chooses, the engine follows, `deploy` creates and the bill refers to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from cosmic.errors import ConfigurationError
from protocol.limits import PositiveInt

Mode = Literal["on_demand", "reuse", "speculative", "persistent"]
"""When functions are invoked (design: serverless.md, When functions are invoked)."""

Precision = Literal["float64", "float32"]
"""Of the blocks, and of the values that travel between coordinator and workers."""

DealingRule = Literal["contiguous", "round-robin", "clustered", "listed"]
"""How cells come to their groups; `cloud.plans.dealings` does it."""

EngineName = Literal["inline", "local", "lambda", "ray", "simulated"]

Groups = tuple[tuple[int, ...], ...]
"""For every group the cells of one geometry that are its, ascending; a group may have none."""

FUNCTION_NAME = re.compile(
    r"cosmic-(?P<deployment>[a-z0-9][a-z0-9-]*)-g(?P<group>\d+)-(?P<row>\d+)-(?P<column>\d+)"
)
MEMORY_SHARE_MAX = 0.85
"""Most of a function's memory that blocks and runtime may take (design: serverless.md, Groups and blocks)."""

FUNCTIONS_MAX = 100_000
"""Most functions of a plan: what none of the platforms has; more is a slip."""


class FunctionId(NamedTuple):
    """One function of a plan: block (row, column) of the operators of group `group`."""

    group: int
    row: int
    column: int

    def name(self, deployment: str) -> str:
        """Return the function's name on a platform: `cosmic-<deployment>-g<g>-<i>-<j>`."""
        return f"cosmic-{deployment}-g{self.group}-{self.row}-{self.column}"

    def __str__(self) -> str:
        return f"g{self.group}-{self.row}-{self.column}"


def parse_function_name(name: str) -> tuple[str, FunctionId]:
    """Return the deployment and the function that `name` stands for. Raises ConfigurationError."""
    match = FUNCTION_NAME.fullmatch(name)
    if match is None:
        raise ConfigurationError(
            f"'{name}' is not the name of a function of ours", why="cosmic-<deployment>-g<g>-<i>-<j> is"
        )
    return match["deployment"], FunctionId(int(match["group"]), int(match["row"]), int(match["column"]))


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The plan of one part.

    Attributes:
        part: digest of the part, SHA-256 hex.
        engine: where the operator is applied.
        strategy: what the plan is called in tables and bills: `cosmic`, or one of the comparison systems.
        groups: number of groups G.
        dealing: how cells come to their groups.
        listed: with dealing `listed` (and `clustered`, whose result depends on earlier prints): for every
            geometry of the part its groups.
        rows: row ranges r of a dense operator; a group has r x c functions.
        columns: column ranges c.
        mode: when functions are invoked.
        precision: of blocks and vectors.
        memory_mb: size of a function, MiB.
        always_on: True for machines that are paid for from the job's start to its end.
        memory_share: of a function's memory that blocks and runtime may take.
    """

    part: str
    engine: EngineName = "local"
    strategy: str = "cosmic"
    groups: PositiveInt = 1
    dealing: DealingRule = "contiguous"
    listed: tuple[Groups, ...] | None = None
    rows: PositiveInt = 1
    columns: PositiveInt = 1
    mode: Mode = "persistent"
    precision: Precision = "float64"
    memory_mb: Annotated[int, Meta(ge=128)] = 10_240
    always_on: bool = False
    memory_share: Annotated[float, Meta(gt=0.0, le=1.0)] = MEMORY_SHARE_MAX

    def __post_init__(self) -> None:
        """Refuse a plan that contradicts itself. Raises ValueError, which msgspec turns into a validation error."""
        functions = self.groups * self.rows * self.columns
        if functions > FUNCTIONS_MAX:
            raise ValueError(f"groups x rows x columns are {functions} functions, more than {FUNCTIONS_MAX}")
        if self.dealing in {"listed", "clustered"} and self.listed is None:
            raise ValueError(f"dealing '{self.dealing}' needs the groups of every geometry (listed)")
        if self.listed is not None and any(len(groups) != self.groups for groups in self.listed):
            raise ValueError(f"every geometry must list {self.groups} groups")

    @property
    def functions_per_group(self) -> int:
        """F = r x c."""
        return self.rows * self.columns

    @property
    def functions(self) -> tuple[FunctionId, ...]:
        """Every function of the plan: group by group, row by row."""
        return tuple(function for group in range(self.groups) for function in self.functions_of(group))

    def functions_of(self, group: int) -> tuple[FunctionId, ...]:
        """Return the functions of a group, row by row."""
        return tuple(FunctionId(group, i, j) for i in range(self.rows) for j in range(self.columns))

    @property
    def blocks(self) -> tuple[int, int]:
        """(r, c)."""
        return self.rows, self.columns


def group_of_cells(groups: Sequence[Sequence[int]], cells: int) -> list[int]:
    """Return for every cell its group. Raises ConfigurationError unless every cell is in exactly one."""
    found = [-1] * cells
    for group, members in enumerate(groups):
        for cell in members:
            if not 0 <= cell < cells or found[cell] != -1:
                raise ConfigurationError(
                    f"cell {cell} {'is in two groups' if 0 <= cell < cells else 'does not exist'}",
                    where="plan, groups",
                    why=f"the geometry has cells 0 to {cells - 1}, each in one group",
                )
            found[cell] = group
    if -1 in found:
        raise ConfigurationError(f"cell {found.index(-1)} is in no group", where="plan, groups")
    return found
