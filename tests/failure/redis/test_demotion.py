"""A failover behind a fixed address: the old master lives on as a replica, and every connection to it stays open."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import redis

from sidedata.redis.client import connect
from tests.support.ports import free_port
from tests.support.redis.cluster import Cluster
from tests.support.redis.cluster_life import ORGANIZATIONS, Life, ask, happening, life
from tests.support.redis.forwarder import Forwarder, forwarding
from tests.support.redis.servers import RedisServer
from tests.support.waiting import TIME_FACTOR, eventually

pytestmark = pytest.mark.undeployed("a replica that becomes a master needs rights of its own")
PARTITION = 3
SECONDS = 2  # from the moment at which the address has moved


class Pair:
    """A master and its replica, and the address in front of the master."""

    def __init__(self, forwarder: Forwarder, master: RedisServer, replica: RedisServer) -> None:
        self.forwarder = forwarder
        self.master: Any = redis.Redis.from_url(master.url)
        self.replica: Any = redis.Redis.from_url(replica.url)
        self._replica = replica

    def fail_over(self, replica_port: int) -> None:
        """Demote the master, promote its replica."""
        self.replica.execute_command("REPLICAOF", "NO", "ONE")
        self.master.execute_command("REPLICAOF", "127.0.0.1", replica_port)

    def move(self) -> None:
        """Let the address lead to the new master; connections that are open stay where they are."""
        self.forwarder.target = self._replica.url.removeprefix("unix://")

    async def caught_up(self) -> None:
        """Wait until the replica has what the master has."""

        def equal() -> bool:
            offset = self.master.info("replication")["master_repl_offset"]
            return bool(self.replica.info("replication").get("slave_repl_offset") == offset)

        await eventually(equal)


@asynccontextmanager
async def pair(private_server: Callable[..., RedisServer], ports: tuple[int, int]) -> AsyncIterator[Pair]:
    """A pair that is up with one another."""
    servers = [
        private_server("--port", str(port), "--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0") for port in ports
    ]
    async with forwarding(servers[0].url) as forwarder:
        made = Pair(forwarder, *servers)
        made.replica.execute_command("REPLICAOF", "127.0.0.1", ports[0])
        await eventually(lambda: made.replica.info("replication")["master_link_status"] == "up")
        yield made
        made.master.close()
        made.replica.close()


async def readiness(running: Life) -> tuple[int, dict[str, str]]:
    """The status of /readyz, and that of each check."""
    async with running.http.get("/readyz") as heard:
        body = await heard.json(content_type=None)
        return heard.status, {check["name"]: check["status"] for check in body["checks"]}


@pytest.mark.alone
async def test_a_failover_behind_a_fixed_address_is_over_within_two_seconds(
    private_server: Callable[..., RedisServer],
) -> None:
    """No process is restarted; the data of the new master are answered, ingest goes on, and every partition has an owner."""
    ports = free_port(), free_port()
    async with pair(private_server, ports) as servers, life(cast("Cluster", servers.forwarder)) as running:
        await running.send(PARTITION, [happening(ORGANIZATIONS[PARTITION], number) for number in range(10)])

        async def counted(number: int) -> bool:
            reply = await ask(running.http, PARTITION)
            return reply.status == 200 and reply.json["started_workflows_count"] == number

        async def ready() -> bool:
            return (await readiness(running))[0] == 200

        await eventually(lambda: counted(10))
        await servers.caught_up()
        servers.fail_over(ports[1])

        async def refused() -> bool:
            return (await ask(running.http, PARTITION)).status == 503

        # Until the address moves, readiness says that this is no master, and no old number is sent for long.
        status, checks = await readiness(running)
        assert (status, checks["role"]) == (503, "failed")
        stale = await eventually(refused)
        assert stale < 1 * TIME_FACTOR

        servers.move()
        start = time.monotonic()
        answered = await eventually(lambda: counted(10))
        assert await eventually(ready) < SECONDS * TIME_FACTOR
        await running.send(PARTITION, [happening(ORGANIZATIONS[PARTITION], 10)])
        taken = time.monotonic() - start
        await eventually(lambda: counted(11))
        applied = time.monotonic() - start
        print(f"refused {stale:.2f}, answered {answered:.2f}, taken {taken:.2f}, applied {applied:.2f}")  # noqa: T201
        assert max(answered, taken, applied) < SECONDS * TIME_FACTOR


async def test_an_idle_writer_finds_the_new_master(private_server: Callable[..., RedisServer]) -> None:
    """The first write to the demoted master fails, and the second one goes in on a new connection."""
    ports = free_port(), free_port()
    async with pair(private_server, ports) as servers:
        gateway = connect(servers.forwarder.url, timeout=1)
        try:
            await asyncio.gather(*(gateway.command("INCR", "n") for _ in range(30)))
            await servers.caught_up()
            servers.fail_over(ports[1])
            servers.move()
            results = await asyncio.gather(*(gateway.command("INCR", "n") for _ in range(30)), return_exceptions=True)
            failed = sum(isinstance(result, Exception) for result in results)
            await asyncio.gather(*(gateway.command("INCR", "n") for _ in range(30)))
            assert int(await gateway.command("GET", "n")) == 90 - failed  # type: ignore[arg-type] # digits
        finally:
            await gateway.aclose()


@pytest.mark.alone
async def test_a_master_that_does_not_know_of_its_successor_is_left(
    private_server: Callable[..., RedisServer],
) -> None:
    """It stays a master, and connections to it stay open; with `min-replicas-to-write` readers and writers leave it."""
    ports = free_port(), free_port()
    async with (
        pair(private_server, ports) as servers,
        life(cast("Cluster", servers.forwarder)) as running,
    ):
        await running.send(PARTITION, [happening(ORGANIZATIONS[PARTITION], number) for number in range(10)])

        async def counted(number: int) -> bool:
            reply = await ask(running.http, PARTITION)
            return reply.status == 200 and reply.json["started_workflows_count"] == number

        await eventually(lambda: counted(10))
        await servers.caught_up()
        servers.master.config_set("min-replicas-to-write", 1)
        await eventually(lambda: servers.master.info("replication")["min_slaves_good_slaves"] == 1)
        servers.replica.execute_command("REPLICAOF", "NO", "ONE")
        servers.move()
        start = time.monotonic()
        # The successor alone takes them.
        await running.send(PARTITION, [happening(ORGANIZATIONS[PARTITION], number) for number in range(10, 20)])
        taken = time.monotonic() - start
        await eventually(lambda: counted(20))
        applied = time.monotonic() - start
        print(f"taken {taken:.2f}, applied {applied:.2f}")  # noqa: T201
        assert applied < SECONDS * TIME_FACTOR
        assert servers.master.info("replication")["role"] == "master"
