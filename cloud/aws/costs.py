"""What a deployment costs, as far as it can be said before it prints: storage, loading, and a layer at most."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from cloud.aws.layout import NETWORK_BYTES_S, Layout, element_s
from cloud.bills import price_of

S3_GB_MONTH = 0.023
S3_PUT = 0.005 / 1000
S3_GET = 0.0004 / 1000
"""USD, us-east-1, Amazon S3 pricing, standard storage, 2026-11-01 (figures.md, prices)."""

PART_BYTES = 16 * 2**20
RANGE_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Costs:
    """USD. Functions that do not run cost nothing.

    Attributes:
        upload_usd: requests of uploading the blocks, once.
        storage_month_usd: the blocks in S3, a month.
        load_usd: all functions reading their blocks once: every job begins with it.
        load_s: how long that takes at 78 MB/s an environment, seconds.
        layer_usd_max: a layer with every function working from its beginning to its end.
    """

    upload_usd: float
    storage_month_usd: float
    load_usd: float
    load_s: float
    layer_usd_max: float

    def figures(self) -> dict[str, float]:
        """Return the costs as a JSON-ready mapping."""
        return {name: float(f"{value:.4g}") for name, value in asdict(self).items()}


def costs_of(layout: Layout) -> Costs:
    """Return what a deployment costs, by the shipped prices of us-east-1, without free tiers."""
    price = price_of("lambda-arm64")
    size = sum(layout.files.values())
    gb = layout.plan.memory_mb / 1024
    functions = len(layout.plan.functions)
    loads_s = [held / NETWORK_BYTES_S for held in layout.held.values()]
    gets = sum(-(-held // RANGE_BYTES) for held in layout.held.values())
    layer_s = max(float(geometry.lengths.sum()) * element_s(layout.part) for geometry in layout.part.geometries)
    return Costs(
        upload_usd=sum(-(-one // PART_BYTES) + 2 for one in layout.files.values()) * S3_PUT,
        storage_month_usd=size / 1e9 * S3_GB_MONTH,
        load_usd=sum(loads_s) * gb * price.gb_second + functions * price.request + gets * S3_GET,
        load_s=max(loads_s),
        layer_usd_max=functions * (layer_s * gb * price.gb_second + price.request),
    )
