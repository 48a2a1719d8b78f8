"""Deleting all that is stored of an organization, or of one workflow of it, in bounded steps while traffic flows.

A purge takes the partition's lease away from its worker, so that nobody writes meanwhile; the worker's commit in hand is refused
and it takes the partition up again when the purge is over. What is deleted: buckets, records, names of goals, attribution state,
dead letters, and events that wait in the streams, those that were sent to the wrong partition too. Remembered event ids are
hashes that name nobody and expire within two days; they are salted with the time of the organization's first event, so that
after a purge the same events can be sent again. With a whole organization go its tokens, first of all, so that what writes with
them stops within seconds; tokens for all organizations stay.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct

from sidedata.errors import LeaseLostError
from sidedata.ingest.ownership import lease
from sidedata.ingest.purge.stream_purge import Found, Target, erase_letters, erase_waiting
from sidedata.redis.client import Client, translated
from sidedata.redis.scan import pages
from sidedata.schema import keys, tokens
from sidedata.schema.installation import Installation
from sidedata.settings import Settings
from sidedata.writes.commit import Ownership


class Purged(Struct):
    """What a purge deleted, or would."""

    keys: int = 0
    visitors: int = 0  # whose memory of a purged workflow's interactions went, with the rest of it kept
    letters: int = 0
    waiting_events: int = 0
    tokens: int = 0


class Purge:
    """A purge of one organization or workflow; a dry one only counts."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        installation: Installation,
        organization_id: str,
        workflow_id: str | None,
        *,
        dry: bool,
        with_tokens: bool = False,
    ) -> None:
        self._client = client
        self._settings = settings
        self._partition = installation.partition_of(organization_id)
        self._partitions = installation.partitions
        self._target = Target(organization_id, workflow_id)
        self._organization = organization_id
        self._workflow = workflow_id
        self._dry = dry
        self._with_tokens = with_tokens and workflow_id is None
        self._purged = Purged()
        self._ownership: Ownership | None = None

    async def run(self) -> Purged:
        """Delete it all.

        Raises:
            LeaseLostError: another purge took over; run it again.
            StoreUnavailableError: Redis is out of reach; run it again.
        """
        if self._with_tokens:
            self._purged.tokens = await self._revoke()
        for partition in range(self._partitions):
            if partition != self._partition and await self._strayed_to(partition):
                async with self._owning(partition):
                    await self._erase(partition)
        async with self._owning(self._partition):
            await self._erase(self._partition)
            await self._delete()
        return self._purged

    async def _revoke(self) -> int:
        if self._dry:
            return sum(token.organization == self._organization for token in await tokens.list_all(self._client))
        return await tokens.revoke_all_of(self._client, self._organization)

    @asynccontextmanager
    async def _owning(self, partition: int) -> AsyncIterator[None]:
        """Keep everybody else from writing a partition; a dry run writes nothing and so disturbs nobody."""
        if self._dry:
            yield
            return
        owner = f"purge-{secrets.token_hex(4)}"
        taken = await lease.acquire(self._client, self._settings, partition, owner, force=True)
        assert taken is not None  # noqa: S101 - force always takes
        self._ownership = taken.ownership
        try:
            yield
        finally:
            self._ownership = None
            await lease.release(self._client, taken.ownership)

    async def _step(self) -> None:
        """Between two steps: go on owning the partition, or stop."""
        if self._ownership and not await lease.renew(self._client, self._settings, self._ownership):
            raise LeaseLostError("another purge or a worker took the partition over; run the purge again")

    async def _strayed_to(self, partition: int) -> bool:
        """Whether anything of it was sent to that partition; looked at without a lease, and waiting events first.

        What the worker makes a letter of in between is among the letters then.
        """
        found = Found()
        await erase_waiting(self._client, partition, self._target, found, self._step, dry=True)
        await erase_letters(self._client, partition, self._target, found, self._step, dry=True)
        return found != Found()

    async def _erase(self, partition: int) -> None:
        found = Found()
        await erase_waiting(self._client, partition, self._target, found, self._step, dry=self._dry)
        await erase_letters(self._client, partition, self._target, found, self._step, dry=self._dry)
        self._purged.waiting_events += found.waiting_events
        self._purged.letters += found.letters

    async def _delete(self) -> None:
        last = self._last_keys()
        async for page in pages(self._client, self._pattern()):
            await self._unlink([key for key in page if key.decode() not in last])
        if self._workflow is not None:
            await self._forget_workflow(self._workflow)
        # The records go last: until then the zone is fixed and a purge that was killed can be seen and repeated.
        await self._unlink(self._last_keys())
        if not self._dry:
            pipeline = self._client.pipeline(transaction=False)
            # Owners of the partition know records by heart; this tells them to read them anew.
            pipeline.hincrby(keys.cursor(self._partition), "records", 1)
            if self._workflow is not None:
                pipeline.zrem(keys.workflows(self._partition, self._organization), self._workflow)
            with translated():
                await pipeline.execute()

    async def _unlink(self, names: Sequence[str | bytes]) -> None:
        await self._step()
        if names:
            with translated():
                # EXISTS and UNLINK both answer how many there were.
                count = self._client.exists if self._dry else self._client.unlink
                self._purged.keys += await count(*names)

    def _pattern(self) -> str:
        """What matches the keys to delete; the wild cards stand for what differs, ids are exact."""
        if self._workflow is not None:
            return f"sd:{{{self._partition}}}:*:{self._organization}:{self._workflow}:*"
        return f"sd:{{{self._partition}}}:*:{self._organization}*"

    def _last_keys(self) -> list[str]:
        """Records: of the workflow, or of the organization."""
        if self._workflow is not None:
            record = keys.workflow(self._partition, self._organization, self._workflow)
            return [record, keys.changes(self._partition, self._organization, self._workflow)]
        return [
            keys.workflows(self._partition, self._organization),
            keys.organization(self._partition, self._organization),
        ]

    async def _forget_workflow(self, workflow_id: str) -> None:
        """Take the workflow's interactions out of the visitors' memory, or goals would go on affecting it."""
        field = f"interaction:{workflow_id}"
        async for page in pages(self._client, keys.visitor(self._partition, self._organization, "*")):
            await self._step()
            pipeline = self._client.pipeline(transaction=False)
            for key in page:
                _ = pipeline.hexists(key, field) if self._dry else pipeline.hdel(key, field)
            with translated():
                self._purged.visitors += sum(map(int, await pipeline.execute()))
