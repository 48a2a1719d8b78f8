"""Scaling out: shares come out even however many workers there are, and a backlog of one partition is not the others' wait."""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from sidedata.ingest.worker.worker import Worker
from sidedata.schema import keys
from sidedata.schema.installation import Installation
from sidedata.settings import Settings
from sidedata.writes.installation import open_installation
from tests.support.constants import SECRET
from tests.support.events import PAGES, started
from tests.support.redis.client import Client, connect
from tests.support.redis.users import as_user
from tests.support.waiting import TIME_FACTOR, eventually
from tests.torture.harness import stage

PARTITIONS = 16
SETTINGS = Settings(secret=SECRET, partitions=PARTITIONS)
HOT_EVENTS = 60_000
# One organization in each partition, by its number.
ORGANIZATIONS = {
    keys.partition_of(organization, PARTITIONS): organization
    for organization in (f"eeeeeeee-0000-4000-8000-{number:012}" for number in range(300))
}


@asynccontextmanager
async def working(client: Client, installation: Installation) -> AsyncIterator[Worker]:
    """A worker that leaves in order at the end."""
    worker, stop = Worker(as_user("worker", client), installation, SETTINGS), asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    try:
        yield worker
    finally:
        stop.set()
        await task


async def owners(client: Client) -> dict[str, int]:
    """The number of partitions of each worker."""
    counts: dict[str, int] = {}
    for partition in range(PARTITIONS):
        owner = await client.get(keys.keyspace(partition).lease)
        if owner is not None:
            counts[owner.decode()] = counts.get(owner.decode(), 0) + 1
    return counts


async def test_one_to_eight_workers_share_evenly(client: Client) -> None:
    """After joins and leaves each worker soon owns sixteen divided by their number, or one more."""
    installation = await open_installation(client, SETTINGS)
    async with AsyncExitStack() as staying:
        for count in (1, 3, 8):
            async with AsyncExitStack() as leaving:
                names = {(await staying.enter_async_context(working(client, installation))).name}
                for _ in range(count - 1):
                    names.add((await leaving.enter_async_context(working(client, installation))).name)
                even = sorted(PARTITIONS // count + (place < PARTITIONS % count) for place in range(count))

                async def shared(names: set[str] = names, even: list[int] = even) -> bool:
                    found = await owners(client)
                    return sorted(found.values()) == even and names <= set(found)

                await eventually(shared)
            await staying.aclose()


@pytest.mark.alone
async def test_a_hot_organization_does_not_starve_the_others(client: Client) -> None:
    """While a worker is at 60,000 events of one partition, single events of fifteen others are applied within a second."""
    installation = await open_installation(client, SETTINGS)
    now = datetime.now(UTC)
    hot, *others = range(PARTITIONS)
    await heat(client, hot, now)
    async with working(client, installation):

        async def owns_all() -> bool:
            return sum((await owners(client)).values()) == PARTITIONS

        await eventually(owns_all)
        waits = await waits_beside(client, hot, others)
        assert len(waits) >= 5, "the backlog was gone too soon to tell"
        assert max(waits) < 1.0 * TIME_FACTOR, waits


@pytest.mark.alone
@pytest.mark.parametrize("count", [3, pytest.param(8, marks=pytest.mark.long)])
async def test_worker_processes_share_evenly_and_a_hot_organization_starves_nobody(count: int) -> None:
    """Real processes, one after the other; then the same backlog, and single events of all other partitions beside it."""
    async with stage(1) as standing:
        client = connect(standing.server.url, timeout=5)
        try:
            await client.hset(keys.CONFIG, mapping={"partitions": PARTITIONS, "schema": 1})
            standing.lease_ms = SETTINGS.lease_ms
            for running in range(1, count + 1):
                standing.start_worker(batch_events=SETTINGS.batch_events)
                even = sorted(PARTITIONS // running + (place < PARTITIONS % running) for place in range(running))

                async def shared(even: list[int] = even) -> bool:
                    return sorted((await owners(client)).values()) == even

                await eventually(shared, seconds=20)
            hot, *others = range(PARTITIONS)
            await heat(client, hot, datetime.now(UTC))
            waits = await waits_beside(client, hot, others)
            assert len(waits) >= 5, "the backlog was gone too soon to tell"
            # The processes may want more cores than there are, so a single wait says little.
            assert statistics.median(waits) < 1.0 * TIME_FACTOR, waits
            for worker in standing.workers:
                await worker.left()
                assert worker.status == 0
        finally:
            await client.aclose()


async def heat(client: Client, hot: int, now: datetime) -> None:
    """A backlog of one organization."""
    raws = [
        json.dumps(
            {
                "type": "page_view",
                "organization_id": ORGANIZATIONS[hot],
                "workflow_id": PAGES,
                "visitor_id": f"v{number}",
                "session_id": f"s{number}",
                "id": f"id-{number}",
                "timestamp": (now - timedelta(seconds=number % 3600)).isoformat(),
            }
        )
        for number in range(HOT_EVENTS)
    ]
    for first in range(0, HOT_EVENTS, 1000):
        await client.xadd(keys.keyspace(hot).events, {"events": f"[{','.join(raws[first : first + 1000])}]"})


async def waits_beside(client: Client, hot: int, others: list[int]) -> list[float]:
    """While the backlog lasts: how long single events of the other partitions wait, one after the other, seconds."""
    waits: list[float] = []
    while await client.xlen(keys.keyspace(hot).events) > 0:
        partition = others[len(waits) % len(others)]

        async def applied(partition: int = partition) -> bool:
            return bool(await client.xlen(keys.keyspace(partition).events) == 0)

        await client.xadd(
            keys.keyspace(partition).events,
            {"event": started(datetime.now(UTC), organization_id=ORGANIZATIONS[partition])},
        )
        start = time.monotonic()
        await eventually(applied)
        waits.append(time.monotonic() - start)
    return waits
