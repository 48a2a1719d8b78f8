"""The organizations of partitions, and the releases of the rules that partitions store."""

from collections.abc import AsyncIterator, Container, Iterable

from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import array, optional_text
from sidedata.redis.scan import pages
from sidedata.schema.key_names import parse
from sidedata.schema.keys import keyspace, pattern_of_kind


async def organizations_of(gateway: Gateway, partitions: Container[int]) -> AsyncIterator[tuple[int, list[str]]]:
    """Find the organizations with a record, in one scan of all keys; yields some of a partition at a time.

    Raises:
        StoreUnavailableError: Redis is out of reach.
        CommandRefusedError: this user has no right to SCAN.
    """
    async for page in pages(gateway, pattern_of_kind("organization")):
        by_partition: dict[int, list[str]] = {}
        for name in page:
            key = parse(name.decode())
            if key is None or key.partition is None or key.organization is None:
                continue
            if key.partition in partitions:
                by_partition.setdefault(key.partition, []).append(key.organization)
        for partition, organizations in by_partition.items():
            yield partition, organizations


async def table_releases(gateway: Gateway, partitions: Iterable[int]) -> list[str]:
    """Read the releases of the rules that partitions store, the oldest and the newest of each; none before a comparison.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    commands = [("HMGET", keyspace(partition).cursor, "zones", "newest_zones") for partition in partitions]
    replies = [reply for pair in await gateway.batch(commands) for reply in array(pair)]
    return [release for release in map(optional_text, replies) if release is not None]
