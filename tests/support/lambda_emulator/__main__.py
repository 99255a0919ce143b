"""A whole account on loopback, as a process: S3, IAM, logs and Lambda's control plane (moto), functions that run.

    python -m tests.support.lambda_emulator --ready-file emulator.json --paper-delays

The ready file has the address for boto3 (`endpoint_url`). SIGTERM ends it, and every environment with it. While it
runs, GET /emulator/usage says what ran, and POST /emulator/evict takes all idle environments away.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
from pathlib import Path

from tests.support.amazon import moto_server
from tests.support.lambda_emulator import LambdaEmulator, paper_delays_ms


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--ready-file", type=Path, required=True, help="written when it listens: JSON with endpoint_url"
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--paper-delays", action="store_true", help="invocation delays as the paper measured them")
    parser.add_argument("--seed", type=int, default=1, help="of the delays")
    words = parser.parse_args()
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    delays = paper_delays_ms(words.seed) if words.paper_delays else None
    with (
        moto_server() as control_plane,
        LambdaEmulator(
            delays_ms=delays, init_limit_s=60.0, control_plane=control_plane, port=words.port
        ) as emulator,
    ):
        partial = words.ready_file.with_suffix(".partial")
        partial.write_text(json.dumps({"endpoint_url": emulator.address}))
        partial.replace(words.ready_file)
        over.wait()


if __name__ == "__main__":
    main()
