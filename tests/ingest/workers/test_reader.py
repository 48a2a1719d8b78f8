"""The reader of a partition: entries that are fetched ahead."""

from collections.abc import Sequence
from typing import cast

from sidedata.ingest.apply.owner_cache import OwnerCache
from sidedata.ingest.apply.reader import LargeBatches, Reader
from sidedata.redis.replies import Entry


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

    async def resolve(self, events: Sequence[object]) -> None:
        """No event is resolved."""


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
