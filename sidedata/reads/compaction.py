"""Reads for the compaction of old hours: the time of the last pass, and dense sketches."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sidedata.reads.owner import OrganizationState, read_records
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import array, integer, integer_or_zero, scores, string
from sidedata.redis.scripts import script
from sidedata.schema.keys import Keyspace

_DENSE: Final = script("dense_sketches")


class DenseSketches(NamedTuple):
    """Dense sketches by their keys, found among the first `searched` of the keys."""

    searched: int
    sketches: dict[str, bytes]


async def read_dense(gateway: Gateway, keyspace: Keyspace, keys: Sequence[str], most: int) -> DenseSketches:
    """Read the first `most` dense sketches among keys, any of which may be missing.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    searched, *found = array(await gateway.call(_DENSE, [keyspace.cursor, *keys], [most]))
    pairs = zip(found[::2], found[1::2], strict=True)
    return DenseSketches(integer(searched), {keys[integer(index) - 1]: string(value) for index, value in pairs})


async def read_compaction_ms(gateway: Gateway, keyspace: Keyspace) -> int:
    """Read the time at which the last complete pass began, in ms since the epoch; 0 before the first one.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return integer_or_zero(await gateway.command("HGET", keyspace.cursor, "compacted"))


async def read_newest_events(
    gateway: Gateway, keyspace: Keyspace, organization: str
) -> tuple[OrganizationState, dict[str, int]]:
    """Read an organization's record, and the time of the newest event of each of its workflows, in µs; 0 before the first.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    (state,), _ = await read_records(gateway, keyspace, [organization], ())
    reply = await gateway.command("ZRANGE", keyspace.workflows(organization), 0, -1, "WITHSCORES")
    return state, {workflow.decode(): int(at_us) for workflow, at_us in scores(reply)}
