"""Samples of keys: names, and for each name its size, or its type and TTL.

SCAN goes through keys by their hash, so the first keys of a scan are a random sample; in a cluster each primary gives its share.
Every step is small, and Redis serves other clients in between, whatever the number of keys.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple

from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Reply, integer, text
from sidedata.redis.scan import pages_of
from sidedata.schema.keys import ALL_KEYS

_PAGE: Final = 200
_MISSING: Final = "none"  # the type of a missing key
_ENDLESS_TTL: Final = -1


class KeyState(NamedTuple):
    """The type of a key in the words of TYPE, and its TTL in ms; None for a key without a TTL."""

    type: str
    ttl_ms: int | None


async def sample_names(gateway: Gateway, most: int) -> AsyncIterator[list[str]]:
    """Sample at most `most` names of keys that begin with `sd:`, a page at a time; a name may occur twice.

    Raises:
        StoreUnavailableError: Redis is out of reach.
        StopError: Redis refuses SCAN.
    """
    primaries = await gateway.primaries()
    for index, primary in enumerate(primaries):
        rest = most * (index + 1) // len(primaries) - most * index // len(primaries)
        if not rest:
            continue
        async for names in pages_of(primary, ALL_KEYS, _PAGE):
            page = [name.decode(errors="replace") for name in names[:rest]]
            yield page
            rest -= len(page)
            if not rest:
                break


async def read_sizes(gateway: Gateway, names: Sequence[str]) -> list[int | None]:
    """Read the bytes that each key takes; None for a missing one.

    Raises:
        StoreUnavailableError: Redis is out of reach.
        StopError: Redis refuses MEMORY USAGE.
    """
    replies = await gateway.batch([size_command(name) for name in names])
    return [None if reply is None else integer(reply) for reply in replies]


def size_command(name: str) -> tuple[str | int, ...]:
    """The command that measures a key; SAMPLES 0 measures every element, where the default extrapolates from five."""
    return ("MEMORY", "USAGE", name, "SAMPLES", 0)


async def read_states(gateway: Gateway, names: Sequence[str]) -> list[KeyState | None]:
    """Read type and TTL of each key; None for a missing one. Scripts are atomic, so a key between two commands is never seen.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    replies = await gateway.batch([command for name in names for command in (("TYPE", name), ("PTTL", name))])
    return [key_state(*pair) for pair in zip(replies[::2], replies[1::2], strict=True)]


def key_state(type_: Reply, ttl_ms: Reply) -> KeyState | None:
    """Decode the replies to TYPE and PTTL."""
    name, ttl = text(type_), integer(ttl_ms)
    return None if name == _MISSING else KeyState(name, None if ttl == _ENDLESS_TTL else ttl)
