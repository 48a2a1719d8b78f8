"""From a partition's stream to batches ready to be planned; the next one is made while the last one is committed.

XREAD ─▶ read_entry ─▶ Recall.identify ─▶ Batch
   └── after the last entry read, not after the cursor: what is read ahead is dropped if the commit before it fails
"""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from sidedata import failpoints
from sidedata.ingest.apply.entries import Arrival, Letter, read_entry
from sidedata.ingest.apply.model import Identified
from sidedata.ingest.apply.owner_cache import Recall
from sidedata.redis.client import Client, translated
from sidedata.schema import keys
from sidedata.settings import Settings

# One read may bring so many bytes of entries, about; an entry may have 16 MB, so the first reads are careful.
_READ_BYTES = 4 << 20
_FIRST_READ_ENTRIES = 8
_MOST_ENTRIES = 5_000
# After so many events the loop gets a turn: a commit waits to be sent, a lease to be renewed.
_TURN_EVENTS = 250

Entry = tuple[bytes, Sequence[bytes]]  # its id; names and values of its fields in turn


class Batch(Struct):
    """Whole entries up to `entry`, the last of them: their events, and what is wrong with the others."""

    entry: str
    entries: int
    arrivals: list[Arrival]
    letters: list[Letter]
    events: list[Identified]  # the arrivals, as Recall knew them
    epoch: int  # of Recall's knowledge


class Reader:
    """Reads the stream of one partition from an entry on."""

    def __init__(
        self, client: Client, settings: Settings, partition: int, partitions: int, recall: Recall, after: str
    ) -> None:
        self._client = client
        self._settings = settings
        self._partition = partition
        self._partitions = partitions
        self._recall = recall
        self._after = after
        self._in_hand: Sequence[Entry] = ()
        self._read_entries = _FIRST_READ_ENTRIES
        self._more = False  # whether the last read brought all that it might
        self._ahead: asyncio.Task[Batch | None] | None = None

    async def take(self, block_ms: int | None) -> Batch | None:
        """The next batch; waits `block_ms` for its first entry. None if there is none.

        Raises:
            StoreUnavailableError: Redis is out of reach.
        """
        ahead, self._ahead = self._ahead, None
        batch = await ahead if ahead is not None else None
        return batch if batch is not None else await self._make(block_ms)

    @property
    def is_behind(self) -> bool:
        """Whether there is likely a next batch already."""
        return self._ahead is not None or bool(self._in_hand) or self._more

    def read_ahead(self) -> None:
        """Begin to make the next batch, if there is likely one."""
        if self._ahead is None and self.is_behind:
            self._ahead = asyncio.create_task(self._make(None))

    async def close(self) -> None:
        """Drop what was read ahead."""
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.gather(self._ahead, return_exceptions=True)
            self._ahead = None

    async def _make(self, block_ms: int | None) -> Batch | None:
        entries = self._in_hand or await self._read(block_ms)
        if not entries:
            return None
        failpoints.pass_by("after_read")
        arrivals: list[Arrival] = []
        letters: list[Letter] = []
        taken = turn = 0
        for entry, fields in entries:
            good, bad = read_entry(entry.decode(), fields, self._partition, self._partitions)
            arrivals += good
            letters += bad
            taken += 1
            count = len(arrivals) + len(letters)
            if count >= self._settings.batch_events:
                break
            if count >= turn + _TURN_EVENTS:
                turn = count
                await asyncio.sleep(0)
        self._in_hand = entries[taken:]
        events = await self._recall.identify(arrivals)
        return Batch(entries[taken - 1][0].decode(), taken, arrivals, letters, events, self._recall.epoch)

    async def _read(self, block_ms: int | None) -> Sequence[Entry]:
        block = () if block_ms is None else ("BLOCK", block_ms)
        with translated():
            reply = await self._client.execute_command(
                *("XREAD", "COUNT", self._read_entries, *block, "STREAMS", keys.events(self._partition), self._after)
            )
        if not reply:
            self._more = False
            return ()
        entries: list[Entry] = reply[0][1] if isinstance(reply, list) else next(iter(reply.values()))
        self._after = entries[-1][0].decode()
        self._more = len(entries) == self._read_entries
        size = sum(len(value) for _, fields in entries for value in fields)
        if size > _READ_BYTES:
            self._read_entries = max(1, self._read_entries * _READ_BYTES // size)
        elif self._more:
            self._read_entries = min(self._read_entries * 2, _MOST_ENTRIES)
        return entries
