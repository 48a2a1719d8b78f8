"""One owner a partition: another worker changes nothing, work moves in time, and shares are even."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from sidedata.errors import LeaseLostError, StoreUnavailableError
from sidedata.ingest.apply.model import Batch, Outcome
from sidedata.ingest.apply.partition import Partition, live_partition
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.ownership import lease
from sidedata.ingest.worker import process, worker
from sidedata.ingest.worker.worker import Worker
from sidedata.schema import keys
from tests.support.processes.workers import (
    INSTALLATION,
    PARTITIONS,
    SETTINGS,
    all_applied,
    applied,
    applied_entries,
    balanced,
    send,
)
from tests.support.redis.client import Client, connect
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user
from tests.support.waiting import TIME_FACTOR, eventually
from tests.torture.harness import Stage, stage


async def snapshot(client: Client) -> dict[bytes, bytes]:
    """Everything that is stored, byte for byte."""
    return {key: await client.dump(key) async for key in client.scan_iter()}


async def owned(client: Client, partition: int, name: str) -> Partition:
    """A partition in the hands of `name`, taken by force from its owner."""
    taken = await lease.acquire(as_user("worker", client), SETTINGS, partition, name, force=True)
    assert taken is not None
    return live_partition(as_user("worker", client), SETTINGS, PARTITIONS, taken, Metrics())


async def read(partition: Partition) -> Batch:
    """The owner's state after a read."""
    batch = await partition.reader.take(None)
    assert batch is not None
    return batch


@pytest.mark.holds("2.3.1")
async def test_of_two_owners_only_the_newer_commits(client: Client) -> None:
    """Both have read the same entry; the owner with the older fence gets an error and has changed nothing."""
    await send(client, 3)
    older, newer = await owned(client, 3, "older"), await owned(client, 3, "newer")
    before = await snapshot(client)
    with pytest.raises(LeaseLostError):
        await older.run_once(None)
    assert await snapshot(client) == before
    assert await applied_entries(newer) == 1
    after = await snapshot(client)
    with pytest.raises(LeaseLostError):
        # It reads from its own cursor, where the entry was; nothing is there any more, so it gets something new.
        await asyncio.gather(send(client, 3), older.run_once(1_000))
    assert await applied(client) == 1
    assert {k: v for k, v in (await snapshot(client)).items() if k != keys.keyspace(3).events.encode()} == {
        k: v for k, v in after.items() if k != keys.keyspace(3).events.encode()
    }


@pytest.mark.holds("2.3.1")
async def test_two_owners_that_race_apply_every_event_once(client: Client) -> None:
    """Fifty times two owners commit at once, taking the partition from each other; each event counts once."""
    for _ in range(50):
        await send(client, 5)
        first, second = await owned(client, 5, "first"), await owned(client, 5, "second")
        results = await asyncio.gather(first.run_once(None), second.run_once(None), return_exceptions=True)
        assert isinstance(results[0], LeaseLostError)
        assert isinstance(results[1], Outcome)
        assert results[1].entries == 1
    assert await applied(client) == 50


async def test_the_same_fence_twice_is_told_apart_by_the_cursor(client: Client) -> None:
    """Were a fence ever given out again, the second commit from the same place would still be refused."""
    await send(client, 5)
    first = await owned(client, 5, "first")
    fence = first.ownership.fence
    second = await owned(client, 5, "second")
    await client.hset(keys.keyspace(5).cursor, "fence", fence)
    second.ownership.fence = fence
    in_hand = [(partition, await read(partition)) for partition in (first, second)]
    for partition, batch in in_hand[:1]:
        await partition.apply(batch)
    before = await snapshot(client)
    for partition, batch in in_hand[1:]:
        with pytest.raises(LeaseLostError):
            await partition.apply(batch)
    assert await snapshot(client) == before
    assert await applied(client) == 1


