"""`make torture`: run after run until there were enough kill points; `SEED=n` begins with that seed, `KILLS=n` their number."""

import asyncio
import logging
import os
import random
import sys
import time
from collections import Counter

from tests.torture.run import torture

_KILLS_OF_A_RUN = 40


def main() -> int:
    """0 when nothing was lost or doubled."""
    logging.getLogger("sidedata").setLevel(logging.ERROR)  # Redis is gone now and then; that is no news here
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    wanted = int(os.environ.get("KILLS") or 500)
    blows: Counter[str] = Counter()
    kill_points = events = retries = runs = 0
    started = time.monotonic()
    print(f"seed {seed}, at least {wanted} kill points", flush=True)  # noqa: T201 - what the command is for
    while kill_points < wanted:
        failed: list[str] = []
        try:
            result = asyncio.run(torture(seed + runs, min(_KILLS_OF_A_RUN, wanted - kill_points), freeze=runs % 4 == 3))
        except* AssertionError as group:
            print(f"seed {seed + runs} failed; repeat with: SEED={seed + runs} make torture", flush=True)  # noqa: T201
            failed = [str(error) for error in group.exceptions]
        if failed:
            print(*failed, sep="\n")  # noqa: T201
            return 1
        runs += 1
        kill_points += result.kill_points
        events += result.events
        retries += result.retries
        blows += result.blows
        print(  # noqa: T201
            f"seed {result.seed}: {result.kill_points} kill points, {result.events} events, {result.retries} retries, "
            f"{result.answers_compared} small counts compared, 0 differences, {result.seconds:.0f} s",
            flush=True,
        )
    for name, count in sorted(blows.items(), key=lambda item: -item[1]):
        print(f"{count:6}  {name}")  # noqa: T201
    seconds = time.monotonic() - started
    print(  # noqa: T201
        f"{runs} runs, {kill_points} kill points, {events} events, {retries} retries, 0 differences, {seconds:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
