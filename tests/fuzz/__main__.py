# ruff: noqa: T201  it prints its results
"""`make fuzz MINUTES=1`: every target in turn, in two processes, for so long; exit 1 where something was found."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.fuzz.campaign import Outcome, campaign
from tests.fuzz.targets import targets


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--minutes", type=float, default=1.0, help="of this machine's time, over all targets")
    parser.add_argument("--seed", type=int, default=None, help="unset: the clock's")
    parser.add_argument("--target", action="append", help="only this one; may be given again")
    parser.add_argument("--processes", type=int, default=2)
    words = parser.parse_args()
    seed = int(time.time()) if words.seed is None else words.seed
    chosen = [target for target in targets() if not words.target or target.name in words.target]
    if not chosen:
        parser.error(f"no such target; there are {', '.join(target.name for target in targets())}")
    share_s = 60.0 * words.minutes * words.processes / sum(target.weight for target in chosen)
    print(f"seed {seed}, {len(chosen)} targets, {words.minutes:g} min")
    outcomes: list[Outcome] = []
    with ProcessPoolExecutor(words.processes) as pool:
        running = [pool.submit(_one, target.name, seed, share_s * target.weight) for target in chosen]
        for future in running:
            outcome = future.result()
            outcomes.append(outcome)
            print(
                f"{outcome.target:<20}{outcome.inputs:>12} inputs  {outcome.accepted:>10} accepted  "
                f"{outcome.refused:>10} refused  {len(outcome.findings)} findings",
                flush=True,
            )
    wire = sum(
        one.inputs for one in outcomes if one.target in ("agent-message", "coordinator-message", "conversation")
    )
    found = {name: text for outcome in outcomes for name, text in outcome.findings.items()}
    print(f"{sum(one.inputs for one in outcomes)} inputs, {wire} of them wire messages, {len(found)} findings")
    for name, text in found.items():
        print(f"\ntests/fuzz/findings/{name}\n{text}")
    return 1 if found else 0


def _one(name: str, seed: int, seconds: float) -> Outcome:
    (target,) = [target for target in targets() if target.name == name]
    return campaign(target, seed, seconds=seconds)


if __name__ == "__main__":
    sys.exit(main())
