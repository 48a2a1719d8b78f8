"""Reads of tokens' records."""

import time

from msgspec.structs import replace

from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import mapping, optional_string, strings
from sidedata.schema.keys import TOKENS, TOKENS_USED
from sidedata.schema.tokens import TokenRecord, decode, digest, is_token


async def find_token(gateway: Gateway, token: str, now: float | None = None) -> TokenRecord | None:
    """Read the record of a token; None if it is unknown, revoked or expired at `now` (default: the machine's clock).

    Raises:
        StopError: the record is damaged.
        StoreUnavailableError: Redis is out of reach.
    """
    if not is_token(token):
        return None
    stored = optional_string(await gateway.command("HGET", TOKENS, digest(token)))
    if stored is None:
        return None
    record = decode(stored)
    return None if record.expired(time.time() if now is None else now) else record


async def list_tokens(gateway: Gateway) -> list[TokenRecord]:
    """Read all records, those of expired tokens too, oldest first.

    Raises:
        StopError: a record is damaged.
        StoreUnavailableError: Redis is out of reach.
    """
    # One after the other: the two hashes may be on different nodes of a cluster, and a list needs no common instant.
    records = map(decode, strings(await gateway.command("HVALS", TOKENS)))
    uses = mapping(await gateway.command("HGETALL", TOKENS_USED))
    complete = [
        replace(record, used_at=float(use)) if (use := uses.get(record.id.encode())) is not None else record
        for record in records
    ]
    return sorted(complete, key=lambda record: (record.created_at, record.id))
