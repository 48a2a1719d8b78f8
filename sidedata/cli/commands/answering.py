"""The connection of a command that must say soon that Redis doesn't answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sidedata.cli.connection import open_gateway
from sidedata.embedded.server import attach
from sidedata.errors import StoreUnavailableError
from sidedata.redis.gateway import Gateway
from sidedata.redis.server import ping
from sidedata.schema.installation import Installation
from sidedata.settings import Settings
from sidedata.writes.installation import open_installation

# With the start of the process less than the two seconds within which such a command ends.
_PING_SECONDS: Final = 1.0


@asynccontextmanager
async def open_answering_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Connect to Redis, where all servers answer within a second; later commands may take longer.

    Raises:
        StopError: there is no Redis.
        StoreUnavailableError: Redis is out of reach, or hangs.
    """
    async with open_gateway(settings) as gateway:
        try:
            async with asyncio.timeout(_PING_SECONDS):
                await ping(gateway)
        except TimeoutError as error:
            raise StoreUnavailableError(f"Redis did not answer within {_PING_SECONDS:.0f} s") from error
        yield gateway


@asynccontextmanager
async def open_answering_store(settings: Settings) -> AsyncIterator[tuple[Gateway, Installation]]:
    """Connect to Redis, where all servers answer within a second, and open the installation there.

    Raises:
        StopError: there is no Redis, or its installation is configured differently from the settings.
        StoreUnavailableError: Redis is out of reach, or hangs.
    """
    async with attach(settings) as attached, open_answering_gateway(attached) as gateway:
        yield gateway, await open_installation(gateway, attached)
