"""The ownership of partitions.

A partition belongs to the worker named in its lease, a key that expires; the fence in the cursor grows with every acquisition and
decides at the commit. Workers share the partitions out by heartbeats: of n live workers, in alphabetical order, each owns P / n
partitions, the first P mod n one more. A worker with too many gives the surplus up, a worker with too few takes free ones. So a
worker that dies is replaced when its leases run out, and one that leaves hands over at the others' next tick.
"""

import asyncio
from collections.abc import Iterable

from sidedata.errors import LeaseLostError, StoreUnavailableError
from sidedata.ingest.ownership import swap
from sidedata.reads.owner import is_owned
from sidedata.redis.gateway import Gateway
from sidedata.schema.keys import keyspace
from sidedata.settings import Settings
from sidedata.writes.lease import Lease, heartbeat, release, renew, take, was_taken_by_command

_AT_ONCE = 32


async def acquire(
    gateway: Gateway, settings: Settings, partition: int, worker: str, *, force: bool = False
) -> Lease | None:
    """Take a partition; None if another worker owns it. `force` takes it away, for a command that must write it without a worker.

    A swap that was begun and not ended (see `sidedata.ingest.ownership.swap`) is completed first.

    Raises:
        LeaseLostError: taken by force, and by another owner in the same moment.
        StopError: a swap can't be completed.
        StoreUnavailableError: Redis is out of reach.
    """
    lease = await take(gateway, settings, keyspace(partition), worker, force=force)
    if lease is not None and lease.swap is not None:
        try:
            await swap.complete(gateway, settings, lease.ownership, lease.swap)
        except LeaseLostError:
            if force:
                raise
            return None
    return lease


async def free_partitions(gateway: Gateway, partitions: Iterable[int]) -> list[int]:
    """List the partitions without an owner. A partition on a master out of reach is not listed: no worker can acquire it.

    Raises:
        StoreUnavailableError: Redis is out of reach for all of them.
    """
    partitions = list(partitions)
    slots = asyncio.Semaphore(_AT_ONCE)

    async def read_ownership(partition: int) -> bool | StoreUnavailableError:
        try:
            async with slots:
                return await is_owned(gateway, keyspace(partition))
        except StoreUnavailableError as error:
            return error

    replies = await asyncio.gather(*map(read_ownership, partitions))
    if replies and all(isinstance(reply, StoreUnavailableError) for reply in replies):
        raise StoreUnavailableError(str(replies[0]))
    return [partition for partition, reply in zip(partitions, replies, strict=True) if reply is False]


def share(partitions: int, workers: list[str], worker: str) -> int:
    """The number of partitions that a worker should own."""
    if worker not in workers:
        return 0
    each, rest = divmod(partitions, len(workers))
    return each + (workers.index(worker) < rest)


__all__ = ["Lease", "acquire", "free_partitions", "heartbeat", "release", "renew", "share", "was_taken_by_command"]
