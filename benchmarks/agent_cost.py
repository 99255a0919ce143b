"""What an agent costs its computer with everything enabled: recording, live page, and MQTT to a real broker.

`cosmic-cloud bench agent` with a mosquitto beside it.

    python -m benchmarks.agent_cost [--area 16] [--seconds 10] [--json]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.agent.mqtt.broker import Broker
from tests.faults.processes import command


def main() -> int:
    """Measure; return the command's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder) / "broker")
        broker.start()
        try:
            words = [command("cosmic-cloud"), "bench", "agent", "--mqtt", f"127.0.0.1:{broker.port}", *sys.argv[1:]]
            return subprocess.run(words, check=False).returncode
        finally:
            broker.kill()


if __name__ == "__main__":
    sys.exit(main())
