"""The rebuild of an organization's counters from an archive of its events: build a shadow, compare it, swap it in.

Use case: a bug or a wrong time zone has falsified the counters, or Redis has lost them, and an archive still has the events.

    hold the partition ─▶ read the archive into a shadow ─▶ compare ─▶ swap ─▶ release
          └── events wait in the stream, answers continue from the old counters

Promise: afterwards the counters are those of an installation without events of the organization to which the archive was sent
just now. Every later event of the stream is added to them once. So

* the archive must hold all events that were applied before the rebuild began. A missing one is not counted any more; its id may
  be sent again. Where producers write their archive before they send, a live archive does: it is read after the partition is held.
* an event that is in the archive and also waits in the stream, or is sent again, counts once if it has an id. All ids of the
  archive are stored like the ids of applied events. An event without an id would count twice: the archive must not hold it.
* the kinds of workflows stay as they are, the time zone does too unless another one is given. Tokens, dead letters, names of
  workflows and other organizations are not touched. Bad events of the archive are counted by reason and left out, and so are
  unreadable lines, which are named: a broken line costs no neighbour. An archive that is cut off or damaged changes nothing.

Proof: the lease is taken by force, as a purge does it, and renewed all the while, so no worker commits anything between the
first line of the archive and the last step of the swap; a rebuild that lost the lease finds another fence when it wants to begin
the swap, and stops. The shadow is built by the very code that applies live events (`shadow.py`). Visitors' state for attribution
is swapped along with the buckets, and ids become valid in the same instant by their salt (`ingest/ownership/swap.py`).
Killed before the swap begins: nothing has changed, and the shadow expires. Killed later: the partition's next owner runs the rest
first. No reader sees half a workflow, and workflow caches are invalidated (`changes_from`).

Price: the partition, and with it the other organizations in it, lags for as long as the rebuild runs; a dry run holds nothing
and tells how long that would be. Memory: some megabytes, and the names of the keys that are swapped.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

from sidedata.calendar.levels import Retention
from sidedata.calendar.reporting import newest_rules, process_sources, stored_rules, zone_of
from sidedata.calendar.rules import ZoneRules
from sidedata.errors import LeaseLostError, StopError, StoreUnavailableError
from sidedata.ingest.archive.lines import Line
from sidedata.ingest.archive.report import ArchiveReport
from sidedata.ingest.ownership import lease
from sidedata.ingest.ownership.swap import Swap, begin, complete
from sidedata.ingest.rebuild.archive_source import ArchiveSource
from sidedata.ingest.rebuild.difference import differences
from sidedata.ingest.rebuild.expiry import Expiries, answered_names, is_swapped
from sidedata.ingest.rebuild.report import Report
from sidedata.ingest.rebuild.shadow import TTL_SECONDS, build, shadow_partition
from sidedata.reads.keys.organization import organization_keys
from sidedata.reads.records import OrganizationRecords, read_all_records
from sidedata.reads.servers import read_time_ms
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.schema.keys import Keyspace
from sidedata.schema.records import DEFAULT_ZONE
from sidedata.schema.values import HAS_EVENTS
from sidedata.settings import Settings
from sidedata.writes.commit import Ownership
from sidedata.writes.rebuild import delete_shadow
from sidedata.writes.records import list_in_partition

# A shadow's keys must outlive the swap, whichever owner ends it and whenever.
_LONGEST_SECONDS = TTL_SECONDS // 2


class Rebuild:
    """A rebuild of one organization.

    Args:
        lines: the archive's lines.
        dry: compare only.
        timezone: another reporting time zone; None leaves it as it is.
        progress: called whenever some lines have been read.
    """

    def __init__(
        self,
        gateway: Gateway,
        settings: Settings,
        installation: Installation,
        organization_id: str,
        lines: Iterator[Line],
        *,
        dry: bool,
        timezone: str | None = None,
        progress: Callable[[ArchiveReport], None] = lambda _: None,
    ) -> None:
        self._gateway = gateway
        self._settings = settings
        self._partitions = installation.partitions
        self._organization = organization_id
        self._shadow = Keyspace(installation.partition_of(organization_id), secrets.token_hex(4))
        self._live = self._shadow.live
        self._lines = lines
        self._dry = dry
        self._timezone = timezone
        self._progress = progress
        self._lost = False
        self._ended = False
        self._droppable = True  # from the beginning of a swap to its end another owner may need the shadow
        self.report = Report()

    async def run(self) -> Report:
        """Build, compare and, unless it is dry, swap.

        Raises:
            StopError: the archive can't be relied on, or a record was registered meanwhile; nothing is changed.
            ArchiveError: the archive can't be read on; nothing is changed.
            LeaseLostError: another rebuild or a purge took the partition; nothing is changed, or the swap is under way.
            StoreUnavailableError: Redis is out of reach; the same.
        """
        start = time.monotonic()
        try:
            if self._dry:
                await self._rebuild(None)
            else:
                async with self._hold() as partition_lease:
                    await self._rebuild(partition_lease)
        finally:
            self.report.seconds = time.monotonic() - start
            if self._droppable:
                await self._drop()
        return self.report

    @asynccontextmanager
    async def _hold(self) -> AsyncIterator[lease.Lease]:
        """Keep all other writers out of the partition."""
        owner = f"rebuild-{self._shadow.run}"
        partition_lease = await lease.acquire(self._gateway, self._settings, self._live.partition, owner, force=True)
        assert partition_lease is not None  # noqa: S101 - force always takes
        renewals = asyncio.create_task(self._renew(partition_lease.ownership))
        try:
            yield partition_lease
        finally:
            self._ended = True  # the Redis client may lose a cancellation that comes at an awkward moment
            renewals.cancel()
            await asyncio.gather(renewals, return_exceptions=True)
            await lease.release(self._gateway, partition_lease.ownership)

    async def _renew(self, ownership: Ownership) -> None:
        """Renew the lease until another owner comes."""
        while not (self._lost or self._ended):
            await asyncio.sleep(self._settings.lease_ms / 3000)
            with suppress(StoreUnavailableError):  # the rebuild itself sees it too
                self._lost = not await lease.renew(self._gateway, self._settings, ownership)

    def _step(self, archive: ArchiveReport) -> None:
        """Stop between two batches if the lease is lost, because the rest would be in vain."""
        if self._lost:
            raise LeaseLostError("another rebuild, a purge or a worker took the partition; run the rebuild again")
        self._progress(archive)

    async def _rebuild(self, partition_lease: lease.Lease | None) -> None:
        start = time.monotonic()
        stored = await read_all_records(self._gateway, self._live, self._organization)
        now_ms = await read_time_ms(self._gateway, self._live)
        # A later epoch than the old counters have, so that their ids and the new ones differ.
        id_epoch_ms = max(now_ms, int(stored.fields.get("since", 0)) + 1)
        expiry = now_ms // 1000 + TTL_SECONDS
        swap = await self._build(stored, id_epoch_ms, expiry, partition_lease)
        report = self.report
        if not report.applied:
            raise StopError("the archive has no event of this organization that counts; nothing is changed")
        if partition_lease is None:
            return
        if time.monotonic() - start > _LONGEST_SECONDS:
            raise StopError("it took longer than a day, so the shadow may expire too soon; nothing is changed")
        self._droppable = False
        try:
            await begin(self._gateway, partition_lease.ownership, swap, expiry)
        except (StopError, LeaseLostError):
            self._droppable = True
            raise
        await complete(self._gateway, self._settings, partition_lease.ownership, self._shadow.run)
        await list_in_partition(self._gateway, self._live, [self._organization])  # a purge takes it off the list
        report.swapped = self._droppable = True

    async def _build(
        self, stored: OrganizationRecords, id_epoch_ms: int, expiry: int, partition_lease: lease.Lease | None
    ) -> Swap:
        """Build the shadow and compare it with the live keys; returns the swap that would put it in place."""
        gateway, settings, shadow, report = self._gateway, self._settings, self._shadow, self.report
        stored_zone = stored.fields.get("timezone", DEFAULT_ZONE)
        stored_table = stored.fields.get("rules")
        rules = await self._rules(self._timezone or stored_zone, stored_table)
        reporting, table = zone_of(rules), rules.encode()
        record = {"timezone": reporting.name, "rules": table, "has_events": HAS_EVENTS, "since": str(id_epoch_ms)}
        source = ArchiveSource(gateway, shadow, self._lines, self._organization, self._step)
        report.archive = source.report
        partition = shadow_partition(
            gateway,
            settings,
            shadow,
            self._partitions,
            source,
            expiry,
            partition_lease.ids if partition_lease else None,
        )
        sums = await build(gateway, partition, self._organization, record, stored.kinds)
        report.applied, report.duplicates = sum(sums.events.values()), sums.duplicates
        report.dead_letters = sums.dead_letters

        rebuilt = await read_all_records(gateway, shadow, self._organization)
        kinds = stored.kinds | rebuilt.kinds
        rebuilt_names, stored_names = await self._names(shadow), await self._names(self._live)
        now = await read_time_ms(gateway, self._live) // 1000
        expiries = Expiries(reporting, Retention.of(settings), now)
        names = rebuilt_names | answered_names(stored_names, stored.fields)
        report.workflows = await differences(gateway, shadow, kinds, names, expiries)
        for difference in report.workflows:
            difference.stored.newest_us = stored.newest_us.get(difference.workflow, 0)
            difference.rebuilt.newest_us = rebuilt.newest_us.get(difference.workflow, 0)
        return Swap(
            self._organization,
            shadow,
            reporting.name,
            table,
            (reporting.name, table) != (stored_zone, stored_table),
            id_epoch_ms,
            {name: expiries.expiry(name) for name in rebuilt_names},
            stored_names,
            kinds,
            rebuilt.newest_us,
        )

    async def _rules(self, name: str, stored: str | None) -> ZoneRules:
        """The stored table, whatever this machine has installed; its newest rules for another zone, or where none is stored."""
        rules = stored_rules(name, stored)
        if rules is not None:
            return rules
        data = await asyncio.to_thread(process_sources().data, time.time())
        return newest_rules(data, name, int(time.time()), self._settings.keep_day_days)

    async def _names(self, keyspace: Keyspace) -> set[str]:
        """List the keys that a swap replaces, without the keyspace's prefix."""
        names = await organization_keys(self._gateway, keyspace, self._organization)
        return {name for name in names if is_swapped(name, self._organization)}

    async def _drop(self) -> None:
        """Delete the rest of the shadow; where that fails, it expires."""
        with suppress(StoreUnavailableError):
            await delete_shadow(self._gateway, self._shadow)
