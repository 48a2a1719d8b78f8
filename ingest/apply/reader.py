"""The reading of a partition: entries of a source become batches ready to be planned, the next one while the last is committed.

EntrySource ─▶ EntryDecoder ─▶ OwnerCache.resolve ─▶ Batch
   └── goes on after the last entry read, not after the cursor: a batch read ahead is dropped if the commit before it fails
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from sidedata import failpoints
from sidedata.ingest.apply.entries import EntryDecoder
from sidedata.ingest.apply.model import Batch
from sidedata.ingest.apply.owner_cache import OwnerCache
from sidedata.reads.streams import read_entries
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Entry
from sidedata.schema.keys import Keyspace

# One read brings about this many bytes of entries at most; an entry may have 16 MB, so the first reads are small.
_READ_BYTES = 4 << 20
_FIRST_READ_ENTRIES = 8
# A large batch has four times the usual number of events. More events then share their keys, so it takes fewer commands and less
# planning an event; but it keeps Redis four times as long, and takes some 25 MB of memory, twice with the next one. So it is for a
# partition that is far behind, after four full batches in a row, and for two partitions of a process at once.
_LARGE = 4
_FULL_BATCHES = 4
_LARGE_READERS = 2
# The number of events after which the loop runs other tasks: a commit waits to be sent, a lease to be renewed.
_YIELD_EVENTS = 250


class EntrySource(Protocol):
    """A source of entries: the partition's stream, or an archive."""

    @property
    def has_more(self) -> bool:
        """Tell if another read is likely to bring entries at once."""
        ...

    async def read(self, block_ms: int | None, most: int) -> Sequence[Entry]:
        """Read the next entries, with some `most` events at most; waits `block_ms` for the first one. Empty if there is none."""
        ...


class StreamSource:
    """The stream of a partition, from the entry after `after` on."""

    def __init__(self, gateway: Gateway, keyspace: Keyspace, after: str) -> None:
        self._gateway = gateway
        self._keyspace = keyspace
        self._after = after
        self._read_entries = _FIRST_READ_ENTRIES
        self.has_more = False  # the last read was full

    async def read(self, block_ms: int | None, most: int) -> Sequence[Entry]:
        """Read the next entries, `most` and about 4 MB of them at most; waits `block_ms` for the first one.

        Raises:
            StoreUnavailableError: Redis is out of reach.
        """
        wanted = min(self._read_entries, most)
        entries = await read_entries(self._gateway, self._keyspace, self._after, wanted, block_ms)
        self.has_more = len(entries) == wanted
        if not entries:
            return ()
        self._after = entries[-1][0].decode()
        size = sum(len(value) for _, fields in entries for value in fields)
        if size > _READ_BYTES:
            self._read_entries = max(1, len(entries) * _READ_BYTES // size)
        elif self.has_more and wanted < most:
            self._read_entries *= 2
        return entries


class LargeBatches:
    """The permission for large batches, which the readers of a process share."""

    def __init__(self) -> None:
        self._holders: set[Reader] = set()

    def take(self, reader: "Reader") -> bool:
        """Tell if a reader may make large batches from now on, or still."""
        if len(self._holders) < _LARGE_READERS:
            self._holders.add(reader)
        return reader in self._holders

    def give_back(self, reader: "Reader") -> None:
        """Let another reader have the permission."""
        self._holders.discard(reader)


class Reader:
    """Makes batches of a source's entries.

    Args:
        partition: the partition's number; `partitions` is the number of partitions in the installation.
        batch_events: number of events of a full batch; whole entries may bring some more.
        large_batches: of the process.
    """

    def __init__(
        self,
        source: EntrySource,
        owner_cache: OwnerCache,
        partition: int,
        partitions: int,
        batch_events: int,
        large_batches: LargeBatches,
    ) -> None:
        self._source = source
        self._owner_cache = owner_cache
        self._partition = partition
        self._partitions = partitions
        self._batch_events = batch_events
        self._large_batches = large_batches
        self._limit = batch_events  # of events in the next batch
        self._full_batches = 0  # in a row
        self._entries: Sequence[Entry] = ()  # read, but in no batch yet
        self._ahead: asyncio.Task[Batch | None] | None = None

    async def take(self, block_ms: int | None) -> Batch | None:
        """Return the next batch; waits `block_ms` for its first entry. None if there is none.

        Raises:
            StopError: an organization's record names an unknown time zone.
            StoreUnavailableError: Redis is out of reach.
        """
        ahead, self._ahead = self._ahead, None
        batch = await ahead if ahead is not None else None
        return batch if batch is not None else await self._next(block_ms)

    @property
    def is_behind(self) -> bool:
        """Tell if there is likely a next batch already."""
        return self._ahead is not None or bool(self._entries) or self._source.has_more

    async def fetch(self) -> None:
        """Fetch the entries of the next batch, if there are likely some.

        Behind a commit the request would wait in Redis for its end. While a batch is planned, the thread of the plan holds the
        interpreter, and the loop would take the reply in by tiny parts.

        Raises:
            StoreUnavailableError: Redis is out of reach.
        """
        if self._ahead is None and not self._entries and self._source.has_more:
            self._entries = await self._source.read(None, self._limit)

    def read_ahead(self) -> None:
        """Begin with the next batch, if there is likely one."""
        if self._ahead is None and self.is_behind:
            self._ahead = asyncio.create_task(self._next(None))

    async def close(self) -> None:
        """Drop the batch that was read ahead."""
        self._large_batches.give_back(self)
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.gather(self._ahead, return_exceptions=True)
            self._ahead = None

    async def _next(self, block_ms: int | None) -> Batch | None:
        self._entries = self._entries or await self._source.read(block_ms, self._limit)
        if not self._entries:
            return None
        failpoints.pass_by("after_read")
        decoder = EntryDecoder(self._partition, self._partitions)
        size = 0
        while size < len(self._entries) and decoder.count < self._limit:
            if size:
                await asyncio.sleep(0)
            size = decoder.read_until(self._entries, size, min(decoder.count + _YIELD_EVENTS, self._limit))
        queries = await self._owner_cache.resolve(decoder.events)
        last = self._entries[size - 1][0].decode()
        self._entries = self._entries[size:]
        self._set_limit(decoder.count)
        return Batch(last, size, decoder.events, decoder.dead_letters, queries, self._owner_cache.epoch)

    def _set_limit(self, events: int) -> None:
        """Set the limit of the next batch, after one of that number of events."""
        self._full_batches = self._full_batches + 1 if events >= self._batch_events else 0
        self._limit = self._batch_events
        if self._full_batches < _FULL_BATCHES:
            self._large_batches.give_back(self)
        elif self._large_batches.take(self):
            self._limit *= _LARGE
