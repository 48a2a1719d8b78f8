"""The store as a command of a few seconds uses it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sidedata.embedded.server import redis_url
from sidedata.redis.client import Client, connect
from sidedata.schema.installation import Installation, open_installation
from sidedata.settings import Settings

TIMEOUT_SECONDS: Final = 10.0


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Client, Installation]]:
    """A client and the installation's facts, on the Redis that the settings name or on the embedded one.

    Raises:
        StopError: there is no Redis, or its installation is another one than the settings'.
        StoreUnavailableError: Redis is out of reach.
    """
    async with redis_url(settings) as url:
        client = connect(url, timeout=TIMEOUT_SECONDS)
        try:
            yield client, await open_installation(client, settings)
        finally:
            await client.aclose()
