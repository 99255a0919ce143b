"""The example driver prints a part with the real agent: two processes and a socket between them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[4] / "examples" / "socket_driver.py"


@pytest.mark.parametrize("dispatch", ["cell", "layer"])
def test_the_example_prints_a_part_with_the_real_agent(square_folder: Path, tmp_path: Path, dispatch: str) -> None:
    path = tmp_path / "printer.sock"
    config = tmp_path / "agent.toml"
    config.write_text(
        f'[printer]\npart = "{square_folder}"\ndriver = "socket"\ndispatch = "{dispatch}"\nguard_ms = 39.0\n'
        f'socket.path = "{path}"\n'
    )
    agent = subprocess.Popen(
        [Path(sys.executable).with_name("cosmic-agent"), "run", "--json", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert agent.stderr is not None
        while '"socket_driver"' not in (line := agent.stderr.readline()):
            assert line, "the agent ended before it listened"
        command = [sys.executable, "-I", str(EXAMPLE), str(path), "--layers", "2"]
        machine = subprocess.run(
            [*command, "--cell-ms", "1", "--spreading-s", "0"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (machine.returncode, machine.stderr) == (0, "")
        out, err = agent.communicate(timeout=30)
    finally:
        agent.kill()
        agent.wait()
    assert agent.returncode == 0, err
    assert json.loads(out)["windows"] == 2 * 36
    layers = [json.loads(line) for line in err.splitlines() if '"event":"layer"' in line.replace(" ", "")]
    assert [sorted(line["order"]) for line in layers] == [list(range(36))] * 2


def test_the_example_needs_nothing_but_python_and_fits_on_a_page() -> None:
    lines = EXAMPLE.read_text().splitlines()
    assert len(lines) < 100
    imported = {line.split()[1] for line in lines if line.startswith(("import ", "from "))}
    assert imported <= set(sys.stdlib_module_names)
