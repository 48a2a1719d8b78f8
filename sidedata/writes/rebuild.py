"""The writes of a rebuild: prepare a shadow, and delete the remains of it."""

from collections.abc import Mapping, Sequence
from typing import Final

from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Word
from sidedata.redis.scan import pages
from sidedata.schema.keys import Keyspace

SHADOW_FENCE: Final = 1


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
