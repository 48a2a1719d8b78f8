"""The reader of a partition: entries that are fetched ahead, and decoded while Redis works on the batch before."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from sidedata.ingest.apply.model import BatchQueries
from sidedata.ingest.apply.owner_cache import OwnerCache
from sidedata.ingest.apply.partition import live_partition
from sidedata.ingest.apply.reader import LargeBatches, Reader
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.ownership import lease
from sidedata.redis.gateway import Gateway, OnSent
from sidedata.redis.replies import Entry, Reply, Word
from sidedata.redis.scripts import Script, script
from sidedata.settings import Settings
from tests.support.events import view
from tests.support.pipeline import pipeline
from tests.support.waiting import eventually


class Source:
    """A source of three reads, which are counted; each brings an entry that is a dead letter."""

    def __init__(self) -> None:
        self.reads = 0

    @property
    def has_more(self) -> bool:
        """Two reads follow the first one."""
        return self.reads < 3

    async def read(self, block_ms: int | None, most: int) -> Sequence[Entry]:
        """The next entry."""
        del block_ms, most
        self.reads += 1
        return [(f"{self.reads}-0".encode(), [b"event", b"{"])] if self.reads <= 3 else ()


class Cache:
    """An owner's cache without events."""

    epoch = 0

    async def resolve(self, events: Sequence[object]) -> BatchQueries:
        """No event is resolved."""
        assert not events
        return BatchQueries()


async def test_entries_that_were_fetched_are_taken_once_and_in_order() -> None:
    """However often they are fetched and read ahead, each entry is in one batch."""
    source = Source()
    reader = Reader(source, cast("OwnerCache", Cache()), 0, 1, 100, LargeBatches())
    entries = []
    while (batch := await reader.take(None)) is not None:
        entries.append(batch.entry)
        await reader.fetch()
        await reader.fetch()  # a plan that is made again
        assert source.reads == min(len(entries) + 1, 3)
        reader.read_ahead()
        await reader.fetch()
    await reader.close()
    assert entries == ["1-0", "2-0", "3-0"]


class Backlog:
    """A source of a number of entries, each a dead letter, as many to a read as are asked for."""

    def __init__(self, entries: int) -> None:
        self.left = entries

    @property
    def has_more(self) -> bool:
        """Until all are read."""
        return self.left > 0

    async def read(self, block_ms: int | None, most: int) -> Sequence[Entry]:
        """The next entries."""
        del block_ms
        count = min(most, self.left)
        self.left -= count
        return [(f"{self.left + number + 1}-0".encode(), [b"event", b"{"]) for number in range(count)]


async def sizes(reader: Reader, batches: int) -> list[int]:
    """The numbers of entries in the next batches."""
    found = [await reader.take(None) for _ in range(batches)]
    return [0 if batch is None else batch.entries for batch in found]


async def test_batches_grow_where_a_partition_is_far_behind() -> None:
    """After four full batches in a row they are four times as large, and the usual ones again once the backlog is gone."""
    reader = Reader(source := Backlog(15), cast("OwnerCache", Cache()), 0, 1, 2, LargeBatches())
    assert await sizes(reader, 6) == [2, 2, 2, 2, 7, 0]
    source.left = 9
    assert await sizes(reader, 2) == [8, 1]
    source.left = 9
    assert await sizes(reader, 2) == [2, 2]


async def test_two_partitions_at_once_have_large_batches() -> None:
    """The memory of a worker stays bounded, whatever the number of its partitions; a partition that ends lets another follow."""
    large_batches = LargeBatches()
    readers = [Reader(Backlog(100), cast("OwnerCache", Cache()), 0, 1, 2, large_batches) for _ in range(3)]
    assert [await sizes(reader, 5) for reader in readers] == [[2, 2, 2, 2, 8], [2, 2, 2, 2, 8], [2, 2, 2, 2, 2]]
    await readers[0].close()
    assert await sizes(readers[2], 2) == [2, 8]


class HoldingGateway:
    """A gateway that holds commits back until `released` is set."""

    def __init__(self, gateway: Gateway) -> None:
        self.held, self.released = asyncio.Event(), asyncio.Event()
        self._gateway = gateway

    def __getattr__(self, name: str) -> object:
        return getattr(self._gateway, name)

    async def call(
        self, called: Script, keys: Sequence[str | bytes], args: Sequence[Word] = (), *, on_sent: OnSent | None = None
    ) -> Reply:
        """The script's reply."""
        if called is script("commit"):
            self.held.set()
            await self.released.wait()
        return await self._gateway.call(called, keys, args, on_sent=on_sent)


@pytest.mark.undeployed("no role may pause clients")
async def test_the_next_batch_is_decoded_while_redis_works(redis_url: str) -> None:
    """Not before the commit is on its way, which it would hold up, and not only when the commit is done."""
    async with pipeline(redis_url, partitions=1) as pipe:
        taken = await lease.acquire(pipe.client, pipe.settings, 0, "owner", force=True)
        assert taken is not None
        settings = Settings(secret=pipe.settings.secret, batch_events=1)
        gateway = HoldingGateway(pipe.client.gateway)
        partition = live_partition(cast("Gateway", gateway), settings, 1, taken, Metrics())
        await pipe.push(*[view(await pipe.now(), f"v{n}") for n in range(3)])
        applying = asyncio.create_task(partition.run_once(None))
        await gateway.held.wait()
        assert partition.reader._ahead is None
        await pipe.client.client_pause(60_000, all=False)
        gateway.released.set()

        async def is_decoded() -> bool:
            return partition.reader._ahead is not None and partition.reader._ahead.done()

        try:
            await eventually(is_decoded, 20, "the next batch is decoded")
            assert not applying.done()
        finally:
            await pipe.client.client_unpause()
        assert await applying is not None
        await partition.reader.close()