async def test_a_fence_lost_in_a_crash_is_never_given_out_again(client: Client) -> None:
    """A Redis that loses its last moments loses fences, too; the holder of a lost one stays out."""
    before = await owned(client, 7, "before")
    kept = await client.dump(keys.keyspace(7).cursor)
    lost = await owned(client, 7, "lost")
    await client.restore(keys.keyspace(7).cursor, 0, kept, replace=True)
    after = await owned(client, 7, "after")
    fences = [partition.ownership.fence for partition in (before, lost, after)]
    assert len(set(fences)) == 3
    assert fences == sorted(fences)


@pytest.mark.holds("2.3.1")
@pytest.mark.parametrize("taken_first", [True, False])
async def test_a_commit_that_waits_in_a_frozen_redis_counts_once(
    private_server: Callable[..., RedisServer], *, taken_first: bool
) -> None:
    """Its owner has given up waiting and the partition is acquired again, before or after the late commit runs."""
    server = private_server()
    client, impatient = connect(server.url, timeout=5), connect(server.url, timeout=0.3)
    try:
        for _ in range(5):
            partition = await owned(impatient, 2, "early")
            await send(client, 2)
            batch = await read(partition)
            await client.ping()
            server.freeze()
            taking = asyncio.create_task(owned(client, 2, "late")) if taken_first else None
            await asyncio.sleep(0)
            with pytest.raises(StoreUnavailableError):
                await partition.apply(batch)
            server.thaw()
            successor = await taking if taking else await owned(client, 2, "late")
            await successor.run_once(None)
        assert await applied(client) == 5
        assert await client.xlen(keys.keyspace(2).events) == 0
    finally:
        await impatient.aclose()
        await client.aclose()


@asynccontextmanager
async def two_processes() -> AsyncIterator[tuple[Stage, Client]]:
    """Two worker processes with the lease that workers have by default, sharing all partitions."""
    async with stage(1) as standing:
        client = connect(standing.server.url, timeout=5)
        try:
            await client.hset(keys.CONFIG, mapping={"partitions": PARTITIONS, "schema": 1})
            standing.lease_ms = SETTINGS.lease_ms
            standing.start_worker()
            standing.start_worker()
            await eventually(lambda: balanced(client, 2), 20, "two workers share the partitions")
            yield standing, client
        finally:
            await client.aclose()


async def test_work_moves_within_5_seconds_of_a_death_and_1_second_of_a_leave() -> None:
    """An event in every partition, sent right after one of two workers is killed, later right after one leaves."""
    async with two_processes() as (standing, client):
        await standing.workers[0].killed()
        for partition in range(PARTITIONS):
            await send(client, partition)
        await eventually(lambda: all_applied(client), 5, "the survivor applies everything")
        standing.start_worker()
        await eventually(lambda: balanced(client, 2), 20, "a third worker takes its share")
        leaving = asyncio.create_task(standing.workers[1].left())
        await asyncio.sleep(0)
        for partition in range(PARTITIONS):
            await send(client, partition)
        await eventually(lambda: all_applied(client), 1, "the other one applies everything")
        await leaving
        assert standing.workers[1].status == 0
        assert await applied(client) == 2 * PARTITIONS


@pytest.mark.alone
@pytest.mark.holds("9.3")
async def test_a_leave_ends_in_time_though_redis_is_frozen(
    private_server: Callable[..., RedisServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call in hand may wait until its time is out, then the leave takes no longer than it is given."""
    assert process._TIMEOUT_SECONDS + worker._LEAVE_SECONDS < 10
    monkeypatch.setattr(worker, "_LEAVE_SECONDS", 0.5)
    server = private_server()
    client = connect(server.url, timeout=2)
    stop = asyncio.Event()
    running = asyncio.create_task(Worker(as_user("worker", client), INSTALLATION, SETTINGS).run(stop))
    try:
        await eventually(lambda: balanced(client, 1), 10, "the worker has all partitions")
        server.freeze()
        stop.set()
        begin = time.monotonic()
        await running
        assert time.monotonic() - begin < (2 + 0.5 + 0.5) * TIME_FACTOR
    finally:
        server.thaw()
        await client.aclose()
