"""The state of partitions: owner, backlog, progress, dead letters, and the live workers."""

import asyncio
from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec import Struct

from sidedata.batched import batched
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import array, integer, integer_or_zero, optional_text, strings
from sidedata.redis.scripts import script
from sidedata.schema.keys import WORKERS, Keyspace, keyspace

_OLDEST: Final = script("oldest", read_only=True)
_AS_OF: Final = script("as_of", read_only=True)
_STREAMS_AT_ONCE: Final = 16
_PARTITIONS_AT_ONCE: Final = 500  # to a round trip; there can be 16,384


class PartitionState(Struct, frozen=True):
    """One partition: its owner ("" for none), entries not yet applied, events applied so far, dead letters.

    `lag_seconds` is the age of the oldest entry not yet applied, 0 where there is none.
    """

    partition: int
    owner: str
    lag_entries: int
    events_applied: int
    dead_letters: int
    lag_seconds: float = 0.0


class Progress(NamedTuple):
    """A partition's progress by Redis's clock, in milliseconds since the epoch.

    Every event that entered the stream by `as_of_ms` is applied or a dead letter.
    """

    as_of_ms: int
    now_ms: int


async def read_progress(gateway: Gateway, space: Keyspace) -> Progress:
    """Read the progress of a partition.

    Raises:
        StoreUnavailableError: Redis is out of reach.
        CommandRefusedError: this user may not read the stream.
    """
    as_of_ms, now_ms = array(await gateway.call(_AS_OF, [space.events]))
    return Progress(integer(as_of_ms), integer(now_ms))


async def partitions_with_backlog(gateway: Gateway, partitions: Iterable[int]) -> list[int]:
    """List the partitions in whose streams entries wait.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    waiting: list[int] = []
    for chunk in batched(partitions, _PARTITIONS_AT_ONCE):
        lengths = await gateway.batch([("XLEN", keyspace(partition).events) for partition in chunk])
        waiting += [partition for partition, length in zip(chunk, lengths, strict=True) if integer(length)]
    return waiting


async def read_partitions(gateway: Gateway, partitions: int) -> list[PartitionState]:
    """Read the state of all partitions, of each at its own instant.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    states: list[PartitionState] = []
    for first in range(0, partitions, _PARTITIONS_AT_ONCE):
        states += await _read(gateway, range(first, min(first + _PARTITIONS_AT_ONCE, partitions)))
    return states


async def live_workers(gateway: Gateway, lease_ms: int) -> list[str]:
    """List the workers with a heartbeat within the length of a lease; the others have lost their partitions, too.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    now_ms = await gateway.time_ms(WORKERS)
    names = await gateway.command("ZRANGEBYSCORE", WORKERS, now_ms - lease_ms, "+inf")
    return [name.decode() for name in strings(names)]


async def _read(gateway: Gateway, partitions: range) -> list[PartitionState]:
    replies = await gateway.batch(
        [
            command
            for space in map(keyspace, partitions)
            for command in (
                # Applied entries leave the stream with the commit that applies them, so its length is the backlog.
                ("XLEN", space.events),
                ("XLEN", space.dead),
                ("GET", space.lease),
                ("HGET", space.cursor, "events"),
            )
        ]
    )
    lags = list(map(integer, replies[::4]))
    ages = await _ages(gateway, [partition for partition, lag in zip(partitions, lags, strict=True) if lag])
    return [
        PartitionState(
            partition,
            optional_text(owner) or "",
            lag,
            integer_or_zero(event_count),
            integer(dead),
            ages.get(partition, 0.0),
        )
        for partition, lag, dead, owner, event_count in zip(
            partitions, lags, replies[1::4], replies[2::4], replies[3::4], strict=True
        )
    ]


async def _ages(gateway: Gateway, partitions: list[int]) -> dict[int, float]:
    """Read the age of the oldest entry of each partition, in seconds."""
    slots = asyncio.Semaphore(_STREAMS_AT_ONCE)

    async def age(partition: int) -> float:
        async with slots:
            return max(0, integer(await gateway.call(_OLDEST, [keyspace(partition).events]))) / 1000

    return dict(zip(partitions, await asyncio.gather(*map(age, partitions)), strict=True))
