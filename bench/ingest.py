"""The worker against an empty consumer, Redis's time per event, and events over HTTP."""

import time
from typing import Final

import msgspec

from bench.data import mix
from bench.figures import Rounds, Table, percentile, short
from bench.latency import latencies
from bench.load import Load
from bench.redis_time import RedisTime
from bench.servers import BenchWorld
from bench.wire import Stream, packed
from sidedata.schema import keys

_SPAN_US: Final = 300 * 1_000_000  # events of the last 5 minutes, as a worker sees them that keeps up
_VISITORS: Final = 100_000
_INGEST = "/api/ingest/v1/orgs/{}/events"


class Ingest:
    """One run of the ingest figures; every measurement has a Redis of its own."""

    def __init__(self, *, quick: bool) -> None:
        self._quick = quick
        self._count = 60_000 if quick else 400_000
        self._rounds = Rounds()
        self._bytes = 0.0

    def run(self) -> Table:
        """Measure and tell."""
        for number in range(1 if self._quick else 5):
            print(f"  round {number + 1}", flush=True)
            self._single(number)
            self._packed(number)
            self._http(number)
            for entries in (1, 100):
                self._two_workers(number, entries)
        self._latency()
        return self._table()

    def _lines(self, world: BenchWorld, partition: int, seed: int, count: int) -> list[bytes]:
        now = time.time_ns() // 1000
        lines = world.names(partition).lines(mix(seed, count, _VISITORS, now - _SPAN_US, now), 0)
        self._bytes = sum(map(len, lines)) / len(lines)
        return lines

    def _single(self, seed: int) -> None:
        with BenchWorld() as world:
            lines = self._lines(world, 0, seed, self._count)
            Stream(world.url).add(0, "event", lines)
            self._rounds.add("E", self._empty(world, len(lines)))
            self._rounds.add("single", self._drain(world, len(lines), workers=1, partitions=1))

    def _packed(self, seed: int) -> None:
        with BenchWorld() as world:
            lines = self._lines(world, 0, seed, 2 * self._count)
            Stream(world.url).add(0, "events", packed(lines, 100))
            self._rounds.add("E of entries of 100", 100 * self._empty(world, len(lines) // 100))
            self._rounds.add("packed", self._drain(world, len(lines), workers=1, partitions=1))

    def _empty(self, world: BenchWorld, entries: int) -> float:
        return float(world.output(world.python("bench.empty", world.url, keys.keyspace(0).events, entries)))

    def _drain(self, world: BenchWorld, events: int, *, workers: int, partitions: int) -> float:
        """Events a second from the first commit seen to the last."""
        started = [world.sidedata("worker") for _ in range(workers)]
        while not (first := world.applied(partitions)):
            time.sleep(0.005)
        start = time.perf_counter()
        world.wait_applied(events, partitions)
        seconds = time.perf_counter() - start
        for worker in started:
            world.stop(worker)
        return (events - first) / seconds

    def _two_workers(self, seed: int, entries: int) -> None:
        """Two partitions each; an installation of four, so that each worker's share is two."""
        with BenchWorld(partitions=4) as world:
            each = self._count // 4 * (1 if entries == 1 else 2)
            stream = Stream(world.url)
            for partition in range(4):
                lines = self._lines(world, partition, seed, each)
                stream.add(
                    partition, "event" if entries == 1 else "events", lines if entries == 1 else packed(lines, entries)
                )
            redis_time = RedisTime(world.redis)
            self._rounds.add(f"two workers, {entries}", self._drain(world, 4 * each, workers=2, partitions=4))
            self._rounds.add(f"redis µs, {entries}", redis_time.commands_us() / (4 * each))
            self._rounds.add(f"redis cpu µs, {entries}", redis_time.cpu_us() / (4 * each))

    def _http(self, seed: int) -> None:
        with BenchWorld() as world:
            lines = self._lines(world, 0, seed, self._count)
            bodies = world.directory / "bodies"
            # A quarter of the events in batches, each sent many times: nothing applies them here.
            batches = [b"\n".join(lines[at : at + 1000]) for at in range(0, len(lines) // 4, 1000)]
            bodies.write_bytes(msgspec.msgpack.encode(batches * 24))
            _, port = world.serve()
            path = _INGEST.format(world.names(0).organization)
            load = Load(port, path, world.token(), str(bodies), "application/x-ndjson", 32, seconds=4, warm_seconds=0.5)
            self._rounds.add("http", 1000 * world.load(load).rate)

    def _latency(self) -> None:
        rate = self._rounds.median("single") / 2
        with BenchWorld() as world:
            found = latencies(world, rate, probes=50 if self._quick else 400)
        self._at = rate
        self._latencies = found

    def _table(self) -> Table:
        rounds, table = self._rounds, Table("ingest")
        table.add(
            "E, single entries", "", f"{short(rounds.median('E'))} events/s", None, f"{self._bytes:.0f} bytes an event"
        )
        for name, what, target in (("single", "single entries", 0.6), ("packed", "entries of 100 events", 1.5)):
            ratio = rounds.ratio(name, "E")
            source = f"{short(rounds.median(name))} events/s"
            table.add(f"{what}, one worker", f"{target} E", f"{ratio:.2f} E", ratio >= target, source)
        source = f"{short(rounds.median('E of entries of 100'))} events/s"
        table.add("(the empty consumer on entries of 100)", "", "", None, source)
        for entries, what in ((1, "single entries"), (100, "entries of 100")):
            us = rounds.median(f"redis µs, {entries}")
            source = (
                f"main thread {rounds.median(f'redis cpu µs, {entries}'):.1f} µs; "
                f"{short(rounds.median(f'two workers, {entries}'))} events/s"
            )
            table.add(f"Redis time per event, two workers, {what}", "5 µs", f"{us:.2f} µs", us < 5, source)
        p99 = percentile(self._latencies, 0.99)
        source = f"median {percentile(self._latencies, 0.5):.0f} ms, at {short(self._at)} events/s"
        table.add("event to answer, 99th percentile", "1 s", f"{p99:.0f} ms", p99 < 1000, source)
        ratio = rounds.ratio("http", "packed")
        source = f"{short(rounds.median('http'))} events/s; {rounds.ratio('http', 'single'):.2f} of the rate of single entries"
        table.add("HTTP, NDJSON of 1,000", "0.5 of the worker", f"{ratio:.2f} of entries of 100", ratio >= 0.5, source)
        return table
