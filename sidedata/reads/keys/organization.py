"""The keys of one organization, live ones or a shadow's."""

from collections.abc import AsyncIterator, Collection

from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import integer, integer_mapping
from sidedata.redis.scan import pages
from sidedata.schema.key_names import parse_within
from sidedata.schema.keys import Keyspace


def key_pages(
    gateway: Gateway, keyspace: Keyspace, organization: str, workflow: str | None = None
) -> AsyncIterator[list[bytes]]:
    """Scan for the keys of an organization, or of one workflow without its record and its log of changes; a page at a time.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return pages(gateway, keyspace.pattern_of(organization, workflow))


def visitor_pages(gateway: Gateway, keyspace: Keyspace, organization: str) -> AsyncIterator[list[bytes]]:
    """Scan for the keys of the state of an organization's visitors, a page at a time.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return pages(gateway, keyspace.visitor(organization, "*"))


async def organization_keys(gateway: Gateway, keyspace: Keyspace, organization: str) -> set[str]:
    """List an organization's keys, live ones or a shadow's, without the keyspace's prefix.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    names: set[str] = set()
    async for page in key_pages(gateway, keyspace, organization):
        names.update(name.decode().removeprefix(keyspace.prefix) for name in page)
    return names


async def bucket_values(gateway: Gateway, keyspace: Keyspace, names: Collection[str]) -> list[int | dict[str, int]]:
    """Read keys of buckets, named without the keyspace's prefix: counts by field, or the estimate of a sketch.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    parsed = map(parse_within, names)
    is_counts = [name is not None and name.kind == "counts" for name in parsed]
    commands = [
        ("HGETALL" if counts else "PFCOUNT", keyspace.prefix + name)
        for name, counts in zip(names, is_counts, strict=True)
    ]
    return [
        integer_mapping(reply) if counts else integer(reply)
        for reply, counts in zip(await gateway.batch(commands), is_counts, strict=True)
    ]


async def merged_estimate(gateway: Gateway, keyspace: Keyspace, names: Collection[str]) -> int:
    """Read the estimate of the union of sketches, named without the keyspace's prefix.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return integer(await gateway.command("PFCOUNT", *(keyspace.prefix + name for name in names)))
