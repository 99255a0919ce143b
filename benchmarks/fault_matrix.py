"""Real faults on real processes, a row each: what the user sees, fallbacks, recovery and its worst case, losses.

Every row starts a coordinator and an agent (`cosmic-cloud serve`, `cosmic-agent run`) with a simulated printer,
40 ms windows and recordings, strikes in the middle of the first layer, lets the job end, and reads the log and the
recording. A look-ahead of 8 windows lets faults through that the whole layer's covers (`--lookahead 0`).

    python -m benchmarks.fault_matrix [ROW ...] [--lookahead 8] [--json] [--markdown]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

from cosmic.commands import console
from tests.faults.matrix import BY_NAME, ROWS, Result, run_row
from tests.faults.row import Row
from tests.faults.stage import QUICK, USUAL, Pace, make_part

HEAD = (
    "fault",
    "what the user sees",
    "fallbacks",
    "recovery s",
    "worst case s",
    "lost",
    "each cell once",
    "SmartScan",
)


def main() -> int:
    """Run the rows; return 1 where something is not as promised."""
    given = _words().parse_args()
    pace = QUICK if given.quick else USUAL
    pace = replace(pace, lookahead=given.lookahead or None)
    rows = [BY_NAME[name] for name in given.row] or list(ROWS)
    with tempfile.TemporaryDirectory(prefix="cosmic-faults-") as name:
        Path(name).chmod(0o755)
        results = asyncio.run(run(rows, Path(name), pace, given.together))
    wrong = [f"{result.row.name}: {problem}" for result in results for problem in problems(result)]
    if given.json:
        document = {"lookahead": pace.lookahead, "rows": [as_dict(result) for result in results], "wrong": wrong}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        sys.stdout.write((markdown if given.markdown else table)([cells(result) for result in results]))
    for line in wrong:
        console().print(f"not as promised: {line}")
    return int(bool(wrong))


async def run(rows: Sequence[Row], folder: Path, pace: Pace, together: int) -> list[Result]:
    """Run rows, `together` at a time, with a line each on stderr."""
    parts = {
        dense: make_part(folder / f"parts-{dense}" / "square", pace, dense=dense)
        for dense in {row.dense for row in rows}
    }
    room = asyncio.Semaphore(together)
    began_s = time.monotonic()
    done = 0

    async def one(row: Row) -> Result:
        nonlocal done
        async with room:
            try:
                result = await run_row(row, folder / row.name, parts[row.dense], pace)
            except (
                AssertionError,
                TimeoutError,
                OSError,
                SubprocessError,
            ) as error:  # the others are run all the same
                result = Result(row, None, "", None, [f"{type(error).__name__}: {error}"])
        done += 1
        said = "; ".join(problems(result)) or result.skipped or "as promised"
        console().print(f"{done}/{len(rows)} {row.name}: {said} ({time.monotonic() - began_s:.0f} s)")
        return result

    return await asyncio.gather(*(one(row) for row in rows))


def problems(result: Result) -> list[str]:
    """Return what is not as promised, the recovery's time among it."""
    took_s = None if result.verdict is None else result.verdict.recovery_s
    if took_s is None or result.worst_s is None or took_s <= result.worst_s:
        return result.problems
    return [*result.problems, f"recovery took {took_s:.2f} s, more than {result.worst_s:.2f} s"]


def cells(result: Result) -> list[str]:
    """Return the row as text."""
    verdict, worst = result.verdict, result.worst_s
    if verdict is None:
        return [result.row.fault, result.skipped or "; ".join(result.problems), *["-"] * (len(HEAD) - 2)]
    recovery = "-" if verdict.recovery_s is None or result.row.worst is None else f"{verdict.recovery_s:.2f}"
    lost = f"{verdict.lost}" + (f" (said: {verdict.stopped})" if verdict.stopped else "")
    return [
        result.row.fault,
        seen(result),
        f"{verdict.fallbacks} of {verdict.windows}",
        recovery,
        "-" if worst is None else f"{worst:.1f}",
        lost,
        "yes" if verdict.every_cell_once else "NO",
        f"{verdict.orders_equal} of {verdict.orders_checked}",
    ]


def seen(result: Result) -> str:
    """Return what a person sees of the fault: the states after `printing`, alarms by kind, and the link's cause."""
    verdict = result.verdict
    assert verdict is not None
    state = next((one for one in ("fault", "degraded") if one in verdict.states), "")
    alarms = [kind for kind in verdict.alarms if kind != "loop_lag"]
    causes = [cause for cause in verdict.causes if "no decision by" not in cause][:2]
    words = [*([f"state {state}"] if state else []), *([", ".join(alarms)] if alarms else []), *causes]
    return "; ".join(words) or "nothing"


def as_dict(result: Result) -> dict[str, Any]:
    """Return the row as JSON."""
    return {
        "row": result.row.name,
        "fault": result.row.fault,
        "skipped": result.skipped,
        "worst_s": result.worst_s,
        "worst_case": result.row.worst.formula if result.row.worst else "",
        "problems": problems(result),
        **({} if result.verdict is None else {**asdict(result.verdict), "fallbacks": result.verdict.fallbacks}),
    }


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return the table as Markdown."""
    lines = [HEAD, ["---"] * len(HEAD), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return the table for a terminal."""
    short = [[row[0][:60], row[1][:70], *row[2:]] for row in [list(HEAD), *map(list, rows)]]
    widths = [max(len(row[column]) for row in short) for column in range(len(HEAD))]
    return "".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + "\n" for row in short
    )


def _words() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("row", nargs="*", help="rows to run; none: all")
    words.add_argument("--lookahead", type=int, default=8, help="windows decided ahead; 0: the whole layer")
    words.add_argument("--quick", action="store_true", help="short pings and layers, as the tests")
    words.add_argument("--together", type=int, default=1, help="rows at a time: they mostly wait")
    words.add_argument("--json", action="store_true")
    words.add_argument("--markdown", action="store_true")
    return words


if __name__ == "__main__":
    sys.exit(main())
