"""Cache of token records, so that most requests are authorized without Redis."""

import asyncio
import logging
from typing import NamedTuple

from sidedata.clock import Clock
from sidedata.errors import SidedataError
from sidedata.reads.tokens import find_token
from sidedata.redis.gateway import Gateway
from sidedata.schema.tokens import USE_SECONDS, TokenRecord
from sidedata.writes.tokens import record_use

# A revoked token must stop within 5 seconds; on a stream this and the interval between two checks add up.
CACHE_SECONDS = 2.0
_MOST_TOKENS = 10_000

_log = logging.getLogger("sidedata.service")


class _Hit(NamedTuple):
    record: TokenRecord
    at: float


class TokenCache:
    """Token cache: hits for 2 s, misses never."""

    def __init__(self, gateway: Gateway, clock: Clock) -> None:
        self._gateway = gateway
        self._clock = clock
        self._hits: dict[str, _Hit] = {}  # by token
        self._lookups: dict[str, asyncio.Task[TokenRecord | None]] = {}  # running ones, by token
        self._use_recorded: dict[str, float] = {}  # by the token's id: when its use was last recorded in Redis
        self._recordings: set[asyncio.Task[None]] = set()

    async def get(self, token: str) -> TokenRecord | None:
        """The token's record; None if it is unknown, revoked or expired. Concurrent requests share one look-up.

        Raises:
            StoreUnavailableError: Redis is out of reach.
        """
        now = self._clock.now()
        cached = self.cached(token, now)
        if cached is not None:
            return cached
        lookup = self._lookups.get(token)
        if lookup is None:
            lookup = asyncio.create_task(self._look_up(token, now))
            self._lookups[token] = lookup
            lookup.add_done_callback(lambda task: self._end_lookup(token, task))
        # Shielded: a request that gives up must not cancel the look-up of the others.
        return await asyncio.shield(lookup)

    def cached(self, token: str, now: float) -> TokenRecord | None:
        """The cached record of a token that has not expired; None means that only Redis can tell."""
        hit = self._hits.get(token)
        if hit is None or not 0 <= now - hit.at < CACHE_SECONDS or hit.record.expired(now):
            return None
        return hit.record

    async def _look_up(self, token: str, now: float) -> TokenRecord | None:
        record = await find_token(self._gateway, token, now)
        self._hits.pop(token, None)
        if record is not None:
            if len(self._hits) >= _MOST_TOKENS:
                del self._hits[next(iter(self._hits))]
            self._hits[token] = _Hit(record, now)
            self._record_use(record.id, now)
        return record

    def _end_lookup(self, token: str, lookup: asyncio.Task[TokenRecord | None]) -> None:
        self._lookups.pop(token, None)
        if not lookup.cancelled():
            lookup.exception()  # each waiting request gets it; without one asyncio would log a warning

    def _record_use(self, token_id: str, now: float) -> None:
        """Record the use of a token in the background, at most once a minute."""
        if 0 <= now - self._use_recorded.get(token_id, float("-inf")) < USE_SECONDS:
            return
        if len(self._use_recorded) >= _MOST_TOKENS:
            self._use_recorded.clear()
        self._use_recorded[token_id] = now
        task = asyncio.create_task(self._write_use(token_id, now))
        self._recordings.add(task)
        task.add_done_callback(self._recordings.discard)

    async def _write_use(self, token_id: str, now: float) -> None:
        try:
            await record_use(self._gateway, token_id, now)
        except SidedataError as error:  # a service that may only read records no uses, which does no harm
            _log.debug("the use of token %s was not recorded: %s", token_id, error)

    async def close(self) -> None:
        """Cancel running look-ups and recordings; their requests may be over."""
        tasks = [*self._recordings, *self._lookups.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
