"""Rebuilding an organization's counters from an archive of its events: built aside, compared, swapped in.

Who needs it: an operator whose counters were made wrong by a bug or by a time zone that was never the organization's, or whose
Redis was lost, while the events themselves are still at hand.

    hold the partition ─▶ read the archive into a shadow ─▶ compare ─▶ swap ─▶ let go
          └── events wait in the stream, answers go on from the old counters

What is promised. Afterwards the counters are those of the archive, as if it had been sent just now to an installation where the
organization had no events, and every event that comes from the stream from then on counts on top of that, once. So

* the archive must hold all events that were applied before the rebuild began. What it lacks is not counted any more; its id may
  be sent again. Where producers write their archive before they send, a live archive does: it is read after the partition is held.
* an event that is in the archive and also waits in the stream, or is sent again, counts once if it has an id. All ids of the
  archive are remembered as those of applied events are. An event without one would count twice: the archive must not hold it.
* the kinds of workflows stay as they are, the time zone does too unless another one is given. Tokens, dead letters, names of
  workflows and other organizations are not touched. Bad events of the archive are counted by reason and left out.

Why it holds. The lease is taken by force, as a purge does it, and renewed all the while, so no worker commits anything between
the first line of the archive and the last step of the swap; a rebuild that lost the lease finds another fence when it wants to
begin the swap, and stops. The shadow is built by the very code that applies live events (`shadow.py`). What attribution
remembers of visitors is swapped along with the buckets, and the ids get into the same instant by their salt
(`ingest/ownership/swap.py`).
Killed before the swap begins: nothing has changed, and the shadow expires. Killed later: whoever takes the partition next does
the rest first. Nobody reads half a workflow, and views are told to read anew (`changes_from`).

What it costs: the partition, and with it the other organizations in it, lags for as long as the rebuild runs; a dry run holds
nothing and says how long that would be. Memory: some megabytes, and the names of the keys that are swapped.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

from msgspec import Struct, field

from sidedata.calendar.levels import Retention
from sidedata.calendar.zones import zone
from sidedata.errors import LeaseLostError, StopError, StoreUnavailableError
from sidedata.ingest.archive.lines import Line
from sidedata.ingest.ownership import lease
from sidedata.ingest.ownership.swap import Rebuilt, begin, finish
from sidedata.ingest.rebuild.difference import Difference, differences
from sidedata.ingest.rebuild.expiry import BUILT, Lives
from sidedata.ingest.rebuild.shadow import LIFE_SECONDS, Read, Shadow
from sidedata.redis.client import Client, server_ms, translated
from sidedata.redis.scan import pages
from sidedata.schema import keys
from sidedata.schema.installation import Installation
from sidedata.settings import Settings

# A shadow's keys must outlive the swap, whoever ends it and whenever.
_LONGEST_SECONDS = LIFE_SECONDS // 2


class Report(Struct):
    """What a rebuild came to."""

    read: Read = field(default_factory=Read)
    applied: int = 0
    duplicates: int = 0
    letters: dict[str, int] = field(default_factory=dict)
    workflows: list[Difference] = field(default_factory=list)
    seconds: float = 0.0
    swapped: bool = False


class Rebuild:
    """A rebuild of one organization; `lines` are those of the archive, and a dry one only compares."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        installation: Installation,
        organization_id: str,
        lines: Iterator[Line],
        *,
        dry: bool,
        timezone: str | None = None,
        progress: Callable[[Read], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._settings = settings
        self._partitions = installation.partitions
        self._organization = organization_id
        self._live = installation.partition_of(organization_id)
        self._shadow = keys.Shadow(self._live, secrets.token_hex(4))
        self._lines = lines
        self._dry = dry
        self._timezone = timezone
        self._progress = progress
        self._lost = False
        self._ended = False
        self._droppable = True  # from the beginning of a swap to its end somebody else may need what was built
        self.report = Report()

    async def run(self) -> Report:
        """Build, compare and, unless it is dry, swap.

        Raises:
            StopError: the archive can't be relied on, or something was registered meanwhile; nothing is changed.
            ArchiveError: the archive can't be read on; nothing is changed.
            LeaseLostError: another rebuild or a purge took the partition; nothing is changed, or it is taking place.
            StoreUnavailableError: Redis is out of reach; the same.
        """
        started = time.monotonic()
        try:
            if self._dry:
                await self._rebuild(None)
            else:
                async with self._holding() as taken:
                    await self._rebuild(taken)
        finally:
            self.report.seconds = time.monotonic() - started
            if self._droppable:
                await self._drop()
        return self.report

    @asynccontextmanager
    async def _holding(self) -> AsyncIterator[lease.Taken]:
        """Keep everybody else from writing the partition."""
        owner = f"rebuild-{self._shadow.run}"
        taken = await lease.acquire(self._client, self._settings, self._live, owner, force=True)
        assert taken is not None  # noqa: S101 - force always takes
        renewing = asyncio.create_task(self._renew(taken))
        try:
            yield taken
        finally:
            self._ended = True  # the Redis client may lose a cancellation that comes in an awkward moment
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await lease.release(self._client, taken.ownership)

    async def _renew(self, taken: lease.Taken) -> None:
        """Go on owning the partition until another owner comes."""
        while not (self._lost or self._ended):
            await asyncio.sleep(self._settings.lease_ms / 3000)
            with suppress(StoreUnavailableError):  # the work sees it too
                self._lost = not await lease.renew(self._client, self._settings, taken.ownership)

    def _step(self, read: Read) -> None:
        """Between two batches: stop what would be in vain."""
        if self._lost:
            raise LeaseLostError("another rebuild, a purge or a worker took the partition; run the rebuild again")
        self._progress(read)

    async def _rebuild(self, taken: lease.Taken | None) -> None:
        record, kinds, newest = await self._records()
        with translated():
            now_ms = await server_ms(self._client, keys.cursor(self._live))
        expiry = now_ms // 1000 + LIFE_SECONDS
        began = time.monotonic()
        stored_zone = record.get("timezone", "UTC")
        reporting = zone(self._timezone or stored_zone)
        # Another salt than the ids of the old counters have, so that theirs and ours don't mix.
        since_ms = max(now_ms, int(record.get("since", 0)) + 1)
        shadow = Shadow(
            self._client,
            self._settings,
            self._shadow,
            expiry,
            taken.id_counts if taken else None,
            self._lines,
            self._organization,
            self._partitions,
            self._step,
        )
        self.report.read = shadow.read
        await shadow.build(reporting.name, since_ms, kinds)
        self.report.letters, self.report.duplicates = shadow.letters(), shadow.duplicates()
        self.report.applied = shadow.read.events - shadow.duplicates() - sum(self.report.letters.values())
        _, built_kinds, built_newest = await self._records(self._shadow)
        kinds |= built_kinds
        built, stored = await self._names()
        with translated():
            now = await server_ms(self._client, keys.cursor(self._live)) // 1000
        lives = Lives(reporting, Retention.of(self._settings), now)
        buckets = [name for name in built | stored if not name.startswith(("goal:", "visitor:"))]
        self.report.workflows = await differences(self._client, self._shadow, kinds, buckets, lives)
        for difference in self.report.workflows:
            difference.stored.newest_us = newest.get(difference.workflow, 0)
            difference.rebuilt.newest_us = built_newest.get(difference.workflow, 0)
        if self.report.read.unreadable:
            raise StopError(f"{self.report.read.unreadable} lines of the archive are unreadable; nothing is changed")
        if not self.report.applied:
            raise StopError("the archive has no event of this organization that counts; nothing is changed")
        if taken is None:
            return
        if time.monotonic() - began > _LONGEST_SECONDS:
            raise StopError("it took longer than a day, so what was built may expire too soon; nothing is changed")
        rebuilt = Rebuilt(
            self._organization,
            self._shadow,
            reporting.name,
            reporting.name != stored_zone,
            since_ms,
            {name: lives.expiry(name) for name in built},
            stored,
            kinds,
            built_newest,
        )
        self._droppable = False
        try:
            await begin(self._client, taken.ownership, rebuilt, expiry)
        except (StopError, LeaseLostError):
            self._droppable = True
            raise
        await finish(self._client, self._settings, taken.ownership, self._shadow.run)
        self.report.swapped = self._droppable = True

    async def _records(
        self, shadow: keys.Shadow | None = None
    ) -> tuple[dict[str, str], dict[str, str], dict[str, int]]:
        """The organization's record, the kinds of its workflows, and the newest event of those that have some (µs)."""
        partition: int = self._live if shadow is None else shadow
        with translated():
            record = await self._client.hgetall(keys.organization(partition, self._organization))
            listed = await self._client.zrange(keys.workflows(partition, self._organization), 0, -1, withscores=True)
            pipeline = self._client.pipeline(transaction=False)
            for workflow, _ in listed:
                pipeline.hget(keys.workflow(partition, self._organization, workflow.decode()), "kind")
            kinds = await pipeline.execute() if listed else []
        return (
            {name.decode(): value.decode() for name, value in record.items()},
            {workflow.decode(): kind.decode() for (workflow, _), kind in zip(listed, kinds, strict=True) if kind},
            {workflow.decode(): int(newest) for workflow, newest in listed if newest},
        )

    async def _names(self) -> tuple[set[str], set[str]]:
        """What was built, and what is stored of the same kinds: names without what keys of either begin with."""
        built: set[str] = set()
        stored: set[str] = set()
        shadow, live = keys.prefix(self._shadow), keys.prefix(self._live)
        async for page in pages(self._client, f"{shadow}*"):
            built.update(name.decode().removeprefix(shadow) for name in page)
        async for page in pages(self._client, f"{live}*:{self._organization}:*"):
            stored.update(name.decode().removeprefix(live) for name in page)
        return set(filter(self._swapped, built)), set(filter(self._swapped, stored))

    def _swapped(self, name: str) -> bool:
        kind, _, rest = name.partition(":")
        return kind in BUILT and rest.startswith(f"{self._organization}:")

    async def _drop(self) -> None:
        """Free what is left of the shadow; where that fails, it expires."""
        with suppress(StoreUnavailableError):
            with translated():
                await self._client.unlink(keys.swap(self._live, self._shadow.run))
            async for page in pages(self._client, f"{keys.prefix(self._shadow)}*"):
                with translated():
                    await self._client.unlink(*page)
