"""Scenarios of ingest: a backlog, live traffic, a plain consumer beside it, an import."""

import time

from bench.compare.processor_time import Span, processor_seconds
from bench.compare.scenario import Row, Scenario
from bench.data import DAY_US, mix
from bench.figures import percentile
from bench.latency import probe_latencies
from bench.redis_time import RedisTime
from bench.servers import BenchWorld
from bench.wire import Stream
from sidedata.batched import batched
from sidedata.schema import keys

_VISITORS = 100_000
_LIVE_RATE = 4_000
_LIVE_PARTITIONS = 16
_SETTLE_SECONDS = 5.0


def _fill(world: BenchWorld, seed: int, count: int) -> None:
    """Append single entries of the last 5 minutes to partition 0, as a worker sees them that keeps up."""
    now = time.time_ns() // 1000
    lines = world.names(0).lines(mix(seed, count, _VISITORS, now - 300_000_000, now), 0)
    stream = Stream(world.url)
    stream.add(0, "event", lines)
    stream.close()


def _drain(world: BenchWorld, count: int) -> dict[str, float]:
    """Let a worker apply all, from the first commit that is seen on."""
    worker = world.sidedata("worker")
    while not (first := world.applied()):
        if worker.poll() is not None:
            raise RuntimeError(f"the worker has left with {worker.returncode}")
        time.sleep(0.005)
    span, start = Span(world, worker), time.perf_counter()
    world.wait_applied(count)
    seconds = time.perf_counter() - start
    figures = span.per_event(count - first)
    world.stop(worker)
    return {**figures, "events/s": (count - first) / seconds}


def _backlog(world: BenchWorld, seed: int, quick: bool) -> dict[str, float]:  # noqa: FBT001 - a measure's signature
    count = 60_000 if quick else 300_000
    _fill(world, seed, count)
    return _drain(world, count)


def _plain(world: BenchWorld, seed: int, quick: bool) -> dict[str, float]:  # noqa: FBT001
    count = 60_000 if quick else 200_000
    _fill(world, seed, count)
    redis_time = RedisTime(world.redis)
    consumer = world.python("bench.compare.plain_consumer", world.url, keys.keyspace(0).events, count)
    plain = float(world.output(consumer)) * 1e6 / count + redis_time.cpu_us() / count
    # A new worker scans all keys for organizations once; these are as many as the events.
    for names in batched(world.redis.scan_iter("plain:*", count=1_000), 1_000):
        world.redis.delete(*names)
    figures = _drain(world, count)
    ours = figures["worker µs"] + figures["Redis µs"]
    return {"plain µs": plain, "ours µs": ours, "share": ours / plain}


def _live(world: BenchWorld, seed: int, quick: bool) -> dict[str, float]:  # noqa: ARG001, FBT001 - the feeder seeds itself
    worker = world.sidedata("worker")
    feed = world.python("bench.feed", world.url, "all", world.partitions, _LIVE_RATE, "mix")
    time.sleep(_SETTLE_SECONDS)
    before, span = world.applied(world.partitions), Span(world, worker)
    time.sleep(3 if quick else 20)
    events = world.applied(world.partitions) - before
    figures = span.per_event(events)
    _, port = world.serve()
    found = probe_latencies(world, port, probes=30 if quick else 150)
    world.stop(feed)
    return {**figures, "p99 ms": percentile(found, 0.99), "longest ms": max(found)}


def _import(world: BenchWorld, seed: int, quick: bool) -> dict[str, float]:  # noqa: FBT001
    count = 100_000 if quick else 500_000
    now = time.time_ns() // 1000
    archive = world.directory / "archive.ndjson"
    lines = world.names(0).lines(mix(seed, count, count // 10, now - 90 * DAY_US, now), 0)
    archive.write_bytes(b"\n".join(lines))
    worker = world.sidedata("worker")
    redis_time, start = RedisTime(world.redis), time.perf_counter()
    push = world.sidedata("push", str(archive))
    world.output(push)
    world.wait_applied(count, world.partitions)
    seconds = time.perf_counter() - start
    return {
        "events/s": count / seconds,
        "worker µs": processor_seconds(worker.pid) * 1e6 / count,
        "Redis µs": redis_time.cpu_us() / count,
    }


SCENARIOS = {
    "backlog": Scenario(
        _backlog,
        [
            Row("events/s", "single entries in a backlog, one worker, one partition, events/s", 1.6, higher=True),
            Row("worker µs", "the same, the worker's processor time of an event, µs", 0.6),
            Row("Redis µs", "the same, Redis's, µs", 0.75),
            Row("commands µs", "the same, time of Redis's commands alone, µs"),
        ],
    ),
    "live": Scenario(
        _live,
        [
            Row(
                "worker µs",
                "live, 4,000 events/s over 16 partitions, the worker's processor time of an event, µs",
                0.45,
            ),
            Row("Redis µs", "the same, Redis's, appending included, µs", 0.6),
            Row("commands µs", "the same, time of Redis's commands alone, µs"),
            Row("p99 ms", "event to answer at that load, 99th percentile, ms", 800, limit=True),
            Row("longest ms", "event to answer at that load, longest, ms", 1000, limit=True),
        ],
        partitions=_LIVE_PARTITIONS,
    ),
    "plain": Scenario(
        _plain,
        [
            Row("plain µs", "a plain consumer and Redis, processor time of an event, µs"),
            Row("ours µs", "worker and Redis on the same events, µs"),
            Row("share", "worker and Redis, share of the plain consumer's", 0.4, limit=True),
        ],
    ),
    "import": Scenario(
        _import,
        [
            Row("events/s", "import of history by `push`, events/s", 1.8, higher=True),
            Row("worker µs", "the same, the worker's processor time of an event, its start included, µs"),
            Row("Redis µs", "the same, Redis's, µs"),
        ],
        partitions=_LIVE_PARTITIONS,
    ),
}
