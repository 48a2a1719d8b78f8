"""The rate limit's counters: requests of a token in each second."""

from typing import Final

from sidedata.redis.client import Client, translated
from sidedata.redis.scripts import script

_RATE: Final = script("rate")
_TTL_SECONDS: Final = 2  # longer than its second, because the clocks of several processes may differ a little


async def count_request(client: Client, token_id: str, second: int) -> int:
    """Count a request of a token, named by its public id, and return the number of its requests in that second.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    with translated():
        return int(await _RATE(client, [f"sd:rate:{token_id}:{second}"], [_TTL_SECONDS]))
