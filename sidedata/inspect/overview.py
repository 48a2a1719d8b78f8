"""How the partitions are doing: backlog, dead letters, owners, workers."""

import asyncio
from typing import Final

import msgspec

from sidedata.redis.client import Client, server_ms, translated
from sidedata.redis.scripts import script
from sidedata.schema import keys
from sidedata.schema.installation import Installation
from sidedata.settings import Settings

_OLDEST = script("oldest")
_STREAMS_AT_ONCE: Final = 16
_PARTITIONS_AT_ONCE: Final = 500  # a round trip each; there can be 16,384


class PartitionState(msgspec.Struct, frozen=True):
    """One partition: its owner ("" if nobody has it), entries not yet applied, events applied so far, dead letters.

    `lag_seconds` is the age of the oldest entry not yet applied, 0 where there is none.
    """

    partition: int
    owner: str
    lag_entries: int
    events_applied: int
    dead_letters: int
    lag_seconds: float = 0.0


class Overview(msgspec.Struct, frozen=True):
    """The sums over all partitions (of `lag_seconds` the greatest), and the workers that live."""

    lag_entries: int
    dead_letters: int
    partitions: int
    workers: int
    events_applied: int
    states: list[PartitionState]
    lag_seconds: float = 0.0


async def read_overview(client: Client, installation: Installation, settings: Settings) -> Overview:
    """Look at every partition; a snapshot of each, not of all at one instant.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    states: list[PartitionState] = []
    with translated():
        for first in range(0, installation.partitions, _PARTITIONS_AT_ONCE):
            last = min(first + _PARTITIONS_AT_ONCE, installation.partitions)
            states += await _read(client, range(first, last))
        # Who hasn't renewed its heartbeat for as long as a lease lasts has lost its partitions, too.
        now_ms = await server_ms(client, keys.WORKERS)
        workers: int = await client.zcount(keys.WORKERS, now_ms - settings.lease_ms, "+inf")
    return Overview(
        lag_entries=sum(state.lag_entries for state in states),
        dead_letters=sum(state.dead_letters for state in states),
        partitions=installation.partitions,
        workers=workers,
        events_applied=sum(state.events_applied for state in states),
        states=states,
        lag_seconds=max((state.lag_seconds for state in states), default=0.0),
    )


async def _read(client: Client, partitions: range) -> list[PartitionState]:
    async with client.pipeline(transaction=False) as pipeline:
        for partition in partitions:
            # Applied entries leave the stream with the commit that applies them, so its length is the backlog.
            pipeline.xlen(keys.events(partition))
            pipeline.xlen(keys.dead(partition))
            pipeline.get(keys.lease(partition))
            pipeline.hget(keys.cursor(partition), "events")
        replies = await pipeline.execute()
    ages = await _ages(client, [partition for partition, lag in zip(partitions, replies[::4], strict=True) if lag])
    return [
        PartitionState(
            partition, owner.decode() if owner else "", lag, int(applied or 0), dead, ages.get(partition, 0.0)
        )
        for partition, lag, dead, owner, applied in zip(
            partitions, replies[::4], replies[1::4], replies[2::4], replies[3::4], strict=True
        )
    ]


async def _ages(client: Client, partitions: list[int]) -> dict[int, float]:
    """How many seconds the oldest entry of each waits."""
    asking = asyncio.Semaphore(_STREAMS_AT_ONCE)

    async def age(partition: int) -> float:
        async with asking:
            return max(0, int(await _OLDEST(client, [keys.events(partition)]))) / 1000

    return dict(zip(partitions, await asyncio.gather(*map(age, partitions)), strict=True))
