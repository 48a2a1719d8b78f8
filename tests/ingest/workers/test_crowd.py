"""A crowd of workers that come, go and die: in the end every partition has an owner, in even shares."""

import asyncio
import random

import pytest
from redis.asyncio.connection import AbstractConnection

from sidedata.ingest.worker import worker
from sidedata.ingest.worker.drain import drain
from sidedata.ingest.worker.worker import Worker
from sidedata.schema import keys
from sidedata.settings import Settings
from tests.support.constants import SECRET
from tests.support.processes.workers import INSTALLATION, PARTITIONS, SETTINGS, all_applied, applied, balanced, send
from tests.support.redis.client import Client, connect
from tests.support.redis.users import as_user
from tests.support.waiting import eventually


class WorkerCrowd:
    """Workers in this process, each with a connection pool of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._settings = Settings(secret=SECRET, lease_ms=400)
        self.members: list[tuple[asyncio.Task[None], asyncio.Event, Worker, Client]] = []
        self._connections: dict[Client, list[AbstractConnection]] = {}  # all that a client ever made
        self._left_behind: list[AbstractConnection] = []

    def join(self) -> None:
        """One more."""
        client, stop = connect(as_user("worker", self._url), timeout=5), asyncio.Event()
        made = self._connections[client] = []
        make = client.connection_pool.make_connection

        def noted() -> AbstractConnection:
            made.append(make())
            return made[-1]

        client.connection_pool.make_connection = noted
        one = Worker(client, INSTALLATION, self._settings)
        self.members.append((asyncio.create_task(one.run(stop)), stop, one, client))

    async def leave(self, place: int, *, dying: bool = False) -> None:
        """One less; a dying one says nothing to anybody and leaves its leases behind."""
        task, stop, one, client = self.members.pop(place)
        if dying:

            async def nothing() -> None:
                await asyncio.sleep(0)

            one._leave = nothing  # type: ignore[method-assign]
            # The Redis client may lose a cancellation that comes in an awkward moment, and a worker that did takes more partitions.
            while left := {
                work
                for work in (task, *(assignment.task for assignment in one._assignments.values()))
                if work and not work.done()
            }:
                for work in left:
                    work.cancel()
                await asyncio.wait(left, timeout=0.05)
        else:
            stop.set()
            await task
        self._left_behind += self._connections[client]
        await client.aclose()

    async def bury(self) -> None:
        """Close what they left open, as the end of a process would; redis-py forgets what is cancelled while it connects."""
        for connection in self._left_behind:
            await connection.disconnect(nowait=True)


@pytest.mark.holds("2.3.1")
async def test_a_hundred_joins_and_leaves_end_balanced(
    redis_url: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers come, go and die at random under load; then every partition has an owner, in even shares, and all is applied."""
    monkeypatch.setattr(worker, "_TICK_SECONDS", 0.02)
    monkeypatch.setattr(worker, "_BLOCK_MS", 20)
    choose = random.Random(5)
    crowd = WorkerCrowd(redis_url)
    sent = changes = 0
    crowd.join()
    while changes < 100:
        if len(crowd.members) < 2 or (len(crowd.members) < 6 and choose.random() < 0.5):
            crowd.join()
        else:
            await crowd.leave(choose.randrange(len(crowd.members)), dying=choose.random() < 0.3)
        changes += 1
        for partition in choose.sample(range(PARTITIONS), 4):
            await send(client, partition)
            sent += 1
        await asyncio.sleep(choose.choice([0, 0.01, 0.05]))
    assert all(not task.done() for task, *_ in crowd.members)
    workers = len(crowd.members)
    await eventually(lambda: balanced(client, workers), 10, f"{workers} workers share the partitions evenly")
    await eventually(lambda: all_applied(client), 5, "nothing is left")
    assert await applied(client) == sent
    while crowd.members:
        await crowd.leave(0)
    await crowd.bury()
    leases = [await client.exists(keys.keyspace(partition).lease) for partition in range(PARTITIONS)]
    assert not any(leases), "who leaves last leaves no lease behind"
    await drain(as_user("worker", client), INSTALLATION, SETTINGS)
    assert await applied(client) == sent


def gauges(one: Worker) -> dict[str, set[int]]:
    """The gauges of a worker that are labelled by partition, with the partitions that each names."""
    found: dict[str, set[int]] = {}
    for family in one.metrics.registry.collect():
        for sample in family.samples:
            if "partition" in sample.labels:
                found.setdefault(family.name, set()).add(int(sample.labels["partition"]))
    return found


async def test_a_partition_has_one_workers_gauges(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lag and throttle of a partition are exported by its owner alone, so that sums over workers count it once."""
    monkeypatch.setattr(worker, "_TICK_SECONDS", 0.02)
    crowd = WorkerCrowd(redis_url)
    crowd.join()

    def exported(*expected: int) -> bool:
        found = [list(gauges(one).values()) for *_, one, _ in crowd.members]
        shares = [[len(partitions) for partitions in of_gauges] for of_gauges in found]
        together = [set().union(*of_workers) for of_workers in zip(*found, strict=False)]
        return shares == [[share] * 3 for share in expected] and all(len(each) == PARTITIONS for each in together)

    first = crowd.members[0][2]
    await eventually(lambda: exported(PARTITIONS), 10, "the first worker exports all partitions")
    crowd.join()
    await eventually(lambda: exported(PARTITIONS // 2, PARTITIONS // 2), 10, "each worker exports its half")
    await crowd.leave(0)
    assert gauges(first) == {}
    await eventually(lambda: exported(PARTITIONS), 10, "the second worker exports all partitions")
    await crowd.leave(0)
