"""How one part is computed: the plan, its file, how cells are dealt to groups, and the comparison systems."""

from cloud.plans.plan import (
    FUNCTION_NAME,
    FUNCTIONS_MAX,
    MEMORY_SHARE_MAX,
    DealingRule,
    EngineName,
    FunctionId,
    Groups,
    Mode,
    Plan,
    Precision,
    group_of_cells,
    parse_function_name,
)

__all__ = [
    "FUNCTIONS_MAX",
    "FUNCTION_NAME",
    "MEMORY_SHARE_MAX",
    "DealingRule",
    "EngineName",
    "FunctionId",
    "Groups",
    "Mode",
    "Plan",
    "Precision",
    "group_of_cells",
    "parse_function_name",
]
