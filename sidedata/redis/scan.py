"""Keys by pattern, a page at a time."""

from collections.abc import AsyncIterator

from sidedata.redis.client import Client, translated

PAGE = 500


async def pages(client: Client, pattern: str) -> AsyncIterator[list[bytes]]:
    """Pages of the keys that match; every master is scanned. One that is there all the while is named at least once."""
    page: list[bytes] = []
    with translated():
        async for key in client.scan_iter(match=pattern, count=PAGE):
            page.append(key)
            if len(page) >= PAGE:
                yield page
                page = []
    if page:
        yield page
