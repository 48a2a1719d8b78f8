"""The connection of a command that runs for a few seconds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sidedata.embedded.server import redis_url
from sidedata.redis.client import connect
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.settings import Settings
from sidedata.writes.installation import open_installation

TIMEOUT_SECONDS: Final = 10.0


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Connect to the Redis that the settings name, or to the embedded one.

    Raises:
        StopError: there is no Redis.
    """
    async with redis_url(settings) as url:
        gateway = connect(url, timeout=TIMEOUT_SECONDS)
        try:
            yield gateway
        finally:
            await gateway.aclose()


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[tuple[Gateway, Installation]]:
    """Connect to Redis and open the installation there.

    Raises:
        StopError: there is no Redis, or its installation is configured differently from the settings.
        StoreUnavailableError: Redis is out of reach.
    """
    async with open_gateway(settings) as gateway:
        yield gateway, await open_installation(gateway, settings)
