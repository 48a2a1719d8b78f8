"""The resources of a load, computed from the measured figures below: the first tables of docs/SCALING.md.

After a new measurement change a figure here, and `python -m tests.support.repository.tables` writes the tables again; a test holds
them to this.
"""

from math import ceil
from typing import Final, NamedTuple

import numpy as np
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

# --- measured, 2 shared cores, Redis 7.0.15, all on one machine -----------------------------------------------------------

# Events a second that one worker process applies: 15,500 to 19,500 of 200 workflows' mix of types (`bench ingest`).
WORKER_EVENTS: Final = 18_000
# Events a second that one master's core can commit: Redis's own time by `INFO commandstats`, 13 to 22 µs each.
MASTER_EVENTS: Final = 55_000
# Events a second that one service process takes in over HTTP, in requests of 1,000 and one by one; and cached reports.
SERVICE_BATCHED: Final = 140_000
SERVICE_SINGLE: Final = 3_400
SERVICE_REPORTS: Final = 5_300
# Bytes: a page view in the stream (entries of 1,000), an event's remembered id, a visitor's state for 48 hours.
STREAM_BYTES: Final = 265
ID_BYTES: Final = 9.1
VISITOR_BYTES: Final = 400
# KB after 400 days of a workflow by its events a day, of either kind (`bench.scale --memory`).
WORKFLOW_KB: Final = {10: (441, 452), 100: (1_068, 1_561), 1_000: (2_971, 4_298), 10_000: (15_278, 15_364)}

# --- chosen ---------------------------------------------------------------------------------------------------------------

# How much of what they can do workers and services, and masters, are given: the rest is for bursts and for catching up.
SHARE: Final = 0.6
MASTER_SHARE: Final = 0.5
# A cluster has three masters at least.
LEAST_MASTERS: Final = 3
MASTER_GB: Final = 32
# Redis gets half as much again as its data: fragmentation, the fork for the append-only file's rewrite.
MEMORY_ROOM: Final = 1.5
EVENTS_OF_A_VISITOR: Final = 20  # in two days

_RATES: Final = (1_000, 100_000, 1_000_000)
_WORKFLOWS: Final = (
    (100, 10_000),
    (1_000, 1_000),
    (10_000, 1_000),
    (100_000, 100),
    (1_000_000, 10),
    (1_000_000, 100),
)
_DAY: Final = 86_400


class Resources(NamedTuple):
    """The resources for a rate of events."""

    partitions: int
    workers: int
    services_batched: int
    services_single: int
    masters: int
    ids_gb: float  # for 24 hours; for 48 the double
    visitors_gb: float
    megabytes: float  # a second into Redis


def resources(rate: int) -> Resources:
    """The number of each, load spread evenly over partitions."""
    workers = ceil(rate / (WORKER_EVENTS * SHARE))
    # Some sixteen for each worker even out what organizations of different sizes bring; a power of two, as slots are.
    partitions = max(16, 1 << (16 * workers - 1).bit_length()) if workers > 1 else 16
    return Resources(
        partitions,
        workers,
        ceil(rate / (SERVICE_BATCHED * SHARE)),
        ceil(rate / (SERVICE_SINGLE * SHARE)),
        masters(rate, partitions),
        rate * _DAY * ID_BYTES / 1e9,
        rate * 2 * _DAY / EVENTS_OF_A_VISITOR * VISITOR_BYTES / 1e9,
        rate * STREAM_BYTES / 1e6,
    )


def fullest(partitions: int, nodes: int) -> int:
    """Count the partitions of the fullest of some masters, with slots cut into equal ranges."""
    slots = np.array([key_slot(str(partition).encode()) for partition in range(partitions)])
    return int(np.bincount(slots * nodes // REDIS_CLUSTER_HASH_SLOTS, minlength=nodes).max())


def masters(rate: int, partitions: int) -> int:
    """The fewest of which the fullest has no more than its share."""
    if rate <= MASTER_EVENTS * MASTER_SHARE:
        return 1
    count = LEAST_MASTERS
    while rate * fullest(partitions, count) / partitions > MASTER_EVENTS * MASTER_SHARE:
        count += 1
    return count


def masters_by_memory(gigabytes: float) -> int:
    """Count the masters of `MASTER_GB` that this data takes, reserve included."""
    count = ceil(gigabytes * MEMORY_ROOM / MASTER_GB)
    return count if count == 1 else max(LEAST_MASTERS, count)


def rate_rows() -> list[str]:
    """The table of rates: each with how it is known."""
    found = [resources(rate) for rate in _RATES]
    spare = [f"{one.workers}{', and 1 to take over' if one.workers == 1 else ''}" for one in found]
    services = [
        "1, and 1 to take over"
        if one.services_single == 1
        else f"{max(one.services_batched, 2)} (requests of 1,000); {one.services_single} (an event each)"
        for one in found
    ]
    rows = {
        "known by": [_known(rate) for rate in _RATES],
        "partitions": [f"{one.partitions:,}" for one in found],
        "workers, load even": spare,
        "service processes for ingest": services,
        "Redis masters, and the fullest's core": [
            f"{one.masters} ({_busy(one, rate)})" for one, rate in zip(found, _RATES, strict=True)
        ],
        "ids, 24 to 48 hours": [f"{_gb(one.ids_gb)} to {_gb(2 * one.ids_gb)}" for one in found],
        "visitors, one to 20 events in two days": [_gb(one.visitors_gb) for one in found],
        "into Redis": [f"{one.megabytes:,.1f} MB/s" for one in found],
    }
    return [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]


def workflow_rows() -> list[str]:
    """The table of workflows."""
    rows = []
    for count, a_day in _WORKFLOWS:
        low, high = (count * kilobytes / 1e6 for kilobytes in WORKFLOW_KB[a_day])
        fewest, most = masters_by_memory(low), masters_by_memory(high)
        size = _gb(low) if _gb(low) == _gb(high) else f"{_gb(low)} to {_gb(high)}"
        number = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        rows.append(f"| {count:,} | {a_day:,} | {size} | {number} |")
    return rows


def unit_rows() -> list[str]:
    """The table of what one of each does."""
    rows = {
        "worker process": (
            f"{WORKER_EVENTS:,} events/s of 200 workflows' mix",
            "`bench ingest`",
        ),
        "Redis master": (
            f"{MASTER_EVENTS:,} events/s: a commit takes 13 to 22 µs an event",
            "extrapolated from Redis's own time, by `INFO commandstats`",
        ),
        "service process": (
            (
                f"takes in {SERVICE_BATCHED:,} events/s in requests of 1,000, {SERVICE_SINGLE:,} one by one; "
                f"answers {SERVICE_REPORTS:,} cached reports/s"
            ),
            "one client on the same machine",
        ),
    }
    return [f"| {name} (one core) | {does} | {known} |" for name, (does, known) in rows.items()]


def _known(rate: int) -> str:
    if rate <= WORKER_EVENTS * SHARE:
        return "measured: one worker did more"
    return "extrapolated from one of each"


def _busy(one: Resources, rate: int) -> str:
    return f"{rate * fullest(one.partitions, one.masters) / one.partitions / MASTER_EVENTS:.0%}"


def _gb(gigabytes: float) -> str:
    if gigabytes >= 1_000:
        return f"{gigabytes / 1_000:.1f} TB"
    return f"{gigabytes:.1f} GB" if gigabytes < 10 else f"{gigabytes:,.0f} GB"
