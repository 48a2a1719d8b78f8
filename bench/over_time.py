"""Timelines and overviews over HTTP: against a canned answer, never asked for before, and the cost of `Sidedata-As-Of`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import msgspec

from bench.asking import Asker, OverloadError, body, distinct_intervals
from bench.data import DAY_US, mix
from bench.datasets import PAGES_PARTITION, load, this_hour_us
from bench.figures import Rounds, Table, short
from bench.load import Load
from bench.redis_time import RedisTime
from bench.servers import BenchWorld, port_of

OVERVIEW_PARTITION = 3
_OVERVIEW = "/api/reporting/workflow/v1/orgs/{}/sidedata/"
_MEDIAN_RANKS = range(50, 150)
_GRANULARITIES = ("day", "hour")
_FED = 1_000  # events a second that enter the asked workflow


class OverTime:
    """The rows of timelines and overviews; `rounds` has the single reports of the same rounds."""

    def __init__(self, world: BenchWorld, rounds: Rounds, *, quick: bool) -> None:
        self._world = world
        self._rounds = rounds
        self._quick = quick
        self._names = world.names(OVERVIEW_PARTITION)
        self._timeline = world.path(world.names(PAGES_PARTITION)) + "timeline/"
        self._overview = _OVERVIEW.format(self._names.organization)
        self._workflows = [self._names.workflows[rank] for rank in _MEDIAN_RANKS]
        self._sizes: dict[str, int] = {}

    def load(self) -> None:
        """Load an organization of 200 workflows, of which the 100 in the middle are asked for."""
        end_us = this_hour_us()
        count = 100_000 if self._quick else 1_000_000
        load(self._world, self._names, [mix(7, count, count // 10, end_us - 32 * DAY_US, end_us)])

    def measure(self) -> None:
        """Run one round."""
        for granularity in _GRANULARITIES:
            self._polled(granularity)
            self._distinct(granularity)
        self._polled_overview()
        for name, more in (("overview", {}), ("overview with points", {"granularity": "day"})):
            with self._asker() as asker:
                self._rounds.add(f"first {name}", self._ask(asker, self._overview, workflows=self._workflows, **more))
        with self._asker() as asker:
            path = self._world.path(self._names, _MEDIAN_RANKS[len(_MEDIAN_RANKS) // 2])
            self._rounds.add("first of a median workflow", self._ask(asker, path))

    @contextmanager
    def _asker(self) -> Iterator[Asker]:
        process, port = self._world.serve()
        asker = Asker(port, self._world.token())
        asker.ping()
        try:
            yield asker
        finally:
            asker.close()
            self._world.stop(process)

    def _ask(self, asker: Asker, path: str, **more: object) -> float:
        """Milliseconds of an answer over the last 30 days, refusals before it included."""
        now = time.time_ns() // 1000
        sent = body(now - 30 * DAY_US, now, **more)
        start = time.perf_counter()
        for _ in range(100):
            try:
                answer = asker.answer(path, sent)
            except OverloadError:
                continue
            self._sizes[path + str(more.get("granularity", ""))] = answer.size
            return 1000 * (time.perf_counter() - start)
        raise RuntimeError(f"{path}: a hundred answers of 503")

    def _polled(self, granularity: str) -> None:
        """All connections ask for the last 30 days while events come in."""
        world = self._world
        with self._asker() as asker:
            self._ask(asker, self._timeline, granularity=granularity)
        size = self._sizes[self._timeline + granularity]
        canned = world.python("bench.canned", size)
        self._rounds.add(f"C of {granularity}", self._rate(port_of(canned), "/canned"))
        world.stop(canned)
        worker = world.sidedata("worker")
        feed = world.python("bench.feed", world.url, PAGES_PARTITION, world.partitions, _FED, "page_navigation")
        process, port = world.serve()
        more = f',"granularity":"{granularity}"'
        self._rounds.add(f"polled by {granularity}", self._rate(port, self._timeline, more=more))
        world.stop(process)
        world.stop(feed)
        world.drained(world.partitions)
        world.stop(worker)

    def _distinct(self, granularity: str) -> None:
        """No two questions are the same, and nothing changes."""
        bodies = self._world.directory / "bodies"
        intervals = distinct_intervals(time.time_ns() // 1000, 24_000)
        bodies.write_bytes(msgspec.msgpack.encode([body(*interval, granularity=granularity) for interval in intervals]))
        process, port = self._world.serve()
        self._rounds.add(f"distinct by {granularity}", self._rate(port, self._timeline, bodies=str(bodies)))
        self._world.stop(process)

    def _rate(self, port: int, path: str, bodies: str = "", more: str = "") -> float:
        seconds = 1.0 if self._quick else 4.0
        return self._world.load(Load(port, path, self._world.token(), bodies, seconds=seconds, more=more)).rate

    def _polled_overview(self) -> None:
        """Poll an overview and a single report in turn while nothing changes."""
        path = self._world.path(self._names, _MEDIAN_RANKS[0])
        with self._asker() as asker:
            times: dict[str, list[float]] = {"single": [], "overview": [], "overview with points": []}
            for _ in range(5):  # so that nothing but polls follows
                self._ask(asker, path)
                self._ask(asker, self._overview, workflows=self._workflows, granularity="day")
            redis_time = RedisTime(self._world.redis)
            for _ in range(50 if self._quick else 300):
                times["single"].append(self._ask(asker, path))
                times["overview"].append(self._ask(asker, self._overview, workflows=self._workflows))
                points = self._ask(asker, self._overview, workflows=self._workflows, granularity="day")
                times["overview with points"].append(points)
            # Polls run no other script than that of the measurement.
            stats = self._world.redis.info("commandstats")
            scripts = sum(stats.get(f"cmdstat_{name}", {}).get("usec", 0) for name in ("evalsha", "evalsha_ro"))
            self._rounds.add("as-of share", scripts / max(1.0, redis_time.commands_us()))
        for name, found in times.items():
            self._rounds.add(f"polled {name}", median(found))

    def add_rows(self, table: Table) -> None:
        """Add the rows to the table of queries."""
        rounds = self._rounds
        for granularity, target in zip(_GRANULARITIES, (0.5, 0.3), strict=True):
            size = self._sizes[self._timeline + granularity]
            canned, rate = rounds.median(f"C of {granularity}"), rounds.median(f"polled by {granularity}")
            ratio = rounds.ratio(f"polled by {granularity}", f"C of {granularity}")
            what = f"polled timeline of 30 days by {granularity}, {short(size)} bytes, 1,000 events/s coming in"
            source = f"{short(rate)} of {short(canned)} requests/s"
            table.add(what, f"{target} C", f"{ratio:.2f} C", ratio >= target, source)
            ratio = rounds.ratio("1 distinct page_navigation", f"distinct by {granularity}")
            source = f"{short(rounds.median(f'distinct by {granularity}'))} requests/s"
            what = f"timelines by {granularity} never asked for before, against reports, page navigation"
            table.add(what, "1.5 times", f"{ratio:.2f} times", ratio <= 1.5, source)
        for name, most in (("overview", 1), ("overview with points", 2)):
            for what, words, single in (
                ("polled", "polled", "polled single"),
                ("first", "first of a fresh process", "first of a median workflow"),
            ):
                target = most * (8 if what == "polled" else 30)
                ratio = rounds.ratio(f"{what} {name}", single)
                source = f"{rounds.median(f'{what} {name}'):.2f} and {rounds.median(single):.2f} ms"
                text = f"{name} of 100 median workflows against one report, {words}"
                table.add(text, f"{target} times", f"{ratio:.1f} times", ratio <= target, source)
        share = rounds.median("as-of share")
        table.add("measuring `Sidedata-As-Of`, of Redis's time for these polls", "", f"{share:.1%}", None, "one client")
