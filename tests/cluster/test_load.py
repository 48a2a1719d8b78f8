"""A Redis Cluster under load: each event counts once, whatever moves, dies or hangs meanwhile."""

import asyncio
import time

import pytest

from sidedata.schema import keys
from tests.support.redis.cluster import Cluster, slot_of
from tests.support.redis.cluster_life import ORGANIZATIONS, ask, behind, happening, life, load, recovered, started
from tests.support.waiting import TIME_FACTOR, block_until, eventually

TAKEOVER_SECONDS = 30.0  # a limit for a machine that has much else to do


@pytest.mark.holds("2.3.1")
async def test_a_slot_moves_under_load(cluster: Cluster) -> None:
    """Producers, workers and the service go on; at the end each event has counted once."""
    slot = slot_of(keys.keyspace(3).events)
    target = next(node for node in map(cluster.master_of, (0, 16383)) if node is not cluster.master_of(slot))
    async with life(cluster) as running:
        async with load(running, 3, 5):
            await started(running, 3, 20)
            source = cluster.begin_move(slot, target)

            async def moved() -> bool:
                return await asyncio.to_thread(cluster.move_keys, slot, source, target) == 0

            await eventually(moved)
            cluster.end_move(slot, target)
            assert cluster.master_of(slot) is target
            count = len(running.sent[3])
            await started(running, 3, count // 3)
        for partition in (3, 5):
            await running.equals_the_oracle(partition, running.sent[partition])


@pytest.mark.alone
async def test_what_was_not_replicated_is_gone_from_all_alike(cluster: Cluster, lone: int) -> None:
    """Stream, cursor and counters go back to one instant, the service with them; sent again, each event counts once."""
    organization = ORGANIZATIONS[lone]
    master = cluster.master_of(slot_of(keys.keyspace(lone).events))
    replica = cluster.replica_of(master)
    async with life(cluster) as running:
        kept = [happening(organization, n) for n in range(100)]
        lost = [happening(organization, n) for n in range(100, 150)]
        running.sent[lone] = kept
        await running.send(lone, kept)
        await running.applied()  # whatever was sent twice, too, after a 503
        block_until(lambda: behind(master, replica) == 0, "the replica to have all")
        replica.freeze()
        master.admin.execute_command("CLIENT", "KILL", "TYPE", "replica")
        await running.send(lone, lost)
        await started(running, lone, 150)
        master.kill()
        replica.thaw()
        await recovered(running, lone)
        assert (await ask(running.http, lone)).json["started_workflows_count"] == 100
        assert await running.held(lone) == kept
        assert replica.admin.xlen(keys.keyspace(lone).events) == 0
        await running.send(lone, kept + lost)
        await started(running, lone, 150)
        running.sent[lone] = kept + lost
        await running.applied()
        await running.equals_the_oracle(lone, kept + lost)


@pytest.mark.alone
@pytest.mark.holds("2.3.1")
async def test_a_master_dies_under_load(cluster: Cluster, lone: int) -> None:
    """Its replica takes over, and what it holds agrees; when all is sent again with its ids, each event has counted once."""
    other = next(p for p in ORGANIZATIONS if p != lone)
    async with life(cluster) as running:
        async with load(running, lone, other):
            await started(running, lone, 50)
            cluster.master_of(slot_of(keys.keyspace(lone).events)).kill()
            await recovered(running, lone)
            before = await running.held(lone)
            count = len(running.sent[lone])

            async def more() -> bool:
                return len(await running.held(lone)) > len(before) and len(running.sent[lone]) >= count + 100

            await eventually(more)
        assert running.refused > 0
        for partition in (lone, other):
            await running.send(partition, running.sent[partition])
        await running.applied()
        for partition in (lone, other):
            assert await running.held(partition) == running.sent[partition]
            await running.equals_the_oracle(partition, running.sent[partition])


@pytest.mark.alone
async def test_what_replicas_have_is_never_lost(cluster: Cluster, lone: int) -> None:
    """With SIDEDATA_WAIT_REPLICAS=1 a 202 outlives the master: only what got a 503 is sent again."""
    master = cluster.master_of(slot_of(keys.keyspace(lone).events))
    replica = cluster.replica_of(master)
    async with life(cluster, wait_replicas=1) as running:
        replica.freeze()
        assert (await running.post(lone, [happening(ORGANIZATIONS[lone], 10**6)])).status == 503
        replica.thaw()
        async with load(running, lone):
            await started(running, lone, 50)
            master.kill()
            await recovered(running, lone)
            # The node that took over has no replica yet, so nothing is accepted until the old one is back as its replica.
            await asyncio.to_thread(master.start)
            count = len(running.accepted[lone])

            async def accepting() -> bool:
                return len(running.accepted[lone]) >= count + 20

            await eventually(accepting)
        assert len(running.accepted[lone]) == len(running.sent[lone])
        reply = await ask(running.http, lone)
        await running.equals_the_oracle(lone, [*running.sent[lone], happening(ORGANIZATIONS[lone], 10**6)])
        assert reply.status == 200


@pytest.mark.alone
async def test_a_master_that_hangs_is_answered_for(cluster: Cluster, lone: int) -> None:
    """503 within a second for what it holds, answers for the rest; and for all soon after a replica has taken over."""
    master = cluster.master_of(slot_of(keys.keyspace(lone).events))
    slot = slot_of(keys.keyspace(lone).events)
    other = next(p for p in ORGANIZATIONS if cluster.master_of(slot_of(keys.keyspace(p).events)) is not master)
    async with life(cluster) as running:
        for partition in (lone, other):
            await running.send(partition, [happening(ORGANIZATIONS[partition], 1)])
            await started(running, partition, 1)
        master.freeze()
        start = time.monotonic()
        refused = 0
        taken_over: float | None = None
        while True:
            if taken_over is None and await asyncio.to_thread(cluster.claimant, slot, apart_from=master) is not None:
                taken_over = time.monotonic()
            of_lone, of_other = await asyncio.gather(ask(running.http, lone), ask(running.http, other))
            assert of_lone.seconds < 1.0 * TIME_FACTOR
            assert (of_other.status, of_other.seconds < 1.0 * TIME_FACTOR) == (200, True)
            if of_lone.status == 200:
                break
            assert of_lone.status == 503
            refused += 1
            # How soon a replica takes over is the cluster's to say: some 4 seconds here, more on a machine that is busy.
            assert time.monotonic() - start < TAKEOVER_SECONDS
            # How soon the service finds out is ours: one question that fails, and the next is answered.
            assert taken_over is None or time.monotonic() - taken_over < 2.0 * TIME_FACTOR
        assert refused > 0
        await running.send(lone, [happening(ORGANIZATIONS[lone], 2)])
        await started(running, lone, 2)
        master.thaw()
        await asyncio.to_thread(cluster.wait_until_well)
        assert (await ask(running.http, lone)).json["started_workflows_count"] == 2
