"""The purge of streams: events that wait, and dead letters, in every partition.

An event of the organization may have been sent to another partition by mistake, so every partition is searched. In an ingest
stream only the organization's own events are removed. An entry that holds no event, and a dead letter above all, is removed if it
names the organization at all: it can't be trusted to name its owner in the right place.

XDEL only marks an entry; its bytes stay in memory and in dumps as long as a neighbour lives in the same node. Applied events leave
the stream anyway, but dead letters are kept for weeks, so a stream of dead letters that lost some is rewritten.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct

from sidedata.errors import StoreUnavailableError
from sidedata.events.decode import MAX_ENTRY_EVENTS, decode_event
from sidedata.events.json_array import split_array
from sidedata.events.rejection import Rejection
from sidedata.reads.streams import stream_pages
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Entry
from sidedata.schema.keys import Keyspace
from sidedata.writes.dead_letters import begin_rewrite, copy_dead_letters, finish_rewrite
from sidedata.writes.purge import purge_entry

_PAGE: Final = 20  # an entry may have a megabyte, and a page of them is in memory at once
_ATTEMPTS: Final = 20


Checkpoint = Callable[[], Awaitable[None]]


class Target(Struct, frozen=True):
    """The target of a purge: an organization, or one workflow of it; ids in lower case."""

    organization: str
    workflow: str | None

    def owns(self, raw: bytes) -> bool:
        """Tell if an event is the target's; bytes that are no event are, if they name the target anywhere."""
        event = decode_event(raw)
        if isinstance(event, Rejection):
            return self.appears_in(raw)
        return event.organization_id == self.organization and self.workflow in (None, event.workflow_id)

    def appears_in(self, value: bytes) -> bool:
        """Tell if a value names the target anywhere, however JSON may have escaped it."""
        text = value.decode(errors="replace")
        try:
            unescaped = json.dumps(json.loads(text), ensure_ascii=False)
        except (ValueError, RecursionError):
            unescaped = ""
        return self._matches(text) or self._matches(unescaped)

    def _matches(self, text: str) -> bool:
        text = text.lower()
        return self.organization in text and (self.workflow is None or self.workflow in text)


class StreamCounts(Struct):
    """The numbers of events and dead letters that a purge has removed, or would remove."""

    waiting_events: int = 0
    dead_letters: int = 0


async def purge_events(
    gateway: Gateway, keyspace: Keyspace, target: Target, counts: StreamCounts, checkpoint: Checkpoint, *, dry: bool
) -> None:
    """Remove the target's events from the ingest stream; their neighbours stay.

    Args:
        checkpoint: awaited at each page; it raises if the partition has another owner.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    async for entry, fields in _entries(gateway, keyspace.events, checkpoint):
        raws = _events(fields)
        if raws is None:  # the worker makes one dead letter of all of it
            raws, remaining = [b""], [b""] * (not any(map(target.appears_in, fields[1::2])))
        else:
            remaining = [raw for raw in raws if not target.owns(raw)]
        if len(remaining) == len(raws):
            continue
        counts.waiting_events += len(raws) - len(remaining)
        if not dry:
            await purge_entry(gateway, keyspace, entry, remaining)


async def purge_dead_letters(
    gateway: Gateway, keyspace: Keyspace, target: Target, counts: StreamCounts, checkpoint: Checkpoint, *, dry: bool
) -> None:
    """Remove the dead letters that name the target, and their bytes too.

    Args:
        checkpoint: awaited at each page; it raises if the partition has another owner.

    Raises:
        StoreUnavailableError: Redis is out of reach, or dead letters are replayed all the time; run it again.
    """
    for _ in range(_ATTEMPTS):
        count = 0
        async for _, fields in _entries(gateway, keyspace.dead, checkpoint):
            count += any(map(target.appears_in, fields[1::2]))
        if dry or not count or await _rewrite(gateway, keyspace, target, checkpoint):
            counts.dead_letters += count
            return
    raise StoreUnavailableError("dead letters are being replayed at the same time; run the purge again")


async def _rewrite(gateway: Gateway, keyspace: Keyspace, target: Target, checkpoint: Checkpoint) -> bool:
    """Rewrite the dead letters without the target's, under their ids; False if one was replayed meanwhile."""
    length, newest = 0, b""
    await begin_rewrite(gateway, keyspace)
    async for page in stream_pages(gateway, keyspace.dead, _PAGE):
        await checkpoint()
        length += len(page)
        newest = page[-1][0] if page else newest
        remaining = [(entry, fields) for entry, fields in page if not any(map(target.appears_in, fields[1::2]))]
        await copy_dead_letters(gateway, keyspace, remaining)
    return await finish_rewrite(gateway, keyspace, length, newest)


async def _entries(gateway: Gateway, stream: str, checkpoint: Checkpoint) -> AsyncIterator[Entry]:
    async for page in stream_pages(gateway, stream, _PAGE):
        await checkpoint()
        for entry in page:
            yield entry


def _events(fields: Sequence[bytes]) -> list[bytes] | None:
    """Split an entry into its events; None where not exactly one field holds events."""
    names = fields[::2]
    if names.count(b"event") + names.count(b"events") != 1:
        return None
    if b"event" in names:
        return [fields[2 * names.index(b"event") + 1]]
    value = fields[2 * names.index(b"events") + 1]
    raws = split_array(value, MAX_ENTRY_EVENTS)
    # Too long an array becomes one dead letter, so its elements share their fate here, too.
    return [value] if isinstance(raws, Rejection) or len(raws) > MAX_ENTRY_EVENTS else raws
