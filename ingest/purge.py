"""Deleting all that is stored of an organization, or of one workflow of it, in bounded steps while traffic flows.

A purge takes the partition's lease away from its worker, so that nobody writes meanwhile; the worker's commit in hand is refused
and it takes the partition up again when the purge is over. What is deleted: buckets, records, names of goals, attribution state,
dead letters, and events that wait in the stream. Remembered event ids are hashes that name nobody and expire within two days;
they are salted with the time of the organization's first event, so that after a purge the same events can be sent again.
"""

import json
import secrets
from collections.abc import AsyncIterator, Sequence

import msgspec
from msgspec import Struct

from ingest import lease
from store import keys
from store.client import Client, translated
from store.commit import Ownership
from store.errors import LeaseLostError
from store.events import canonical_uuid
from store.installation import Installation
from store.scripts import script
from store.settings import Settings

_PURGE_ENTRY = script("purge_entry")
_PAGE = 500

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


class Purged(Struct):
    """What a purge deleted, or would."""

    keys: int = 0
    visitors: int = 0  # whose memory of a purged workflow's interactions went, with the rest of it kept
    letters: int = 0
    waiting_events: int = 0


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
    ) -> None:
        self._client = client
        self._settings = settings
        self._partition = installation.partition_of(organization_id)
        self._organization = organization_id
        self._workflow = workflow_id
        self._dry = dry
        self._purged = Purged()
        self._ownership: Ownership | None = None

    async def run(self) -> Purged:
        """Delete it all.

        Raises:
            LeaseLostError: another purge took over; run it again.
            StoreUnavailableError: Redis is out of reach; run it again.
        """
        if self._dry:
            await self._delete()
            return self._purged
        taken = await lease.acquire(
            self._client, self._settings, self._partition, f"purge-{secrets.token_hex(4)}", force=True
        )
        assert taken is not None  # noqa: S101 - force always takes
        self._ownership = taken.ownership
        try:
            await self._delete()
        finally:
            await lease.release(self._client, taken.ownership)
        return self._purged

    async def _step(self) -> None:
        """Between two steps: go on owning the partition, or stop."""
        if self._ownership and not await lease.renew(self._client, self._settings, self._ownership):
            raise LeaseLostError("another purge or a worker took the partition over; run the purge again")

    async def _delete(self) -> None:
        await self._entries(keys.events(self._partition))
        await self._entries(keys.dead(self._partition))
        last = self._last_keys()
        async for page in self._scan(self._pattern()):
            await self._unlink([key for key in page if key.decode() not in last])
        if self._workflow is not None:
            await self._forget_workflow(self._workflow)
        # The records go last: until then the zone is fixed and a purge that was killed can be seen and repeated.
        await self._unlink(last)
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

    async def _scan(self, pattern: str) -> AsyncIterator[list[bytes]]:
        """Pages of keys of this partition that match; every master is scanned, the others hold none of them."""
        page: list[bytes] = []
        with translated():
            async for key in self._client.scan_iter(match=pattern, count=_PAGE):
                page.append(key)
                if len(page) >= _PAGE:
                    yield page
                    page = []
        if page:
            yield page

    async def _forget_workflow(self, workflow_id: str) -> None:
        """Take the workflow's interactions out of the visitors' memory, or goals would go on affecting it."""
        field = f"interaction:{workflow_id}"
        async for page in self._scan(keys.visitor(self._partition, self._organization, "*")):
            await self._step()
            pipeline = self._client.pipeline(transaction=False)
            for key in page:
                _ = pipeline.hexists(key, field) if self._dry else pipeline.hdel(key, field)
            with translated():
                self._purged.visitors += sum(map(int, await pipeline.execute()))

    async def _entries(self, stream: str) -> None:
        """Events of the organization in the ingest stream or among the dead letters."""
        dead = stream == keys.dead(self._partition)
        last = "-"
        while True:
            await self._step()
            with translated():
                page = await self._client.xrange(stream, last, "+", count=_PAGE)
            for entry, fields in page:
                values = [
                    value
                    for name, value in fields.items()
                    if name in (b"event", b"events") or name.startswith(b"field:")
                ]
                raws = [raw for value in values for raw in _events(value)]
                remaining = [raw for raw in raws if not self._is_purged(raw)]
                if len(remaining) == len(raws):
                    continue
                if dead:
                    self._purged.letters += 1
                    remaining = []  # a letter that names the organization goes as a whole
                else:
                    self._purged.waiting_events += len(raws) - len(remaining)
                if not self._dry:
                    rest = b"[" + b",".join(remaining) + b"]" if remaining else b""
                    with translated():
                        await _PURGE_ENTRY(self._client, [stream], [entry, rest])
            if len(page) < _PAGE:
                return
            last = "(" + page[-1][0].decode()

    def _is_purged(self, raw: bytes) -> bool:
        try:
            event = json.loads(raw)
        except (ValueError, RecursionError):
            # What can't be read is searched: better one broken letter too many than a trace of the organization.
            return (self._workflow or self._organization).encode() in raw.lower()
        if not isinstance(event, dict):
            return False
        return _names(event, "organization_id", self._organization) and (
            self._workflow is None or _names(event, "workflow_id", self._workflow)
        )


def _names(event: dict[str, object], field: str, wanted: str) -> bool:
    value = event.get(field)
    return isinstance(value, str) and canonical_uuid(value) == wanted


def _events(value: bytes) -> list[bytes]:
    """The events in a field's value: the elements of an array, or the value itself."""
    try:
        return [bytes(raw) for raw in _ARRAY.decode(value)]
    except (msgspec.DecodeError, RecursionError):
        return [value]
