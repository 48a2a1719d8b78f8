"""The buckets of a workflow that a new cut of its days is made of."""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from sidedata.batched import batched
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Command, Reply, integer, integer_mapping
from sidedata.schema.keys import Keyspace
from sidedata.schema.table import BUCKET_COUNTS, BUCKET_SESSIONS, BUCKET_VISITORS

_BATCH: Final = 250  # cheap commands, of some microseconds each


class HourContent(Struct):
    """The content of an hour bucket: exact counts, the estimate of its visitors, and if it has sessions; nothing if missing."""

    counts: dict[str, int]
    visitors: int
    has_sessions: bool


async def read_hours(
    gateway: Gateway, keyspace: Keyspace, organization: str, workflow: str, starts: Sequence[int]
) -> dict[int, HourContent]:
    """Read hour buckets by their starts.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    prefixes = [keyspace.bucket(organization, workflow, "hour", start) for start in starts]
    counts = await _batches(gateway, [("HGETALL", f"{prefix}{BUCKET_COUNTS}") for prefix in prefixes])
    visitors = await _batches(gateway, [("PFCOUNT", f"{prefix}{BUCKET_VISITORS}") for prefix in prefixes])
    sessions = await _batches(gateway, [("EXISTS", f"{prefix}{BUCKET_SESSIONS}") for prefix in prefixes])
    return {
        start: HourContent(integer_mapping(fields), integer(estimate), integer(has_sessions) == 1)
        for start, fields, estimate, has_sessions in zip(starts, counts, visitors, sessions, strict=True)
    }


async def read_days(
    gateway: Gateway, keyspace: Keyspace, organization: str, workflow: str, starts: Sequence[int]
) -> dict[int, dict[str, int]]:
    """Read the counts of day buckets by their starts; empty where there are none.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    commands = [
        ("HGETALL", f"{keyspace.bucket(organization, workflow, 'day', start)}{BUCKET_COUNTS}") for start in starts
    ]
    return dict(zip(starts, map(integer_mapping, await _batches(gateway, commands)), strict=True))


async def existing_days(
    gateway: Gateway, keyspace: Keyspace, organization: str, workflows: Iterable[str], starts: Sequence[int]
) -> set[int]:
    """Find the starts at which a day bucket of any of the workflows exists.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    places = [
        (start, keyspace.bucket(organization, workflow, "day", start)) for workflow in workflows for start in starts
    ]
    replies = await _batches(
        gateway, [("EXISTS", f"{prefix}{BUCKET_VISITORS}", f"{prefix}{BUCKET_COUNTS}") for _, prefix in places]
    )
    return {start for (start, _), reply in zip(places, replies, strict=True) if integer(reply)}


async def sketch_estimates(gateway: Gateway, keys: Sequence[str]) -> list[int]:
    """Read the estimates of sketches.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return [integer(reply) for reply in await _batches(gateway, [("PFCOUNT", key) for key in keys])]


async def _batches(gateway: Gateway, commands: Sequence[Command]) -> list[Reply]:
    replies: list[Reply] = []
    for batch in batched(commands, _BATCH):
        replies += await gateway.batch(batch)
    return replies
