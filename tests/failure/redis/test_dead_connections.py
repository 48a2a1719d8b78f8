"""Connections that Redis, or a firewall before it, has closed: readers don't notice, and no write is sent twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio.connection import ConnectionPool

from sidedata.clock import SystemClock
from sidedata.errors import StoreUnavailableError
from sidedata.redis.client import connect
from sidedata.redis.gateway import Gateway
from sidedata.redis.scripts import Script
from sidedata.schema.installation import Installation
from sidedata.service.report.reports import NoSuchWorkflowError, Reports
from sidedata.settings import Settings
from sidedata.writes.installation import open_installation
from tests.support.constants import ORG, SECRET
from tests.support.events import PAGES
from tests.support.redis.forwarder import Forwarder, forwarding
from tests.support.redis.servers import RedisServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.undeployed("the forwarder's address has no login")
CLIENTS = 30
APPEND = Script.of("return redis.call('INCR', KEYS[1])")


@pytest.fixture
def server(private_server: Callable[..., RedisServer]) -> RedisServer:
    """A server that forgets nothing when it is killed."""
    return private_server("--appendonly", "yes", "--appendfsync", "always")


@pytest_asyncio.fixture
async def forwarder(server: RedisServer) -> AsyncIterator[Forwarder]:
    """A TCP address of that server."""
    async with forwarding(server.url) as made:
        yield made


@pytest_asyncio.fixture
async def gateway(forwarder: Forwarder) -> AsyncIterator[Gateway]:
    """A gateway as the service has it."""
    made = connect(forwarder.url, timeout=0.7)
    yield made
    await made.aclose()


class Readers:
    """Reports of a service that has asked before, so that it holds connections of both kinds."""

    def __init__(self, gateway: Gateway, installation: Installation, settings: Settings) -> None:
        self._gateway = gateway
        self._reports = Reports(gateway, installation, settings, SystemClock())

    async def ask(self, number: int) -> None:
        """One report, of a workflow for each number; and one read over the pool.

        Raises:
            StoreUnavailableError: the answer would be 503.
        """
        now = datetime.now(UTC)
        workflow = f"{PAGES[:-4]}{number:04}"
        with pytest.raises(NoSuchWorkflowError):
            await self._reports.answer(ORG, workflow, now - timedelta(days=1), now)
        await self._gateway.command("HGETALL", "sd:config")

    async def burst(self) -> None:
        """As many at once as leave that number of connections in the pool."""
        await asyncio.gather(*map(self.ask, range(CLIENTS)))


@pytest_asyncio.fixture
async def readers(gateway: Gateway) -> Readers:
    """Readers that have asked before."""
    settings = Settings(secret=SECRET)
    made = Readers(gateway, await open_installation(gateway, settings), settings)
    await made.burst()
    return made


async def test_no_reader_notices_that_redis_was_killed_and_restarted(server: RedisServer, readers: Readers) -> None:
    """Neither the shared connection nor any of the pool is used after its end: no report of a burst is refused."""
    server.kill()
    server.start()
    await readers.burst()
    server.kill()
    server.start()
    await readers.ask(0)  # the shared connection first, while the pool's are dead
    await readers.burst()


async def test_no_reader_notices_a_reset(forwarder: Forwarder, readers: Readers) -> None:
    """A firewall that resets idle connections is no reason for a refusal either."""
    forwarder.reset_all()
    await readers.burst()


async def test_no_reader_notices_a_timeout_of_idle_connections(server: RedisServer, readers: Readers) -> None:
    """Under `timeout 1`, connections end all the time, and reports are answered all the time."""
    admin = connect(server.url, timeout=5)
    await admin.command("CONFIG", "SET", "timeout", 1)
    for _ in range(8):
        await readers.burst()
        await asyncio.sleep(0.4)  # Redis itself closes them, once a second
    await admin.aclose()


async def test_a_write_over_a_closed_connection_is_sent_on_a_new_one(
    server: RedisServer, forwarder: Forwarder, gateway: Gateway
) -> None:
    """A write whose connection was lost before it was sent is neither refused nor doubled."""
    await asyncio.gather(*(gateway.command("INCR", "n") for _ in range(CLIENTS)))
    server.kill()
    await eventually(lambda: not forwarder.open)
    server.start()
    await asyncio.gather(*(gateway.command("INCR", "n") for _ in range(CLIENTS)))
    forwarder.reset_all()
    await eventually(lambda: not forwarder.open)
    await asyncio.gather(*(gateway.command("INCR", "n") for _ in range(CLIENTS)))
    assert await gateway.command("GET", "n") == b"%d" % (3 * CLIENTS)


@pytest.mark.parametrize("way", ["command", "batch", "script"])
async def test_a_slow_write_is_sent_once(forwarder: Forwarder, gateway: Gateway, server: RedisServer, way: str) -> None:
    """A write whose reply does not come in time fails, and Redis has done it once: no client repeats it by itself."""
    await gateway.call(APPEND, ["n"])
    await gateway.command("SET", "n", 0)
    forwarder.held = True
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "command": lambda: gateway.command("INCR", "n"),
        "batch": lambda: gateway.batch([("INCR", "n"), ("XADD", "x", "*", "f", "v")]),
        "script": lambda: gateway.call(APPEND, ["n"]),
    }
    with pytest.raises(StoreUnavailableError):
        await ways[way]()
    forwarder.held = False
    admin = connect(server.url, timeout=5)
    assert await admin.command("GET", "n") == b"1"
    assert await admin.command("XLEN", "x") == (way == "batch")
    await admin.aclose()


async def test_a_caller_that_fails_once_a_script_is_sent_leaves_no_reply_behind(gateway: Gateway) -> None:
    """The next command on that connection gets its own reply, not that of the script."""
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await gateway.call(APPEND, ["n"], on_sent=lambda: 1 // 0)
        assert await gateway.command("ECHO", "mine") == b"mine"


@pytest.mark.parametrize("protocol", [2, pytest.param(3, marks=pytest.mark.xfail(strict=True, raises=ConnectionError))])
async def test_the_pin_of_the_protocol_may_go(server: RedisServer, forwarder: Forwarder, protocol: int) -> None:
    """When this passes with 3, redis-py checks connections of the newer protocol: `_PROTOCOL` in client.py may go."""
    pool: Any = ConnectionPool.from_url(forwarder.url, protocol=protocol)
    connection = await pool.get_connection()
    await pool.release(connection)
    server.kill()
    await eventually(connection._reader.at_eof)
    server.start()
    connection = await pool.get_connection()
    try:
        await connection.send_command("PING")
        assert await connection.read_response() == b"PONG"
    except Exception as error:
        raise ConnectionError from error
    finally:
        await pool.release(connection)
        await pool.disconnect()
