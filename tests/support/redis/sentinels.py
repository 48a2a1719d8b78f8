"""Three Sentinels that watch a master and a replica on loopback addresses, and what stands in front of the two."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import redis

from tests.support.paths import DEPLOY
from tests.support.ports import free_ports
from tests.support.redis.forwarder import Forwarder, forwarding
from tests.support.redis.servers import RedisServer, find_binary
from tests.support.repository.deploy_files import tool
from tests.support.waiting import block_until

NAME = "sidedata"
HOSTS = ("127.0.0.2", "127.0.0.3")
DOWN_AFTER_MS = 1000  # a server that is silent for so long counts as down
_ERRORS = (redis.RedisError, OSError)


class Watched:
    """A master, its replica and three Sentinels; `port` is that of both servers."""

    def __init__(self, servers: list[RedisServer], port: int, sentinels: list[Any], ports: list[int]) -> None:
        self.servers = servers
        self.port = port
        self.sentinels = sentinels
        self.sentinel_ports = ports

    def master(self) -> str:
        """The host that two Sentinels call the master; empty while they disagree."""
        named: list[str] = []
        for sentinel in self.sentinels:
            with contextlib.suppress(*_ERRORS):
                named.append(sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[0])
        return next((host for host in HOSTS if named.count(host) > 1), "")


@contextmanager
def watched(start: Callable[..., RedisServer], directory: Path) -> Iterator[Watched]:
    """Start all five processes, and wait until each Sentinel knows the others and the replica."""
    port, *ports = free_ports(4)
    servers = [
        start(*("--port", str(port), "--bind", host, "--replica-announce-ip", host, "--repl-diskless-sync-delay", "0"))
        for host in HOSTS
    ]
    with redis.Redis.from_url(servers[1].url) as replica:
        replica.execute_command("REPLICAOF", HOSTS[0], port)
        block_until(lambda: replica.info("replication")["master_link_status"] == "up", "the replica to be up")
    processes = [_sentinel(directory / str(number), number, port) for number in ports]
    sentinels: list[Any] = [redis.Redis(port=number, decode_responses=True, socket_timeout=1) for number in ports]

    def is_complete(sentinel: Any) -> bool:  # noqa: ANN401 - an untyped client
        (master,) = sentinel.sentinel_masters().values()
        return bool(master["num-slaves"] == 1 and master["num-other-sentinels"] == len(ports) - 1)

    try:
        for sentinel in sentinels:
            block_until(lambda sentinel=sentinel: is_complete(sentinel), "a Sentinel to know all others")  # type: ignore[misc]
        yield Watched(servers, port, sentinels, ports)
    finally:
        for sentinel in sentinels:
            sentinel.close()
        for process in processes:
            process.kill()
            process.wait()


def _sentinel(directory: Path, port: int, redis_port: int) -> subprocess.Popen[bytes]:
    directory.mkdir()
    configuration = directory / "sentinel.conf"
    configuration.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {directory}\n"
        f"sentinel monitor {NAME} {HOSTS[0]} {redis_port} 2\n"
        f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}\n"
        f"sentinel failover-timeout {NAME} 10000\n",
        encoding="utf-8",
    )
    with (directory / "log").open("ab") as log:
        command = [find_binary(), str(configuration), "--sentinel"]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


class Address:
    """The fixed address of a front."""

    def __init__(self, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}"


@asynccontextmanager
async def follower(servers: Watched, directory: Path) -> AsyncIterator[Address | Forwarder]:  # noqa: ARG001 - as `haproxy`
    """A proxy that follows the Sentinels' word and closes the connections to the server before."""
    async with forwarding(f"redis://{HOSTS[0]}:{servers.port}") as forwarder:

        async def follow() -> None:
            while True:
                host = await asyncio.to_thread(servers.master)
                if host and forwarder.target != (host, servers.port):
                    forwarder.target = (host, servers.port)
                    forwarder.reset_all()
                await asyncio.sleep(0.1)

        following = asyncio.create_task(follow())
        try:
            yield forwarder
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


@asynccontextmanager
async def haproxy(servers: Watched, directory: Path) -> AsyncIterator[Address | Forwarder]:
    """HAProxy with the configuration of deploy/; skips the test without one."""
    program = tool("haproxy")
    (port,) = free_ports(1)
    text = (DEPLOY / "sentinel" / "haproxy.cfg").read_text(encoding="utf-8")
    for number, sentinel in enumerate(servers.sentinel_ports, 1):
        text = text.replace(f"10.0.0.{number}:26379", f"127.0.0.1:{sentinel}")
    for number, host in enumerate(HOSTS, 1):
        text = text.replace(f"10.0.0.{number}:6379", f"{host}:{servers.port}")
        text = text.replace(rf"10\.0\.0\.{number}", host.replace(".", r"\."))
    configuration = directory / "haproxy.cfg"
    configuration.write_text(text.replace("127.0.0.1:6380", f"127.0.0.1:{port}"), encoding="utf-8")
    with (directory / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([program, "-f", str(configuration), "-db"], stdout=log, stderr=log, env=os.environ)  # noqa: ASYNC220 - as all servers of tests
    try:
        with redis.Redis(port=port) as client:
            await asyncio.to_thread(block_until, lambda: bool(client.ping()), "HAProxy to lead to the master")
        yield Address(port)
    finally:
        process.kill()
        process.wait()
