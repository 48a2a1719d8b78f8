"""The writes of the compaction of old hours."""

from collections.abc import Mapping
from typing import Final

from sidedata.errors import LeaseLostError
from sidedata.redis.gateway import Gateway
from sidedata.redis.scripts import script
from sidedata.writes.commit import Ownership

_STORE: Final = script("store_sparse")


async def store_sparse(gateway: Gateway, ownership: Ownership, sketches: Mapping[str, bytes]) -> None:
    """Replace sketches by another form of theirs, made since the owner's last commit; their TTLs stay. Missing keys stay missing.

    Raises:
        LeaseLostError: another owner has the partition; nothing happened.
        StoreUnavailableError: they may have been replaced or not.
    """
    keyspace = ownership.keyspace
    reply = await gateway.call(
        _STORE, [keyspace.cursor, *sketches], [ownership.fence, ownership.entry, *sketches.values()]
    )
    if not isinstance(reply, int):
        raise LeaseLostError(f"partition {keyspace.partition} has another owner")


async def record_compaction(gateway: Gateway, ownership: Ownership, began_ms: int) -> None:
    """Record that a pass over all hours that were old at `began_ms` is complete.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    await gateway.command("HSET", ownership.keyspace.cursor, "compacted", began_ms)
