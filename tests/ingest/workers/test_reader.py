"""The reader of a partition: entries that are fetched ahead."""

from collections.abc import Sequence
from typing import cast

from sidedata.ingest.apply.owner_cache import OwnerCache
from sidedata.ingest.apply.reader import Reader
from sidedata.redis.replies import Entry


class Source:
    """A source of three reads, which are counted; each brings an entry that is a dead letter."""

    def __init__(self) -> None:
        self.reads = 0

    @property
    def has_more(self) -> bool:
        """Two reads follow the first one."""
        return self.reads < 3

    async def read(self, block_ms: int | None) -> Sequence[Entry]:
        """The next entry."""
        del block_ms
        self.reads += 1
        return [(f"{self.reads}-0".encode(), [b"event", b"{"])] if self.reads <= 3 else ()


class Cache:
    """An owner's cache without events."""

    epoch = 0

    async def resolve(self, events: Sequence[object]) -> list[object]:
        """No event is resolved."""
        return list(events)


async def test_entries_that_were_fetched_are_taken_once_and_in_order() -> None:
    """However often they are fetched and read ahead, each entry is in one batch."""
    source = Source()
    reader = Reader(source, cast("OwnerCache", Cache()), 0, 1, 100)
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
