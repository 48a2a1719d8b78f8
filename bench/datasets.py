"""Worlds with events in them, made once and used by several measurements."""

import time
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from bench.data import DAY_US, HOUR_US, Events, busy, is_page, mix
from bench.servers import BenchWorld
from bench.wire import Names, Stream, packed
from sidedata.schema import keys

MARKET_PARTITION = 0
PAGES_PARTITION, INTERACTION_PARTITION = 1, 2

_CHUNK = 50_000
_MOST_AHEAD = 400_000  # events in the streams; more would only fill memory


class Market(NamedTuple):
    """The set for peers, memory and accuracy: 200 workflows by Zipf."""

    events: Events
    start_us: int
    end_us: int
    busiest: int  # ranks of page-navigation workflows
    median: int


def this_hour_us() -> int:
    """When the current hour began."""
    return time.time_ns() // 1000 // HOUR_US * HOUR_US


def market(*, quick: bool) -> Market:
    """5,000,000 events of 90 days and 500,000 visitors."""
    end_us = this_hour_us()
    start_us = end_us - 90 * DAY_US
    count = 500_000 if quick else 5_000_000
    events = mix(7, count, count // 10, start_us, end_us)
    pages = np.flatnonzero(is_page())
    return Market(events, start_us, end_us, int(pages[0]), 100 if is_page()[100] else int(pages[len(pages) // 2]))


def busy_history(kind: str, *, quick: bool) -> list[Events]:
    """400 days of the busy workflow: the last 36 with more than 5,000 visitors an hour at their peaks, before that fewer.

    Old days keep their whole sketches only, and those have their full size from some 2,000 visitors on.
    """
    now = this_hour_us()
    recent = now // DAY_US * DAY_US - 36 * DAY_US
    oldest = now // DAY_US * DAY_US - 399 * DAY_US
    peak = 1_000 if quick else 6_000
    return [busy(1, kind, oldest, recent, 150 if quick else 400), busy(2, kind, recent, now, peak)]


def load(world: BenchWorld, names: Names, parts: Iterable[Events], first_id: int | None = None) -> float:
    """Put events in the stream, in entries of 1,000, and wait until a worker has applied them; seconds that it took.

    With `first_id` they have ids, counted from it: an id that was here before would count as the same event.
    """
    stream = Stream(world.url)
    before = world.applied(world.partitions)
    worker = world.sidedata("worker")
    sent = 0
    start = time.perf_counter()
    for events in parts:
        for first in range(0, len(events.at_us), _CHUNK):
            chunk = events.part(first, first + _CHUNK)
            lines = names.lines(chunk, None if first_id is None else first_id + sent)
            stream.add(names.partition, "events", packed(lines, 1000))
            sent += len(lines)
            world.wait_applied(before + sent - _MOST_AHEAD, world.partitions)
    world.wait_applied(before + sent, world.partitions)
    seconds = time.perf_counter() - start
    world.stop(worker)
    stream.close()
    print(f"  {sent:,} events in {seconds:.0f} s", flush=True)
    return seconds


def compact(world: BenchWorld, names: Names) -> float:
    """Let a worker store the sketches of old hours in the sparse form; seconds that it took, rests included."""
    cursor = keys.keyspace(names.partition).cursor
    world.redis.hdel(cursor, "compacted")
    start = time.perf_counter()
    worker = world.sidedata("worker")
    while not world.redis.hexists(cursor, "compacted"):
        time.sleep(0.1)
    seconds = time.perf_counter() - start
    world.stop(worker)
    print(f"  compaction in {seconds:.0f} s", flush=True)
    return seconds
