"""What a deployment consists of: names, sizes and tags, from a part and a plan. No call to Amazon."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.aws.errors import LimitError
from cloud.aws.starting import init_s, start_warnings
from cloud.engines.blocks import PlanGroups, block_folder, check_block_files, function_blocks
from cloud.plans import MEMORY_SHARE_MAX, FunctionId, Plan
from cosmic.errors import UsageError
from thermal.part import Part

DEPLOYMENT_TAG = "cosmic:deployment"
PART_TAG = "cosmic:part"
VERSION_TAG = "cosmic:version"
REPORTS_TAG = "cosmic:reports"

NAME_LENGTH_MAX = 30
"""Longest name of a deployment: with it a bucket's name stays below S3's 63 characters."""

RUNTIME_MB = 120
"""Memory of Python, numpy and boto3 before any block, MiB."""

EVENT_BYTES_MAX = 6_000_000
"""Of a synchronous call (figures.md, payload)."""

BYTES_PER_BLOCK_NAMED = 260
"""Of a block in a load event, about."""

CALL_S_MAX = 900.0
"""Longest call, seconds (figures.md, init)."""

LOAD_S_NOTED = 120.0
"""Engines wait so long for a load unless told otherwise (engine.load_timeout_s)."""

NETWORK_BYTES_S = 78e6
"""Into one environment (figures.md, network)."""

INVOCATIONS_PER_S = 10.0
"""Of one environment (figures.md, invocations)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A deployment before it exists.

    Attributes:
        deployment: its name.
        part: the part, in its folder.
        plan: of the part.
        files: block files below the part's folder -> bytes.
        held: function -> bytes of its blocks.
        warnings: limits of Lambda that the plan comes near.
        init_s: how long a function takes to start, about, seconds; 0 where nobody measured it.
        reports: whether functions report what they are billed for into the deployment's log group.
    """

    deployment: str
    part: Part
    plan: Plan
    files: dict[str, int]
    held: dict[FunctionId, int]
    warnings: tuple[str, ...]
    reports: bool = False
    init_s: float = 0.0

    @property
    def folder(self) -> Path:
        """The part's folder."""
        return block_folder(self.part)

    @property
    def role(self) -> str:
        """Name of the role that the functions have."""
        return f"cosmic-{self.deployment}-worker"

    @property
    def prefix(self) -> str:
        """Of all objects of the deployment in its bucket."""
        return f"cosmic/{self.deployment}"

    @property
    def blocks_prefix(self) -> str:
        """Of the block files of the part."""
        return f"{self.prefix}/parts/{self.part.digest}"

    def bucket(self, account: str, region: str) -> str:
        """Return the name of the deployment's own bucket."""
        return f"cosmic-{self.deployment}-{account}-{region}"

    def tags(self, version: str) -> dict[str, str]:
        """Return the tags of a function."""
        tags = {DEPLOYMENT_TAG: self.deployment, PART_TAG: part_tag(self.part.digest), VERSION_TAG: version}
        return {**tags, REPORTS_TAG: "yes" if self.reports else "no"}

    def figures(self) -> dict[str, Any]:
        """Return the layout as a JSON-ready mapping."""
        return {
            "deployment": self.deployment,
            "part": self.part.name,
            "part_digest": self.part.digest,
            "functions": [function.name(self.deployment) for function in self.plan.functions],
            "memory_mb": self.plan.memory_mb,
            "memory_needed_mb": round(max(self.held.values()) / 2**20 + RUNTIME_MB),
            "mode": self.plan.mode,
            "role": self.role,
            "log_group": log_group_name(self.deployment) if self.reports else None,
            "block_files": len(self.files),
            "block_bytes": sum(self.files.values()),
            "init_s": round(self.init_s, 2),
            "warnings": list(self.warnings),
        }


