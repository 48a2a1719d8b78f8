"""Building an organization's counters from an archive, beside those that are stored.

A shadow is a partition whose keys begin with `sd:{p}:rebuild:<run>:` and whose events come from the archive instead of a stream;
all else is what applies live events (`ingest/apply/partition.py`), to the letter. Each run has keys of its own, and all of
them expire two
days after it began, so what a killed one leaves is gone by itself.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Final

from msgspec import Struct, field
from prometheus_client import Counter

from sidedata.events.decode import MAX_ENTRY_EVENTS
from sidedata.ingest.apply.dedup import Remembered
from sidedata.ingest.apply.owner_cache import Recall
from sidedata.ingest.apply.partition import Partition
from sidedata.ingest.apply.reader import Entry, Reader
from sidedata.ingest.apply.throttle import Poison
from sidedata.ingest.archive.lines import Line
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.ownership.lease import Taken
from sidedata.redis.client import Client, server_ms, translated
from sidedata.schema import keys
from sidedata.settings import Settings
from sidedata.writes.commit import Ownership

LIFE_SECONDS: Final = 2 * 86_400
FAULTS_SHOWN: Final = 20
_READ_BYTES: Final = 4 << 20  # of lines that are in memory at once, about
# Entries of a stream are numbered from 0 within a millisecond. None gets that far, so an archive's event never has the name of
# one that arrives.
_FIRST_NUMBER: Final = 1 << 63


class Read(Struct):
    """What came out of an archive; `faults` holds the first lines that could not be read."""

    events: int = 0  # of the organization
    others: int = 0  # lines of other organizations, or of none
    unreadable: int = 0
    faults: list[Line] = field(default_factory=list)


class Archive(Reader):
    """Reads lines of an archive as if they had just arrived; `progress` is called whenever it has some."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        shadow: keys.Shadow,
        partitions: int,
        recall: Recall,
        lines: Iterator[Line],
        organization: str,
        progress: Callable[[Read], None],
    ) -> None:
        super().__init__(client, settings, shadow, partitions, recall, "0-0")
        self.read = Read()
        self._lines = lines
        self._organization = organization
        self._progress = progress
        self._numbers = count(_FIRST_NUMBER)

    async def _read(self, block_ms: int | None) -> Sequence[Entry]:
        del block_ms  # there is nothing to wait for but the archive
        # In a thread: an archive that comes through a pipe may make us wait, and the lease must be renewed.
        raws = await asyncio.to_thread(self._next)
        self._progress(self.read)
        self._more = bool(raws)
        if not raws:
            return ()
        with translated():
            now_ms = await server_ms(self._client, keys.cursor(self._partition))
        pieces = [raws[first : first + MAX_ENTRY_EVENTS] for first in range(0, len(raws), MAX_ENTRY_EVENTS)]
        return [(f"{now_ms}-{next(self._numbers)}".encode(), (b"events", b"[%b]" % b",".join(one))) for one in pieces]

    def _next(self) -> list[bytes]:
        """Events of the organization for one commit; none at the archive's end."""
        raws: list[bytes] = []
        size = 0
        for line in self._lines:
            if line.fault is not None:
                self.read.unreadable += 1
                if len(self.read.faults) < FAULTS_SHOWN:
                    self.read.faults.append(line)
            elif line.organization != self._organization:
                self.read.others += 1
            else:
                raws.append(line.raw)
                size += len(line.raw)
                if len(raws) >= self._settings.batch_events or size >= _READ_BYTES:
                    break
        self.read.events += len(raws)
        return raws


class Shadow(Partition):
    """A partition's shadow, in the hands of one run.

    Args:
        id_counts: how many ids each generation of the live partition remembers, if they may be added there: with a new salt
            (`since`) they mean nothing to anybody until the organization's record names it. None keeps them in the shadow.
        progress: called whenever some lines have been read.
    """

    def __init__(
        self,
        client: Client,
        settings: Settings,
        shadow: keys.Shadow,
        expiry: int,
        id_counts: dict[int, int] | None,
        lines: Iterator[Line],
        organization: str,
        partitions: int,
        progress: Callable[[Read], None],
    ) -> None:
        # The fence is a formality: nobody else knows the run.
        owned = Taken(Ownership(shadow, shadow.run, 1, shadow_expiry=expiry), {})
        self.metrics = Metrics()
        super().__init__(client, settings, partitions, owned, self.metrics)
        self.poison = _Calm(shadow, self.metrics)
        if id_counts is not None:
            self._recall.remembered = Remembered(int(shadow), settings.keep_ids_hours, id_counts)
        archive = Archive(client, settings, shadow, partitions, self._recall, lines, organization, progress)
        self._reader = archive
        self.read = archive.read
        self._shadow = shadow
        self._expiry = expiry
        self._organization = organization

    async def build(self, timezone: str, since_ms: int, kinds: Mapping[str, str]) -> None:
        """Apply the whole archive, for an organization in that zone whose workflows so far are of these kinds.

        Raises:
            ArchiveError: the archive can't be read on.
            StoreUnavailableError: Redis is out of reach.
        """
        shadow, organization = self._shadow, self._organization
        record = {"timezone": timezone, "has_events": "1", "since": str(since_ms)}
        await self._put({keys.cursor(shadow): {"fence": "1"}, keys.organization(shadow, organization): record})
        await self._put({keys.workflow(shadow, organization, name): {"kind": kind} for name, kind in kinds.items()})
        try:
            while await self.run_once(None):
                with translated():
                    await self._client.unlink(keys.dead(shadow))  # they are counted, see `letters`
        finally:
            await self.close()

    async def _put(self, hashes: Mapping[str, Mapping[str, str]]) -> None:
        if not hashes:
            return
        pipeline = self._client.pipeline(transaction=False)
        for key, fields in hashes.items():
            pipeline.hset(key, mapping=fields)
            pipeline.expireat(key, self._expiry)
        with translated():
            await pipeline.execute()

    def letters(self) -> dict[str, int]:
        """What would have become dead letters, by reason."""
        return _counted(self.metrics.letters, "reason")

    def duplicates(self) -> int:
        """Events whose id the archive had before."""
        return _counted(self.metrics.events, "outcome").get("duplicate", 0)


class _Calm(Poison):
    """An archive of nothing but bad events is no producer that has gone wrong."""

    def batch(self, good: int, letters: int, letters_dropped: int) -> None:
        """Neither slow down nor warn."""


def _counted(counter: Counter, label: str) -> dict[str, int]:
    """What a counter came to, by one of its labels."""
    sums: dict[str, int] = {}
    for sample in next(iter(counter.collect())).samples:
        if sample.name.endswith("_total"):
            sums[sample.labels[label]] = sums.get(sample.labels[label], 0) + int(sample.value)
    return sums
