"""The commands of a rebuild: read the live keys, prepare a shadow, compare the two, and delete the remains of the shadow."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from msgspec import Struct

from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Word, integer, integer_mapping, optional_text, scores, text_mapping
from sidedata.redis.scan import pages
from sidedata.schema.keys import Keyspace

SHADOW_FENCE: Final = 1


class Records(Struct):
    """An organization's record, the kinds of its workflows, and the newest event of each workflow with events, in microseconds."""

    fields: dict[str, str]
    kinds: dict[str, str]
    newest_us: dict[str, int]


async def read_all_records(gateway: Gateway, keyspace: Keyspace, organization: str) -> Records:
    """Read the records of an organization and of its workflows, live ones or a shadow's.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    record, workflows = await gateway.batch(
        [
            ("HGETALL", keyspace.organization(organization)),
            ("ZRANGE", keyspace.workflows(organization), 0, -1, "WITHSCORES"),
        ]
    )
    newest_us = {workflow.decode(): int(score) for workflow, score in scores(workflows)}
    kinds = await gateway.batch([("HGET", keyspace.workflow(organization, workflow), "kind") for workflow in newest_us])
    return Records(
        text_mapping(record),
        {
            workflow: kind
            for workflow, kind in zip(newest_us, map(optional_text, kinds), strict=True)
            if kind is not None
        },
        {workflow: newest for workflow, newest in newest_us.items() if newest},
    )


async def key_names(gateway: Gateway, keyspace: Keyspace, organization: str) -> set[str]:
    """List an organization's keys, live ones or a shadow's, without the keyspace's prefix.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    names: set[str] = set()
    async for page in pages(gateway, keyspace.pattern_of(organization)):
        names.update(name.decode().removeprefix(keyspace.prefix) for name in page)
    return names


async def prepare_shadow(
    gateway: Gateway,
    keyspace: Keyspace,
    organization: str,
    record: Mapping[str, str],
    kinds: Mapping[str, str],
    expiry: int,
) -> None:
    """Write the cursor of a new shadow, the organization's record, and the kinds of its workflows.

    Args:
        expiry: of all these keys, in seconds since the epoch.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    hashes: dict[str, Mapping[str, Word]] = {
        keyspace.cursor: {"fence": SHADOW_FENCE},
        keyspace.organization(organization): record,
        **{keyspace.workflow(organization, workflow): {"kind": kind} for workflow, kind in kinds.items()},
    }
    commands: list[Sequence[Word]] = []
    for key, fields in hashes.items():
        commands.append(("HSET", key, *(word for pair in fields.items() for word in pair)))
        commands.append(("EXPIREAT", key, expiry))
    await gateway.batch(commands)


async def delete_dead_letters(gateway: Gateway, keyspace: Keyspace) -> None:
    """Delete a shadow's dead letters.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    await gateway.command("UNLINK", keyspace.dead)


async def delete_shadow(gateway: Gateway, keyspace: Keyspace) -> None:
    """Delete the rest of a shadow, and the rest of its swap.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    await gateway.command("UNLINK", keyspace.live.swap(keyspace.run))
    async for page in pages(gateway, keyspace.pattern):
        await gateway.command("UNLINK", *page)


async def bucket_values(gateway: Gateway, keyspace: Keyspace, names: Collection[str]) -> list[int | dict[str, int]]:
    """Read keys of buckets, named without the keyspace's prefix: counts by field, or the estimate of a sketch.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    is_counts = [name.endswith(":counts") for name in names]
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
