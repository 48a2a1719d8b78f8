"""`python -m bench [name …] [--quick] [--write]`: measure, print the tables, put them in the README.

`python -m bench compare --base PATH`: this checkout against another one, see `bench/compare/`.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.figures import Table
from bench.readme import versions, write


def _query(*, quick: bool, kept: Path | None = None) -> list[Table]:
    from bench.query import Query  # noqa: PLC0415 - each measurement loads what it needs
    from bench.servers import BenchWorld  # noqa: PLC0415

    with BenchWorld(kept=kept) as world:
        return [Query(world, quick=quick).run()]


def _ingest(*, quick: bool) -> list[Table]:
    from bench.ingest import Ingest  # noqa: PLC0415

    return [Ingest(quick=quick).run()]


def _market(*, quick: bool) -> list[Table]:
    from bench.on_market import run  # noqa: PLC0415

    return run(quick=quick)


_MEASUREMENTS: dict[str, Callable[..., list[Table]]] = {"query": _query, "ingest": _ingest, "market": _market}


def main() -> None:
    """Run what is asked for."""
    if sys.argv[1:2] == ["compare"]:
        from bench.compare.__main__ import main as compare  # noqa: PLC0415 - each measurement loads what it needs

        compare(sys.argv[2:])
        return
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help="query, ingest, market (peers, memory, accuracy)")
    parser.add_argument("--quick", action="store_true", help="small data and one round, to try the code")
    parser.add_argument(
        "--kept", type=Path, help="file that keeps the loaded history of `query` for runs of the same day"
    )
    parser.add_argument("--write", action="store_true", help="put the tables in bench/README.md")
    given = parser.parse_args()
    unknown = set(given.names) - set(_MEASUREMENTS)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(_MEASUREMENTS)}")
    # Ended from outside, the servers must end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for name in given.names or list(_MEASUREMENTS):
        print(name, flush=True)
        start = time.perf_counter()
        options = {"kept": given.kept} if name == "query" else {}
        for table in _MEASUREMENTS[name](quick=given.quick, **options):
            minutes = (time.perf_counter() - start) / 60
            made = f"`python -m bench {name}{' --quick' if given.quick else ''}`, {minutes:.0f} minutes. {versions()}"
            print(f"\n## {table.name}\n{made}\n\n{table.text()}\n", flush=True)
            if given.write:
                write(table, made)


if __name__ == "__main__":
    main()