def lay_out(part: Part, plan: Plan, deployment: str, *, reports: bool = False, import_s: float = 0.0) -> Layout:
    """Return what a deployment of a part by a plan consists of.

    import_s: what importing the worker takes here, seconds (cloud.aws.starting).

    Raises:
        UsageError: the name is none.
        EngineError: the plan is not for the part, or blocks are missing.
        LimitError: Lambda cannot do it at all.
    """
    check_name(deployment)
    groups = PlanGroups(part, plan)  # first: it knows whether the plan is the part's
    check_block_files(part, plan)
    blocks = function_blocks(part, plan, groups)
    folder = block_folder(part)
    files = {block.file: (folder / block.file).stat().st_size for held in blocks.values() for block in held}
    held = {function: sum(files[block.file] for block in one) for function, one in blocks.items()}
    needed_mb = max(held.values()) / 2**20 + RUNTIME_MB
    if needed_mb > plan.memory_mb * MEMORY_SHARE_MAX:
        raise LimitError(
            f"a function needs {needed_mb:.0f} MiB",
            where=f"plan '{plan.strategy}'",
            why=f"it has {plan.memory_mb} MiB, of which at most {MEMORY_SHARE_MAX:.0%} may be taken",
            remedy="take more functions a group, more groups, more memory, or float32",
        )
    named = max(len(one) for one in blocks.values()) * BYTES_PER_BLOCK_NAMED
    if named > EVENT_BYTES_MAX:
        raise LimitError(
            f"telling a function what to load takes {named / 1e6:.1f} MB",
            why=f"a call takes at most {EVENT_BYTES_MAX / 1e6:.0f} MB",
            remedy="take more groups",
        )
    load_s = max(held.values()) / NETWORK_BYTES_S
    if load_s > CALL_S_MAX:
        raise LimitError(
            f"a function takes {load_s:.0f} s to load its blocks",
            why=f"78 MB/s an environment, and a call ends after {CALL_S_MAX:.0f} s",
            remedy="take more functions a group, more groups, or float32",
        )
    starts_s = init_s(import_s, plan.memory_mb)
    warnings = (*_warnings(part, plan, load_s), *start_warnings(starts_s, plan.memory_mb))
    return Layout(deployment, part, plan, files, held, warnings, reports, starts_s)


def log_group_name(deployment: str) -> str:
    """Return the name of a deployment's log group."""
    return f"/cosmic/{deployment}"


def part_tag(digest: str) -> str:
    """Return the value of a function's tag that says which part it is for."""
    return digest[:32]


def check_name(deployment: str) -> None:
    """Raise UsageError where a name cannot be a deployment's."""
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    good = 1 <= len(deployment) <= NAME_LENGTH_MAX and set(deployment) <= allowed
    if not good or deployment.startswith("-") or deployment.endswith("-"):
        raise UsageError(
            f"'{deployment}' cannot be a deployment's name",
            where="--deployment",
            why=f"1 to {NAME_LENGTH_MAX} small letters, digits and hyphens inside",
            remedy="give another",
        )


def element_s(part: Part) -> float:
    """Return the time in which the laser scans one element, seconds."""
    return float(part.process.element_m / part.process.speed_m_s)


def _warnings(part: Part, plan: Plan, load_s: float) -> list[str]:
    window_s = min(float(geometry.lengths.min()) for geometry in part.geometries) * element_s(part)
    item = 8 if plan.precision == "float64" else 4
    taken_s = -(-part.largest.elements // plan.columns) * item / NETWORK_BYTES_S
    said = []
    if load_s > LOAD_S_NOTED:
        said.append(f"loading takes some {load_s:.0f} s at 78 MB/s: raise engine.load_timeout_s")
    if taken_s > window_s:
        said.append(
            f"a worker takes {taken_s * 1e3:.1f} ms to receive its part of the map (78 MB/s),"
            f" the shortest window is {window_s * 1e3:.1f} ms: take more columns, or float32"
        )
    # With another group in every other window a function is invoked every second window at most.
    windows = {"on_demand": 1, "reuse": 2, "speculative": 2}.get(plan.mode)
    if windows is not None and plan.groups > 1 and 1.0 / (windows * window_s) > INVOCATIONS_PER_S:
        said.append(
            f"a function may be invoked {1.0 / (windows * window_s):.0f} times a second in the worst order,"
            f" Lambda allows {INVOCATIONS_PER_S:.0f}: use mode persistent, or expect waits"
        )
    return said
