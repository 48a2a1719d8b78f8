"""Servers that move, and files that change: certificates, names, the end of an append-only file, clocks."""

import asyncio
import random
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sidedata.errors import StoreUnavailableError
from sidedata.redis.client import connect
from sidedata.redis.gateway import Gateway
from tests.support.clock import ManualClock
from tests.support.events import POPUP, started
from tests.support.pipeline import pipeline
from tests.support.ports import free_ports
from tests.support.redis.certificates import Certificates
from tests.support.redis.servers import RedisServer, find_binary
from tests.support.waiting import eventually

pytestmark = pytest.mark.undeployed("the servers have addresses and files that deploy/ does not give them")


@asynccontextmanager
async def tls_server(certificates: Certificates, port: int, directory: Path) -> AsyncIterator[None]:
    """A server that takes TLS alone, with the certificates as they are now."""
    command = [find_binary(), *certificates.for_server(port), "--dir", str(directory), "--save", ""]
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen([*command, "--bind", "127.0.0.1"], stdout=log, stderr=log)  # noqa: ASYNC220 - as all servers of tests
    try:
        for _ in range(500):
            if process.poll() is not None:
                pytest.skip("this redis-server was built without TLS")
            with socket.socket() as found:
                if found.connect_ex(("127.0.0.1", port)) == 0:
                    break
            await asyncio.sleep(0.01)
        yield
    finally:
        process.kill()
        process.wait()


async def answers(gateway: Gateway, number: int = 1) -> bool:
    """Tell if that number of reads at once is answered."""
    try:
        await asyncio.gather(*(gateway.command("GET", "n") for _ in range(number)))
    except StoreUnavailableError:
        return False
    return True


async def test_certificates_are_rotated_under_way(tmp_path: Path) -> None:
    """A new authority, in the same files: a process that has connected before needs no restart, nor one that was refused."""
    first, second = (tmp_path / name for name in ("first", "second"))
    for directory in (first, second):
        directory.mkdir()
    old, new = Certificates(first), Certificates(second)
    (port,) = free_ports(1)
    url = f"rediss://127.0.0.1:{port}?{old.for_client()}"
    gateway = connect(url, timeout=2)
    try:
        (tmp_path / "data").mkdir()
        async with tls_server(old, port, tmp_path / "data"):
            assert await answers(gateway, 10)
        async with tls_server(new, port, tmp_path / "data"):
            assert not await answers(gateway)  # it trusts the old authority alone
            for path in second.iterdir():
                shutil.copy(path, first / path.name)
            await eventually(lambda: answers(gateway, 10))
    finally:
        await gateway.aclose()


async def test_a_name_that_moves_is_looked_up_again(
    private_server: Callable[..., RedisServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the old address no longer answers, the first read is answered by the new one."""
    port, _ = free_ports(2)
    old = private_server("--port", str(port), "--bind", "127.0.0.1")
    new = private_server("--port", str(port), "--bind", "127.0.0.2")
    new._admin.set("n", "moved")
    addresses = ["127.0.0.1"]
    resolve = socket.getaddrinfo

    def resolved(host: str, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - the resolver's own
        return resolve(addresses[0] if host == "redis.test" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    gateway = connect(f"redis://redis.test:{port}", timeout=1)
    try:
        await asyncio.gather(*(gateway.command("GET", "n") for _ in range(10)))
        assert await gateway.poll(("GET", "n")) == [None]
        addresses[0] = "127.0.0.2"
        old.kill()
        assert await gateway.poll(("GET", "n")) == [b"moved"]
        assert await asyncio.gather(*(gateway.command("GET", "n") for _ in range(10))) == [b"moved"] * 10
    finally:
        await gateway.aclose()


@pytest.mark.parametrize("cut", [1, 40, 400, 4000])
async def test_a_truncated_file_at_start_loses_whole_steps(
    private_server: Callable[..., RedisServer], cut: int
) -> None:
    """Redis loads what is whole; when all events are sent again with their ids, each has counted once."""
    server = private_server("--appendonly", "yes", "--appendfsync", "always")
    chance = random.Random(cut)
    async with pipeline(server.url, partitions=1) as pipe:
        now = await pipe.now()
        events = [started(now - timedelta(minutes=number), f"v{number % 9}", id=f"id-{number}") for number in range(60)]
        for first in range(0, 60, 6):
            await pipe.apply(events[first : first + 6])
        await pipe.push(*events[:3])
        server.kill()
        file = max(server.directory.glob("appendonlydir/*.incr.aof"), default=server.directory / "appendonly.aof")
        data = file.read_bytes()
        file.write_bytes(data[: max(0, len(data) - cut - chance.randrange(20))])
        server.start()
        await pipe.drain()
        for first in range(0, 60, 6):
            await pipe.apply(events[first : first + 6])
        reply = await pipe.ask(POPUP, (now - timedelta(days=1)).isoformat(), (now + timedelta(minutes=5)).isoformat())
        assert reply.json["started_workflows_count"] == 60


@pytest.mark.parametrize("skew", [-60, 60])
async def test_a_minute_between_the_clocks_of_hosts_is_harmless(redis_url: str, skew: int) -> None:
    """A service and a producer whose clock is a minute off count and report as the others do."""
    clock = ManualClock(time.time() + skew)
    async with pipeline(redis_url, partitions=1, clock=clock) as pipe:
        now = await pipe.now()
        producer = now + timedelta(seconds=skew)
        await pipe.apply([started(producer, "v1"), started(now, "v2"), started(now - timedelta(hours=40), "v3")])
        assert await pipe.letters() == []
        service = datetime.fromtimestamp(clock.now(), UTC)
        for start, count in ((timedelta(days=3), 3), (timedelta(minutes=30), 2)):
            end = max(service, producer, now) + timedelta(minutes=5)
            reply = await pipe.ask(POPUP, (service - start).isoformat(), end.isoformat())
            assert reply.json["started_workflows_count"] == count


async def test_a_socket_across_a_restart(private_server: Callable[..., RedisServer]) -> None:
    """Over unix:// a restart makes a new socket; the next reads and writes use it."""
    server = private_server("--appendonly", "yes", "--appendfsync", "always")
    gateway = connect(server.url, timeout=1)
    try:
        for number in range(1, 4):
            await asyncio.gather(*(gateway.command("GET", "n") for _ in range(10)))
            assert await gateway.command("INCR", "n") == number
            server.kill()
            server.start()
            assert await gateway.command("INCR", "m") == number
            assert await gateway.poll(("GET", "n")) == [b"%d" % number]
    finally:
        await gateway.aclose()
