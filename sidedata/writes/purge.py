"""Writes of a purge: it deletes keys, removes a workflow from visitors' state, and removes events from an ingest stream.

Functions with `dry` only count then; EXISTS and HEXISTS reply as UNLINK and HDEL would.
"""

from collections.abc import Sequence
from typing import Final

from sidedata.events.json_array import join_array
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Command, integer
from sidedata.redis.scripts import script
from sidedata.schema.keys import Keyspace
from sidedata.schema.visitor_state import interaction_field

_PURGE_ENTRY: Final = script("purge_entry")


async def delete_keys(gateway: Gateway, names: Sequence[str | bytes], *, dry: bool) -> int:
    """Delete keys of one partition; returns the number of keys that existed.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return integer(await gateway.command("EXISTS" if dry else "UNLINK", *names)) if names else 0


async def delete_interactions(gateway: Gateway, visitors: Sequence[bytes], workflow: str, *, dry: bool) -> int:
    """Remove a workflow's interactions from the state of visitors, given by their keys; returns the number of those with some.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    command, field = "HEXISTS" if dry else "HDEL", interaction_field(workflow)
    replies = await gateway.batch([(command, visitor, field) for visitor in visitors])
    return sum(map(integer, replies))


async def purge_entry(gateway: Gateway, keyspace: Keyspace, entry: bytes, remaining: Sequence[bytes]) -> None:
    """Replace a stream entry by an entry with the remaining events, atomically; a no-op if the entry is gone.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    rest = join_array(remaining) if remaining else b""
    await gateway.call(_PURGE_ENTRY, [keyspace.events], [entry, rest])


async def finish_purge(gateway: Gateway, keyspace: Keyspace, organization: str, workflow: str | None) -> None:
    """Remove what was purged from its list, and make the partition's owners read their cached records again.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    commands: list[Command] = [("HINCRBY", keyspace.cursor, "records", 1)]
    if workflow is None:
        commands.append(("ZREM", keyspace.organizations, organization))
    else:
        commands.append(("ZREM", keyspace.workflows(organization), workflow))
    await gateway.batch(commands)
