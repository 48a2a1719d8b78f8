"""Failovers by Sentinel, behind a fixed address that follows it: events count once, and no process is restarted."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from tests.support.redis.cluster import Cluster
from tests.support.redis.cluster_life import ORGANIZATIONS, Life, ask, happening, life
from tests.support.redis.sentinels import HOSTS, Watched, follower, haproxy, watched
from tests.support.redis.servers import RedisServer
from tests.support.waiting import TIME_FACTOR, eventually

pytestmark = pytest.mark.undeployed("a replica that becomes a master needs rights of its own")
PARTITION = 3
SECONDS = 2  # from the moment at which the address has moved
FRONTS: dict[str, Any] = {"a follower of the Sentinels": follower, "HAProxy": haproxy}


async def is_counted(running: Life, number: int) -> bool:
    """Tell if the answer counts that number of events."""
    reply = await ask(running.http, PARTITION)
    return reply.status == 200 and reply.json["started_workflows_count"] == number


def is_replica(server: RedisServer) -> bool:
    """Tell if a server copies another one; False while a Sentinel ends its connections, which is part of a demotion."""
    try:
        return bool(server._admin.info("replication")["role"] == "slave")
    except redis.ConnectionError:
        return False


async def fail_over(servers: Watched, running: Life, *, way: str) -> None:
    """The master falls silent, its replica takes over, and the old one comes back."""
    events = [happening(ORGANIZATIONS[PARTITION], number) for number in range(30)]
    await running.send(PARTITION, events[:10])
    await eventually(lambda: is_counted(running, 10))
    old = servers.servers[0]
    start = time.monotonic()
    old.kill() if way == "killed" else old.freeze()
    await eventually(lambda: servers.master() == HOSTS[1], 10, "the Sentinels to name the replica")
    moved = time.monotonic()
    await running.send(PARTITION, events[10:20])
    await eventually(lambda: is_counted(running, 20))
    applied = time.monotonic() - moved
    print(f"{way}: moved after {moved - start:.2f} s, applied {applied:.2f} s later")  # noqa: T201 - docs/RELIABILITY.md repeats it
    assert applied < SECONDS * TIME_FACTOR
    # A master again, empty or with old data, until the Sentinels demote it.
    old.start() if way == "killed" else old.thaw()
    assert old._admin.info("replication")["role"] == "master"
    for number in range(20, 30):
        await running.send(PARTITION, events[number : number + 1])
        assert not await is_counted(running, 0)
    if way == "killed":
        await eventually(lambda: is_replica(old), 30, "the old master to be demoted")
    await eventually(lambda: is_counted(running, 30))


@pytest.mark.alone
@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("way", ["killed", "frozen"])
async def test_a_failover_by_sentinel(
    private_server: Callable[..., RedisServer], tmp_path: Path, front: str, way: str
) -> None:
    """Reports and ingest go on within 2 seconds of the Sentinels' decision, and no event goes to the old master that comes back."""
    with watched(private_server, tmp_path) as servers:
        async with FRONTS[front](servers, tmp_path) as address, life(cast("Cluster", address)) as running:
            await fail_over(servers, running, way=way)
