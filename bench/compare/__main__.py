"""`python -m bench compare --base PATH [scenario …]`: this checkout against another one, round by round, each in its turn.

Each build works on a server of its own, with its own commands; feeder, load generator and server are the same for both. A round
measures both, and the order changes from round to round. The table shows medians; `ratio` is the median of the rounds' ratios.
"""

import argparse
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from bench.compare import id_scenario, ingest_scenarios, query_scenario
from bench.compare.builds import Build, builds
from bench.compare.scenario import Row, Scenario
from bench.figures import Rounds, Table, short

SCENARIOS: Mapping[str, Scenario] = {
    **ingest_scenarios.SCENARIOS,
    "ids": id_scenario.SCENARIO,
    "query": query_scenario.SCENARIO,
}
_HEADER = ("what", "must reach", "base", "here", "ratio", "met", "ratios of the rounds")


def main(arguments: list[str]) -> None:
    """Measure the scenarios that are asked for, and print a table."""
    parser = argparse.ArgumentParser("python -m bench compare", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=", ".join(SCENARIOS))
    parser.add_argument("--base", type=Path, required=True, help="checkout of the base, with its own .venv")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--server", help="the server's executable file, of Redis or Valkey")
    parser.add_argument("--quick", action="store_true", help="small data, to try the code")
    given = parser.parse_args(arguments)
    unknown = set(given.scenarios) - set(SCENARIOS)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ended from outside, the servers must end too
    pair = builds(given.base)
    table = Table("comparison", header=_HEADER)
    for name in given.scenarios or SCENARIOS:
        rounds = compare(name, pair, rounds=given.rounds, server=given.server, quick=given.quick)
        for row in SCENARIOS[name].rows:
            table.rows.append(_cells(row, rounds))
    commits = ", ".join(f"{build.name} {build.commit()}" for build in pair)
    print(f"\n{commits}; {given.rounds} rounds; load average {os.getloadavg()[1]:.1f}\n\n{table.text()}", flush=True)


def compare(name: str, pair: tuple[Build, Build], *, rounds: int, server: str | None, quick: bool) -> Rounds:
    """Measure a scenario for both builds in turn; each figure is recorded as `<build> <figure>`."""
    scenario, found = SCENARIOS[name], Rounds()
    with ExitStack() as kept:
        worlds = {}
        if scenario.prepare is not None:
            for build in pair:
                worlds[build.name] = kept.enter_context(build.world(scenario.partitions, server))
                scenario.prepare(worlds[build.name], quick)
        for number in range(rounds):
            print(f"  {name}, round {number + 1}", flush=True)
            for build in pair if number % 2 == 0 else reversed(pair):
                if worlds:
                    figures = scenario.measure(worlds[build.name], number, quick)
                else:
                    with build.world(scenario.partitions, server) as world:
                        figures = scenario.measure(world, number, quick)
                for figure, value in figures.items():
                    found.add(f"{build.name} {figure}", value)
    return found


def _cells(row: Row, rounds: Rounds) -> tuple[str, ...]:
    base, here = f"base {row.figure}", f"here {row.figure}"
    ratio = rounds.ratio(here, base)
    measured = rounds.median(here) if row.limit else ratio
    target = met = ""
    if row.target is not None:
        reached = measured >= row.target if row.higher else measured <= row.target
        target, met = short(row.target), "yes" if reached else "**no**"
    ratios = sorted(a / b for a, b in zip(rounds.of(here), rounds.of(base), strict=True))
    spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
    return row.what, target, short(rounds.median(base)), short(rounds.median(here)), f"{ratio:.2f}", met, spread


if __name__ == "__main__":
    main(sys.argv[1:])
