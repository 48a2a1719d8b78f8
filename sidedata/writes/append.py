"""The way into an ingest stream from outside: whole or nothing, and not beyond the backlog that workers keep up with."""

from collections.abc import Iterable

from sidedata.errors import SidedataError, StoreUnavailableError
from sidedata.events.decode import MAX_ENTRY_EVENTS
from sidedata.events.json_array import join_array
from sidedata.plural import counted
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Word, array, integer
from sidedata.redis.scripts import script
from sidedata.schema.keys import Keyspace

# A worker reads one entry at once at least; a larger one would make its batches uneven.
MAX_ENTRY_BYTES = 1024 * 1024
# Within the second in which every request is answered; a replica that keeps up answers in less than two milliseconds.
_WAIT_MS = 500

_APPEND = script("append")


class BacklogFullError(SidedataError):
    """The stream already holds more entries than the limit; nothing was written."""


async def append(
    gateway: Gateway, keyspace: Keyspace, events: Iterable[bytes], backlog_limit: int, wait_replicas: int = 0
) -> None:
    """Append events, each the bytes of one JSON object, to the partition's stream, all of them or none.

    With `wait_replicas` it returns when that many replicas have them, too.

    Raises:
        BacklogFullError: the stream holds more than `backlog_limit` entries.
        StoreUnavailableError: Redis is out of reach or full. If it was lost in mid-write, either all are in or none is. Or
            all are in, but too few replicas confirmed them in time.
    """
    entries = pack(events)
    if not entries:
        return
    arguments: list[Word] = [backlog_limit, *entries]
    copies = 0
    if wait_replicas:
        reply, copies = await gateway.call_and_wait(
            _APPEND, [keyspace.events], arguments, replicas=wait_replicas, wait_ms=_WAIT_MS
        )
    else:
        reply = await gateway.call(_APPEND, [keyspace.events], arguments)
    status, backlog = map(integer, array(reply))
    if not status:
        raise BacklogFullError(
            f"{counted(backlog, 'entry waits', 'entries wait')} to be applied, {backlog_limit} are allowed"
        )
    if copies < wait_replicas:
        raise StoreUnavailableError(f"{copies} replicas have the events, {wait_replicas} are required")


async def append_plainly(gateway: Gateway, keyspace: Keyspace, events: Iterable[bytes]) -> None:
    """Append events with XADD alone, for accounts without another right; no limit is checked, and a long batch may go in part.

    Raises:
        StoreUnavailableError: Redis is out of reach or full; entries before the break are in.
        StopError: Redis refused the command.
    """
    for entry in pack(events):
        await gateway.command("XADD", keyspace.events, "*", "events", entry)


async def append_entries(gateway: Gateway, keyspace: Keyspace, entries: Iterable[bytes]) -> None:
    """Append entries, each a JSON array of events, in one round trip; no limit is checked.

    Raises:
        StoreUnavailableError: Redis is out of reach or full; some entries may be in.
    """
    await gateway.batch([("XADD", keyspace.events, "*", "events", entry) for entry in entries])


def pack(events: Iterable[bytes]) -> list[bytes]:
    """JSON arrays of at most `MAX_ENTRY_EVENTS` events and `MAX_ENTRY_BYTES` bytes each, in order."""
    entries: list[bytes] = []
    batch: list[bytes] = []
    size = 2
    for event in events:
        if batch and (len(batch) >= MAX_ENTRY_EVENTS or size + len(event) + 1 > MAX_ENTRY_BYTES):
            entries.append(join_array(batch))
            batch, size = [], 2
        batch.append(event)
        size += len(event) + 1
    if batch:
        entries.append(join_array(batch))
    return entries
