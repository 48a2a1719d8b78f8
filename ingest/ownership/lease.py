"""Who owns which partition.

A partition belongs to the worker named in its lease, a key that expires; the fence in the cursor grows with every taking and
decides at the commit. Workers share the partitions out by heartbeats: of n live workers, in alphabetical order, each owns P / n
partitions, the first P mod n one more. Who has too many gives the surplus up, who has too few takes what is free. So a worker
that dies is replaced when its leases run out, and one that leaves hands over at the others' next look.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from sidedata.errors import LeaseLostError, StoreUnavailableError
from sidedata.ingest.ownership.swap import finish
from sidedata.redis.client import Client, translated
from sidedata.redis.scripts import script
from sidedata.schema import keys
from sidedata.settings import Settings
from sidedata.writes.commit import Ownership

_ACQUIRE = script("acquire")
_RENEW = script("renew")
_RELEASE = script("release")
_HEARTBEAT = script("heartbeat")
_AT_ONCE = 32


class Taken(Struct):
    """A partition just taken: its ownership, and how many ids each generation remembers."""

    ownership: Ownership
    id_counts: dict[int, int]


async def acquire(
    client: Client, settings: Settings, partition: int, worker: str, *, force: bool = False
) -> Taken | None:
    """Take a partition; None if another worker owns it. `force` takes it away, for whoever must write it without a worker.

    A swap that somebody began and didn't end (see `sidedata.ingest.ownership.swap`) is finished first.

    Raises:
        LeaseLostError: taken by force, and by somebody else in the same moment.
        StopError: a swap can't be finished.
        StoreUnavailableError: Redis is out of reach.
    """
    with translated():
        reply: list[Any] | dict[bytes, bytes] = await _ACQUIRE(
            client,
            [keys.cursor(partition), keys.lease(partition)],
            [worker, settings.lease_ms, "force" if force else ""],
        )
    fields = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
    if not fields:
        return None
    ownership = Ownership(
        partition,
        worker,
        int(fields[b"fence"]),
        fields.get(b"entry", b"0-0").decode(),
        int(fields.get(b"records", 0)),
    )
    if b"swap" in fields:
        try:
            await finish(client, settings, ownership, fields[b"swap"].decode())
        except LeaseLostError:
            if force:
                raise
            return None
    counts = {int(name[4:]): int(value) for name, value in fields.items() if name.startswith(b"ids:")}
    return Taken(ownership, counts)


async def renew(client: Client, settings: Settings, ownership: Ownership) -> bool:
    """Go on owning a partition; False if another owner came."""
    with translated():
        arguments: list[str | int] = [ownership.worker, settings.lease_ms, ownership.fence]
        return bool(
            await _RENEW(client, [keys.cursor(ownership.partition), keys.lease(ownership.partition)], arguments)
        )


async def release(client: Client, ownership: Ownership) -> None:
    """Give a partition up at once."""
    with translated():
        arguments: list[str | int] = [ownership.worker, ownership.fence]
        await _RELEASE(client, [keys.cursor(ownership.partition), keys.lease(ownership.partition)], arguments)


async def heartbeat(client: Client, settings: Settings, worker: str, *, leave: bool = False) -> list[str]:
    """Say that this worker lives, or leaves; the live ones in alphabetical order."""
    with translated():
        reply = await _HEARTBEAT(client, [keys.WORKERS], [worker, settings.lease_ms, "leave" if leave else ""])
    return [name.decode() for name in reply]


async def free_partitions(client: Client, partitions: Iterable[int]) -> list[int]:
    """Those that nobody owns at the moment; where Redis is out of reach nobody can be asked, and nothing can be taken.

    Raises:
        StoreUnavailableError: none could be asked about.
    """
    partitions = list(partitions)
    asking = asyncio.Semaphore(_AT_ONCE)

    async def owned(partition: int) -> bool | StoreUnavailableError:
        try:
            async with asking:
                with translated():
                    return bool(await client.exists(keys.lease(partition)))
        except StoreUnavailableError as error:
            return error

    answers = await asyncio.gather(*map(owned, partitions))
    if answers and all(isinstance(answer, StoreUnavailableError) for answer in answers):
        raise StoreUnavailableError(str(answers[0]))
    return [partition for partition, answer in zip(partitions, answers, strict=True) if answer is False]


def share(partitions: int, workers: list[str], worker: str) -> int:
    """How many partitions a worker should own."""
    if worker not in workers:
        return 0
    each, rest = divmod(partitions, len(workers))
    return each + (workers.index(worker) < rest)
