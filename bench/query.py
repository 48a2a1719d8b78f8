"""Reports over HTTP: rates against a canned answer, first answers, long intervals, and what they cost Redis."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import msgspec

from bench.asking import Asker, body, distinct_intervals
from bench.data import DAY_US
from bench.datasets import INTERACTION_PARTITION, PAGES_PARTITION, busy_history, load
from bench.figures import Rounds, Table
from bench.load import Load
from bench.over_time import OverTime
from bench.query_table import query_table
from bench.redis_time import RedisTime, slow, watch_slow
from bench.servers import BenchWorld, port_of

KINDS = {"page_navigation": PAGES_PARTITION, "interaction": INTERACTION_PARTITION}
_FED = 1_000  # events a second that enter the asked workflow
_MOST_DISTINCT = 64_000  # of 64,800 pairs of edges; two processes on fast cores need 11,000 a second


class Query:
    """One run of the query figures."""

    def __init__(self, world: BenchWorld, *, quick: bool) -> None:
        self._world = world
        self._quick = quick
        self._rounds = Rounds()
        self._has_processes = "--processes" in world.output(world.sidedata("serve", "--help"))
        self._paths = {kind: world.path(world.names(partition)) for kind, partition in KINDS.items()}
        self._sizes: dict[str, int] = {}

    def run(self) -> Table:
        """Load, measure, tell."""
        world, quick = self._world, self._quick
        over_time = OverTime(world, self._rounds, quick=quick)
        if not world.was_kept:
            for kind, partition in KINDS.items():
                load(world, world.names(partition), busy_history(kind, quick=quick))
            over_time.load()
            world.keep()
        watch_slow(world.redis)
        self._look()
        for number in range(1 if quick else 5):
            print(f"  round {number + 1}", flush=True)
            for kind in KINDS:
                self._canned(kind)
                self._polled(kind)
                self._distinct(kind, processes=1)
                self._distinct(kind, processes=2)
                self._first(kind)
            self._lengths()
            over_time.measure()
        for kind in KINDS:
            self._quiet(kind)
        table = query_table(self._rounds, slow(world.redis), self._sizes, self._busiest)
        over_time.add_rows(table)
        return table

    def once(self) -> Rounds:
        """Measure one round of loaded histories, to compare builds."""
        self._look()
        for kind in KINDS:
            self._canned(kind)
            self._polled(kind)
            self._distinct(kind, processes=1)
            self._first(kind)
        return self._rounds

    @contextmanager
    def _service(self, *arguments: str) -> Iterator[int]:
        process, port = self._world.serve(*arguments)
        try:
            yield port
        finally:
            self._world.stop(process)

    def _look(self) -> None:
        """Measure the length of answers, and check that the workflow is as busy as intended."""
        with self._service() as port:
            asker = Asker(port, self._world.token())
            now = time.time_ns() // 1000
            for kind, path in self._paths.items():
                self._sizes[kind] = asker.patient_report(path, now - 30 * DAY_US, now).size
            pages = asker.patient_report(self._paths["page_navigation"], now - 30 * DAY_US, now).figures
            self._busiest = max(value for value, _ in pages["timeframe_stat"]["hour_in_day"]) / 30
            asker.close()

    def _canned(self, kind: str) -> None:
        process = self._world.python("bench.canned", self._sizes[kind])
        done = self._load(port_of(process), "/canned")
        self._rounds.add(f"C {kind}", done)
        self._world.stop(process)

    def _load(self, port: int, path: str, bodies: str = "", seconds: float = 6.0) -> float:
        if self._quick:
            seconds = 2.0
        done = self._world.load(Load(port, path, self._world.token(), bodies, seconds=seconds))
        self._rounds.add("generator's share of a processor", done.busy)
        self._rounds.add("refused", done.refused)
        if done.exhausted:
            raise RuntimeError(f"{path}: there were too few bodies for {seconds} seconds")
        return done.rate

    def _polled(self, kind: str) -> None:
        """Everybody asks for the last 30 days while events come in."""
        world = self._world
        worker = world.sidedata("worker")
        feed = world.python("bench.feed", world.url, KINDS[kind], world.partitions, _FED, kind)
        before = time.perf_counter(), world.applied(world.partitions)
        with self._service() as port:
            self._rounds.add(f"polled {kind}", self._load(port, self._paths[kind]))
        seconds = time.perf_counter() - before[0]
        self._rounds.add("applied events/s meanwhile", (world.applied(world.partitions) - before[1]) / seconds)
        world.stop(feed)
        world.drained(world.partitions)
        world.stop(worker)

    def _distinct(self, kind: str, *, processes: int) -> None:
        """No two questions are the same, and nothing changes."""
        world = self._world
        arguments = ("--processes", str(processes)) if processes > 1 else ()
        if arguments and not self._has_processes:
            return
        bodies = world.directory / "bodies"
        intervals = distinct_intervals(time.time_ns() // 1000, _MOST_DISTINCT)
        bodies.write_bytes(msgspec.msgpack.encode([body(*interval) for interval in intervals]))
        with self._service(*arguments) as port:
            rate = self._load(port, self._paths[kind], str(bodies), seconds=6.0 if processes == 1 else 4.0)
            self._rounds.add(f"{processes} distinct {kind}", rate)

    def _first(self, kind: str) -> None:
        """The first report of a fresh process, over a connection that is open."""
        with self._service() as port:
            asker = Asker(port, self._world.token())
            asker.ping()
            now = time.time_ns() // 1000
            start = time.perf_counter()
            asker.patient_report(self._paths[kind], now - 30 * DAY_US, now)
            first = 1000 * (time.perf_counter() - start)  # refusals before it included
            ping = median(asker.ping() for _ in range(50))
            self._rounds.add(f"first {kind}", first - ping)
            asker.close()

    def _lengths(self) -> None:
        """400 days against 1 day, at random places."""
        rng = random.Random(len(self._rounds.of("C interaction")))
        now = time.time_ns() // 1000
        asked = 30 if self._quick else 150
        with self._service() as port:
            asker = Asker(port, self._world.token())
            for kind, path in self._paths.items():
                times: dict[int, list[float]] = {1: [], 400: []}
                for number in range(asked + 20):
                    for days, found in times.items():
                        # The long ones end up to a day ahead of now or ten days before it: all days that are kept.
                        end = now + int(rng.uniform(-10, 1) * DAY_US)
                        if days == 1:
                            end = now - int(rng.uniform(0, 398) * DAY_US)
                        ms = asker.patient_report(path, end - days * DAY_US, end).ms
                        if number >= 20:  # those before warm the process up
                            found.append(ms)
                for days, found in times.items():
                    self._rounds.add(f"{days} days {kind}", median(found))
            asker.close()

    def _quiet(self, kind: str) -> None:
        """Measure Redis's time for polls while nothing changes."""
        with self._service() as port:
            asker = Asker(port, self._world.token())
            now = time.time_ns() // 1000
            for _ in range(20):
                asker.patient_report(self._paths[kind], now - 30 * DAY_US, now)
            redis_time = RedisTime(self._world.redis)
            polls = 500 if self._quick else 5_000
            for _ in range(polls):
                now = time.time_ns() // 1000
                asker.patient_report(self._paths[kind], now - 30 * DAY_US, now)
            self._rounds.add(f"redis µs {kind}", redis_time.commands_us() / polls)
            self._rounds.add(f"redis cpu µs {kind}", redis_time.cpu_us() / polls)
            self._rounds.add(f"pfcount {kind}", redis_time.calls("pfcount"))
            asker.close()
