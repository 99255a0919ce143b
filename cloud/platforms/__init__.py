"""Where workers run and how they talk to the coordinator: the interfaces that every platform implements."""

from cloud.platforms.interface import (
    Answer,
    Billing,
    BlockRef,
    Load,
    Platform,
    PlatformError,
    Reported,
    ReportsUsage,
    Serve,
    ServeSummary,
    WarmUp,
)
from cloud.platforms.link import Hello, Link, LinkListener, WindowTask

__all__ = [
    "Answer",
    "Billing",
    "BlockRef",
    "Hello",
    "Link",
    "LinkListener",
    "Load",
    "Platform",
    "PlatformError",
    "Reported",
    "ReportsUsage",
    "Serve",
    "ServeSummary",
    "WarmUp",
    "WindowTask",
]
