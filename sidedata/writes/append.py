"""Putting events in the ingest stream from outside: whole or nothing, and not beyond what the workers keep up with."""

from collections.abc import Iterable

from sidedata.errors import SidedataError, StoreUnavailableError
from sidedata.events.decode import MAX_ENTRY_EVENTS
from sidedata.redis.client import Client, translated
from sidedata.redis.replication import Replicated
from sidedata.redis.scripts import script
from sidedata.schema import keys

# An entry is what a worker reads at once at the least; more than this would make its batches uneven.
MAX_ENTRY_BYTES = 1024 * 1024

_APPEND = script("append")


class BacklogFullError(SidedataError):
    """The stream already holds more entries than the limit; nothing was written."""


async def append(
    client: Client, partition: int, events: Iterable[bytes], backlog_limit: int, wait_replicas: int = 0
) -> None:
    """Put events, each the bytes of one JSON object, in the partition's stream, all of them or none.

    With `wait_replicas` it returns when so many replicas have them, too.

    Raises:
        BacklogFullError: there are more than `backlog_limit` entries in it.
        StoreUnavailableError: Redis is out of reach or full. If it was lost in mid-write all may be in, else none is. Or
            all are in, but too few replicas said in time that they have them.
    """
    entries = pack(events)
    if not entries:
        return
    stream = keys.events(partition)
    replicated = Replicated(client, stream, wait_replicas) if wait_replicas else None
    with translated():
        written, backlog = await _APPEND(replicated or client, [stream], [backlog_limit, *entries])
    if not written:
        raise BacklogFullError(f"{backlog} entries wait to be applied, {backlog_limit} are allowed")
    if replicated is not None and replicated.copies < wait_replicas:
        raise StoreUnavailableError(f"{replicated.copies} replicas have the events, {wait_replicas} are asked for")


async def append_plainly(client: Client, partition: int, events: Iterable[bytes]) -> None:
    """Put events in the partition's stream by XADD alone, for accounts with no other right; a long batch may go in part.

    Raises:
        StoreUnavailableError: Redis is out of reach or full.
        StopError: Redis refused the command.
    """
    for entry in pack(events):
        with translated():
            await client.xadd(keys.events(partition), {"events": entry})


async def read_partitions(client: Client) -> int | None:
    """The number of partitions; None: there is no installation in this Redis yet.

    Raises:
        StoreUnavailableError: Redis is out of reach.
        StopError: Redis refused the command.
    """
    with translated():
        stored = await client.hget(keys.CONFIG, "partitions")
    return None if stored is None else int(stored)


def pack(events: Iterable[bytes]) -> list[bytes]:
    """JSON arrays of at most `MAX_ENTRY_EVENTS` events and `MAX_ENTRY_BYTES` bytes each, in order."""
    entries: list[bytes] = []
    batch: list[bytes] = []
    size = 2
    for event in events:
        if batch and (len(batch) >= MAX_ENTRY_EVENTS or size + len(event) + 1 > MAX_ENTRY_BYTES):
            entries.append(b"[" + b",".join(batch) + b"]")
            batch, size = [], 2
        batch.append(event)
        size += len(event) + 1
    if batch:
        entries.append(b"[" + b",".join(batch) + b"]")
    return entries
