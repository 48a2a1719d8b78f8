"""The tests' client: the product's gateway, with all of redis-py's commands beside it for setting up and looking."""

from collections.abc import Sequence
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sidedata.errors import StoreUnavailableError
from sidedata.redis import client as product
from sidedata.redis.gateway import Commands, Gateway, OnSent
from sidedata.redis.replies import Command, Reply, Word
from sidedata.redis.scripts import Script
from sidedata.redis.standalone import StandaloneGateway

Kept = TypeVar("Kept")


class Client:
    """A gateway with redis-py's own client beside it; whatever is no method of the gateway is a command of the client."""

    def __init__(self, gateway: Gateway, raw: Any) -> None:  # noqa: ANN401 - the client's stubs leave replies untyped
        self.gateway = gateway
        self.others: dict[str, Client] = {}  # of other users of the same server; they are closed together
        self.raw = raw

    async def command(self, *words: Word) -> Reply:
        """As the gateway."""
        return await self.gateway.command(*words)

    async def batch(self, commands: Sequence[Command]) -> list[Reply]:
        """As the gateway."""
        return await self.gateway.batch(commands)

    async def poll(self, *commands: Command) -> list[Reply]:
        """As the gateway."""
        return await self.gateway.poll(*commands)

    async def call(
        self,
        script: Script,
        keys: Sequence[str | bytes],
        args: Sequence[Word] = (),
        *,
        on_sent: OnSent | None = None,
    ) -> Reply:
        """As the gateway."""
        return await self.gateway.call(script, keys, args, on_sent=on_sent)

    async def call_and_wait(
        self, script: Script, keys: Sequence[str | bytes], args: Sequence[Word], *, replicas: int, wait_ms: int
    ) -> tuple[Reply, int]:
        """As the gateway."""
        return await self.gateway.call_and_wait(script, keys, args, replicas=replicas, wait_ms=wait_ms)

    async def primaries(self) -> Sequence[Commands]:
        """As the gateway."""
        return await self.gateway.primaries()

    async def time_ms(self, key: str) -> int:
        """As the gateway."""
        return await self.gateway.time_ms(key)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the client's own
        return getattr(self.raw, name)

    async def aclose(self) -> None:
        """Close the connections of both, and of other users' clients."""
        try:
            for other in self.others.values():
                await other.aclose()
            await self.gateway.aclose()
        finally:
            await self.raw.aclose()


def connect(url: str, *, timeout: float) -> Client:
    """A client of the server or the cluster at an address."""
    gateway = product.connect(url, timeout=timeout)
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    if urlsplit(url).scheme.endswith("+cluster"):
        return Client(gateway, RedisCluster.from_url(url.replace("+cluster", "", 1), **options))
    return Client(gateway, Redis.from_url(url, **options))


def of_pool(pool: ConnectionPool) -> Client:
    """A client of the server that a pool of connections leads to."""
    return Client(StandaloneGateway(pool), Redis(connection_pool=pool))


def fake() -> Client:
    """A client of a Redis in memory."""
    raw = FakeAsyncRedis(protocol=2)
    return Client(StandaloneGateway(raw.connection_pool), raw)


class LossyGateway:
    """A gateway whose first replies get lost: the command was done, and its caller hears that Redis is out of reach."""

    def __init__(self, client: Client, losses: int) -> None:
        self.losses = losses
        self._gateway = client.gateway

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the gateway's own
        return getattr(self._gateway, name)

    async def command(self, *words: Word) -> Reply:
        """The command's reply, or none though it was done."""
        return self._lose(await self._gateway.command(*words))

    async def batch(self, commands: Sequence[Command]) -> list[Reply]:
        """The commands' replies, or none though they were done."""
        return self._lose(await self._gateway.batch(commands))

    async def call(
        self,
        script: Script,
        keys: Sequence[str | bytes],
        args: Sequence[Word] = (),
        *,
        on_sent: OnSent | None = None,
    ) -> Reply:
        """The script's reply, or none though it was done."""
        return self._lose(await self._gateway.call(script, keys, args, on_sent=on_sent))

    def _lose(self, replies: Kept) -> Kept:
        if self.losses:
            self.losses -= 1
            raise StoreUnavailableError("the reply is lost")
        return replies


def lossy(client: Client, losses: int) -> Gateway:
    """A gateway that loses that number of replies."""
    return cast("Gateway", LossyGateway(client, losses))
