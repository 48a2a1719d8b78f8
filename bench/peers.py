"""Reports of the 5,000,000 events: ours over HTTP, DuckDB's and chDB's in-process, the same intervals for all."""

import random
from statistics import median
from typing import Any

from bench.asking import Asker
from bench.data import DAY_US
from bench.databases import ChDB, Database, DuckDB
from bench.datasets import MARKET_PARTITION, Market
from bench.exact import Exact
from bench.figures import Rounds, Table, short
from bench.servers import BenchWorld

_DAYS = 30
_CHUNK = 200_000


class Peers:
    """One run of the comparison."""

    def __init__(self, world: BenchWorld, made: Market, our_seconds: float, *, quick: bool) -> None:
        self._world = world
        self._made = made
        self._our_seconds = our_seconds
        self._quick = quick
        self._rounds = Rounds()
        self._errors: dict[str, list[float]] = {}
        self._random = random.Random(3)
        self._known: set[tuple[int, tuple[int, int]]] = set()
        self._names = world.names(MARKET_PARTITION)

    def run(self) -> Table:
        """Load the peers, ask all, tell."""
        lines = self._world.directory / "events.ndjson"
        with lines.open("wb") as file:
            events = self._made.events.where(
                self._made.events.workflows >= 0
            )  # outer goals have no workflow to ask for
            for first in range(0, len(events.at_us), _CHUNK):
                file.write(b"\n".join(self._names.lines(events.part(first, first + _CHUNK), None)) + b"\n")
        databases: list[Database] = [maker(lines, self._world.directory) for maker in (DuckDB, ChDB)]
        lines.unlink()
        process, port = self._world.serve()
        asker = Asker(port, self._world.token())
        for number in range(1 if self._quick else 5):
            print(f"  round {number + 1}", flush=True)
            for rank in (self._made.busiest, self._made.median):
                self._round(asker, databases, rank)
        for database in databases:
            database.close()
        asker.close()
        self._world.stop(process)
        return self._table(databases)

    def _round(self, asker: Asker, databases: list[Database], rank: int) -> None:
        """The same few questions to each in turn."""
        path, workflow = self._world.path(self._names, rank), self._names.workflows[rank]
        times: dict[str, list[float]] = {}
        asker.patient_report(
            path, self._made.end_us - 2 * DAY_US, self._made.end_us
        )  # the first may find the process idle
        asked = 0
        while asked < 8:
            start = int(self._random.uniform(self._made.start_us, self._made.end_us - _DAYS * DAY_US))
            result = asker.report(path, start, start + _DAYS * DAY_US)
            if (rank, result.effective) in self._known:
                continue  # it was in the cache
            self._known.add((rank, result.effective))
            asked += 1
            times.setdefault("ours", []).append(result.ms)
            again = asker.report(path, start, start + _DAYS * DAY_US)
            times.setdefault("ours again", []).append(again.ms)
            truth: Exact | None = None
            for database in databases:
                for exact in (True, False):
                    name = f"{database.name} {'exact' if exact else 'approximate'}"
                    answer, ms = database.ask(workflow, *result.effective, exact=exact)
                    times.setdefault(name, []).append(ms)
                    if exact and truth not in (None, answer):
                        raise RuntimeError(f"the exact counts differ: {truth} and {answer}")
                    truth = answer if truth is None else truth
                    self._note(f"{rank} {name}", answer, truth)
            if truth is not None:
                self._note(f"{rank} ours", _exact(result.figures), truth)
        for name, found in times.items():
            self._rounds.add(f"{rank} {name}", median(found))

    def _note(self, name: str, result: Exact, true: Exact) -> None:
        pairs = [
            (result.visitors, true.visitors),
            (result.sessions, true.sessions),
            *zip(result.hours, true.hours, strict=True),
            *zip(result.weekdays, true.weekdays, strict=True),
        ]
        self._errors.setdefault(name, []).extend(abs(a - b) / b for a, b in pairs if b >= 50)

    def _table(self, databases: list[Database]) -> Table:
        header = ("system", "workflow", "one report", "sidedata is faster", "must be", "met", "worst error", "loading")
        table = Table("peers", header=header)
        for rank, words in ((self._made.busiest, "busiest"), (self._made.median, "median")):
            mine = f"{rank} ours"
            rate = f"{len(self._made.events.at_us) / self._our_seconds:,.0f} events/s"
            loading = f"{self._our_seconds:.0f} s, {rate}"
            for name, what in (("ours", "sidedata, never asked before"), ("ours again", "sidedata, asked before")):
                ms = f"{short(self._rounds.median(f'{rank} {name}'))} ms"
                table.rows.append((what, words, ms, "", "", "", self._worst(mine), loading))
            for database in databases:
                for exact, least in ((True, 25), (False, 10)):
                    name = f"{database.name} {'exact' if exact else 'approximate'}"
                    theirs = f"{rank} {name}"
                    ratio = self._rounds.ratio(theirs, mine)
                    again = self._rounds.ratio(theirs, f"{rank} ours again")
                    table.rows.append(
                        (
                            name,
                            words,
                            f"{short(self._rounds.median(theirs))} ms",
                            f"{ratio:.1f} times ({again:.1f} asked before)",
                            f"{least} times",
                            "yes" if ratio >= least else "**no**",
                            self._worst(theirs),
                            f"{database.loaded_seconds:.0f} s",
                        )
                    )
        return table

    def _worst(self, name: str) -> str:
        errors = self._errors[name]
        return f"{max(errors):.2%}" if any(errors) else "exact"


def _exact(result: Any) -> Exact:  # noqa: ANN401 - JSON
    """A report in the shape of the exact answer."""
    stat = result["timeframe_stat"]
    return Exact(
        result["unique_visitors_count"],
        result["unique_sessions_count"],
        [value for value, _ in stat["hour_in_day"]],
        [value for value, _ in stat["day_in_week"]],
    )
