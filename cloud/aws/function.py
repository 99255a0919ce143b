"""What a Lambda function runs: `cloud.aws.function.handle`. One worker an environment, kept between calls."""

from __future__ import annotations

from typing import Any

from cloud.link.worker import connect
from cloud.stores.blocks import StoredBlocks
from cloud.worker import Event, Worker

_worker = Worker(StoredBlocks, connect)


def handle(event: Event, context: object) -> dict[str, Any]:  # noqa: ARG001  Lambda calls with both
    """Answer an event of kind `load`, `warm` or `serve`."""
    return _worker.invoked(event)
