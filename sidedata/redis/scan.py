"""Names of keys by pattern, a page at a time, from every server that holds keys."""

from collections.abc import AsyncIterator
from typing import Final

from sidedata.redis.gateway import Commands, Gateway
from sidedata.redis.replies import array, string, strings

PAGE: Final = 500


async def pages(gateway: Gateway, pattern: str) -> AsyncIterator[list[bytes]]:
    """Scan all servers for keys that match. A key that exists all the while is named at least once.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    for primary in await gateway.primaries():
        async for page in pages_of(primary, pattern):
            yield page


async def pages_of(primary: Commands, pattern: str, page: int = PAGE) -> AsyncIterator[list[bytes]]:
    """Scan one server; each page has about `page` names, and none is empty."""
    cursor = b"0"
    while True:
        reply = array(await primary.command("SCAN", cursor, "MATCH", pattern, "COUNT", page))
        cursor, names = string(reply[0]), strings(reply[1])
        if names:
            yield names
        if cursor == b"0":
            return
