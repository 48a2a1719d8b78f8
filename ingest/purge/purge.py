"""The purge of an organization, or of one workflow of it, in bounded steps while traffic flows.

A purge takes the partition's lease from its worker, so that no worker writes meanwhile; the worker's commit in progress is
refused, and it takes the partition again when the purge is over. Deleted are buckets, records, names of goals, attribution state,
dead letters, and events that wait in the streams, those in a wrong partition too. The ids of applied events stay: they are hashes
that identify no visitor, and they expire within two days. They are salted with the time of the organization's first event, so
after a purge the same events can be sent again. The purge of a whole organization revokes its tokens first of all, so that their
users stop writing within seconds; tokens for all organizations stay.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct

from sidedata.errors import LeaseLostError
from sidedata.ingest.ownership import lease
from sidedata.ingest.purge.stream_purge import StreamCounts, Target, purge_dead_letters, purge_events
from sidedata.reads.keys.organization import key_pages, visitor_pages
from sidedata.reads.tokens import list_tokens
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.schema.keys import Keyspace, keyspace
from sidedata.settings import Settings
from sidedata.writes.commit import Ownership
from sidedata.writes.purge import delete_interactions, delete_keys, finish_purge
from sidedata.writes.tokens import revoke_tokens_of


class PurgeReport(Struct):
    """The numbers of deleted things, or of those that a dry run would delete."""

    keys: int = 0
    visitors: int = 0  # visitors that lost the interactions with a purged workflow, but not the rest of their state
    dead_letters: int = 0
    waiting_events: int = 0
    tokens: int = 0


class Purge:
    """A purge of one organization or workflow; a dry run only counts."""

    def __init__(
        self,
        gateway: Gateway,
        settings: Settings,
        installation: Installation,
        organization_id: str,
        workflow_id: str | None,
        *,
        dry: bool,
        with_tokens: bool = False,
    ) -> None:
        self._gateway = gateway
        self._settings = settings
        self._keyspace = installation.keyspace_of(organization_id)
        self._partitions = installation.partitions
        self._target = Target(organization_id, workflow_id)
        self._organization = organization_id
        self._workflow = workflow_id
        self._dry = dry
        self._with_tokens = with_tokens and workflow_id is None
        self._report = PurgeReport()
        self._ownership: Ownership | None = None

    async def run(self) -> PurgeReport:
        """Delete everything.

        Raises:
            LeaseLostError: another purge took over; run it again.
            StoreUnavailableError: Redis is out of reach; run it again.
        """
        if self._with_tokens:
            self._report.tokens = await self._revoke_tokens()
        for partition in range(self._partitions):
            space = keyspace(partition)
            if partition != self._keyspace.partition and await self._occurs_in(space):
                async with self._owning(space):
                    await self._purge_streams(space)
        async with self._owning(self._keyspace):
            await self._purge_streams(self._keyspace)
            await self._delete()
        return self._report

    async def _revoke_tokens(self) -> int:
        if self._dry:
            return sum(token.organization == self._organization for token in await list_tokens(self._gateway))
        return await revoke_tokens_of(self._gateway, self._organization)

    @asynccontextmanager
    async def _owning(self, space: Keyspace) -> AsyncIterator[None]:
        """Own a partition, so that no worker writes it; a dry run writes nothing and needs no lease."""
        if self._dry:
            yield
            return
        owner = f"purge-{secrets.token_hex(4)}"
        partition_lease = await lease.acquire(self._gateway, self._settings, space.partition, owner, force=True)
        assert partition_lease is not None  # noqa: S101 - `force` takes the lease from any owner
        self._ownership = partition_lease.ownership
        try:
            yield
        finally:
            self._ownership = None
            await lease.release(self._gateway, partition_lease.ownership)

    async def _checkpoint(self) -> None:
        """Renew the lease between two steps.

        Raises:
            LeaseLostError: the partition has another owner.
        """
        if self._ownership and not await lease.renew(self._gateway, self._settings, self._ownership):
            raise LeaseLostError("another purge or a worker took the partition over; run the purge again")

    async def _occurs_in(self, space: Keyspace) -> bool:
        """Tell if a foreign partition holds events or dead letters of the target.

        It is searched without a lease, waiting events first: a dead letter that the worker makes of one in between is still
        found among the dead letters.
        """
        counts = StreamCounts()
        await purge_events(self._gateway, space, self._target, counts, self._checkpoint, dry=True)
        await purge_dead_letters(self._gateway, space, self._target, counts, self._checkpoint, dry=True)
        return counts != StreamCounts()

    async def _purge_streams(self, space: Keyspace) -> None:
        counts = StreamCounts()
        await purge_events(self._gateway, space, self._target, counts, self._checkpoint, dry=self._dry)
        await purge_dead_letters(self._gateway, space, self._target, counts, self._checkpoint, dry=self._dry)
        # In its own partition the index goes with the organization's other keys. Of one workflow, all that stays in the index
        # are ids of letters that are gone.
        if self._workflow is None and space.partition != self._keyspace.partition:
            self._report.keys += await delete_keys(self._gateway, [space.dead_of(self._organization)], dry=self._dry)
        self._report.waiting_events += counts.waiting_events
        self._report.dead_letters += counts.dead_letters

    async def _delete(self) -> None:
        records = self._records()
        async for page in key_pages(self._gateway, self._keyspace, self._organization, self._workflow):
            await self._delete_keys([key for key in page if key.decode() not in records])
        if self._workflow is not None:
            await self._delete_interactions(self._workflow)
        # The records go last: until then the zone is fixed, and a purge that was killed is visible and can be repeated.
        await self._delete_keys(records)
        if not self._dry:
            await finish_purge(self._gateway, self._keyspace, self._organization, self._workflow)

    async def _delete_keys(self, names: Sequence[str | bytes]) -> None:
        await self._checkpoint()
        self._report.keys += await delete_keys(self._gateway, names, dry=self._dry)

    def _records(self) -> list[str]:
        """The record of the workflow and its log of changes, or the organization's record and its list of workflows."""
        if self._workflow is not None:
            return [
                self._keyspace.workflow(self._organization, self._workflow),
                self._keyspace.changes(self._organization, self._workflow),
            ]
        return [self._keyspace.workflows(self._organization), self._keyspace.organization(self._organization)]

    async def _delete_interactions(self, workflow: str) -> None:
        """Remove the workflow's interactions from visitors' state; otherwise goals would go on affecting it."""
        async for page in visitor_pages(self._gateway, self._keyspace, self._organization):
            await self._checkpoint()
            self._report.visitors += await delete_interactions(self._gateway, page, workflow, dry=self._dry)
