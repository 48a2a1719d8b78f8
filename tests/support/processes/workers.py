"""Partitions, events and shares of workers, for tests of ownership."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from uuid import UUID

import pytest

from sidedata import failpoints
from sidedata.ingest.apply.partition import Partition
from sidedata.schema import keys
from sidedata.schema.installation import Installation
from sidedata.settings import Settings
from tests.support.constants import SECRET
from tests.support.events import started
from tests.support.redis.client import Client

PARTITIONS = 16
INSTALLATION = Installation(PARTITIONS)
SETTINGS = Settings(secret=SECRET)


class KilledError(Exception):
    """The death of a process at a failpoint, as an exception in the process of the test."""


class Death:
    """Tells if it has happened."""

    happened = False


@contextmanager
def killed_at(point: str, passage: int) -> Iterator[Death]:
    """Let what runs inside die at that passage of a failpoint; it goes on behind the block."""
    death, left = Death(), passage

    def die(passed: str) -> None:
        nonlocal left
        left -= passed == point
        if passed == point and left == 0:
            death.happened = True
            raise KilledError

    with pytest.MonkeyPatch.context() as patch, suppress(KilledError):
        patch.setattr(failpoints, "armed", die)
        yield death


async def applied_entries(partition: Partition, block_ms: int | None = None) -> int:
    """Apply one batch; the number of its stream entries, 0 where none came."""
    outcome = await partition.run_once(block_ms)
    return 0 if outcome is None else outcome.entries


def organizations(partitions: int) -> dict[int, str]:
    """An organization for every partition."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < partitions:
        organization = str(UUID(int=0xABCD << 96 | number))
        found.setdefault(keys.partition_of(organization, partitions), organization)
        number += 1
    return found


ORGANIZATIONS = organizations(PARTITIONS)


async def send(client: Client, partition: int) -> None:
    """One event, without an id, so that being applied twice would count twice."""
    raw = started(datetime.now(UTC), organization_id=ORGANIZATIONS[partition])
    await client.xadd(keys.keyspace(partition).events, {"event": raw})


async def applied(client: Client) -> int:
    """The number of events that the cursors count."""
    counts = [await client.hget(keys.keyspace(partition).cursor, "events") for partition in range(PARTITIONS)]
    return sum(int(count or 0) for count in counts)


async def all_applied(client: Client) -> bool:
    """Tell if every stream is empty."""
    return not any([await client.xlen(keys.keyspace(partition).events) for partition in range(PARTITIONS)])


async def balanced(client: Client, workers: int) -> bool:
    """Tell if all partitions are owned, by that number of workers in even shares."""
    owners = Counter([await client.get(keys.keyspace(partition).lease) for partition in range(PARTITIONS)])
    shares = owners.values()
    return None not in owners and len(owners) == workers and max(shares) - min(shares) <= 1
