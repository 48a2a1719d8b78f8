"""The connection of a command that runs for a few seconds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sidedata.embedded.server import attach
from sidedata.redis.client import connect
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.settings import Settings
from sidedata.writes.installation import open_installation

TIMEOUT_SECONDS: Final = 10.0


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Connect to the Redis that the settings name, or to the one that `up` or `demo` runs.

    Raises:
        StopError: none runs in the data directory.
    """
    async with attach(settings) as attached:
        gateway = connect(attached.redis_url, timeout=TIMEOUT_SECONDS)
        try:
            yield gateway
        finally:
            await gateway.aclose()


@asynccontextmanager
async def connect_installation(settings: Settings) -> AsyncIterator[tuple[Gateway, Installation]]:
    """Connect to Redis as `open_gateway` does, and open the installation there.

    Raises:
        StopError: none runs, or its installation is configured differently from the settings.
        StoreUnavailableError: Redis is out of reach.
    """
    async with attach(settings) as attached, open_gateway(attached) as gateway:
        yield gateway, await open_installation(gateway, attached)
