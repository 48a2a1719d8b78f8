"""Writes of tokens: creation, revocation, last use, and the counters of the rate limit."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import integer, mapping, strings
from sidedata.redis.scripts import script
from sidedata.schema.keys import TOKENS, TOKENS_USED, rate
from sidedata.schema.tokens import USE_SECONDS, TokenRecord, decode, digest, encode, generate

_RECORD_USE: Final = script("record_use")
_RATE: Final = script("rate")
# The TTL of a second's counter: longer than the second, because the clocks of several processes may differ a little.
_RATE_SECONDS: Final = 2


async def create_token(
    gateway: Gateway,
    organization: str | None,
    scopes: Sequence[str],
    expires_at: float | None = None,
    name: str = "",
) -> tuple[str, TokenRecord]:
    """Create a token of one organization, or of all (None); its text is returned with the record and stored nowhere.

    Raises:
        UsageError: no UUID, no scope or an unknown one, an expiry in the past, or too long a name.
        StoreUnavailableError: Redis is out of reach.
    """
    token, record = generate(organization, scopes, time.time(), expires_at, name)
    await gateway.command("HSET", TOKENS, digest(token), encode(record))
    return token, record


async def revoke_token(gateway: Gateway, token_id: str) -> bool:
    """Revoke a token, named by its public id; False if there was none.

    Raises:
        StopError: a record is damaged.
        StoreUnavailableError: Redis is out of reach.
    """
    return bool(await _remove(gateway, lambda record: record.id == token_id))


async def revoke_tokens_of(gateway: Gateway, organization: str) -> int:
    """Revoke all tokens of that one organization and return their number; tokens for all organizations stay.

    Raises:
        StopError: a record is damaged.
        StoreUnavailableError: Redis is out of reach.
    """
    return await _remove(gateway, lambda record: record.organization == organization)


async def _remove(gateway: Gateway, selected: Callable[[TokenRecord], bool]) -> int:
    records_by_digest = mapping(await gateway.command("HGETALL", TOKENS))
    records = {field: decode(value) for field, value in records_by_digest.items()}
    fields = [field for field, record in records.items() if selected(record)]
    removed = integer(await gateway.command("HDEL", TOKENS, *fields)) if fields else 0
    # A use may be recorded in the very moment of the revocation, so the rest of earlier ones is removed too.
    remaining = {record.id.encode() for field, record in records.items() if field not in fields}
    orphans = [name for name in strings(await gateway.command("HKEYS", TOKENS_USED)) if name not in remaining]
    if orphans:
        await gateway.command("HDEL", TOKENS_USED, *orphans)
    return removed


async def record_use(gateway: Gateway, token_id: str, now: float) -> bool:
    """Record that a token, named by its public id, was used; False if a use of the last minute is recorded already.

    Raises:
        StopError: this process may not write.
        StoreUnavailableError: Redis is out of reach.
    """
    return bool(integer(await gateway.call(_RECORD_USE, [TOKENS_USED], [token_id, int(now), USE_SECONDS])))


async def count_request(gateway: Gateway, token_id: str, second: int) -> int:
    """Count a request of a token, named by its public id, and return the number of its requests in that second.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return integer(await gateway.call(_RATE, [rate(token_id, second)], [_RATE_SECONDS]))
