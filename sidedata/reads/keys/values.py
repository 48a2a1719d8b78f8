"""Reads of single keys by name, for `sidedata inspect key`; each function reads one type, bounded in size."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from sidedata.errors import StopError
from sidedata.reads.keys.samples import KeyState, key_state, size_command
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import (
    array,
    integer,
    integer_or_zero,
    mapping,
    optional_string,
    scores,
    string,
    strings,
)
from sidedata.schema.keys import Keyspace
from sidedata.schema.values import GoalName

_MOST_FIELDS: Final = 5_000  # of a hash that is read whole
_CARDINALITIES: Final = {"hash": "HLEN", "set": "SCARD", "zset": "ZCARD", "list": "LLEN", "stream": "XLEN"}


class StreamSummary(NamedTuple):
    """The length of a stream, and the ids of its oldest and newest entries; None for an empty stream."""

    length: int
    oldest: str | None
    newest: str | None


class TopMembers(NamedTuple):
    """The cardinality of a sorted set, and its members of the highest scores, highest first."""

    cardinality: int
    members: list[tuple[str, float]]


class SketchSummary(NamedTuple):
    """A HyperLogLog: what it estimates, its form, and the bytes of its value."""

    estimate: int
    form: Literal["dense", "sparse"]
    size: int


async def read_key(gateway: Gateway, name: str) -> tuple[KeyState | None, int]:
    """Read type and TTL of a key, None for a missing one, and its size in bytes.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    type_, ttl, size = await gateway.batch([("TYPE", name), ("PTTL", name), size_command(name)])
    return key_state(type_, ttl), integer_or_zero(size)


async def read_goal_name(gateway: Gateway, keyspace: Keyspace, organization: str, goal: str) -> str | None:
    """Read a goal's name; None where none is stored.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    record = optional_string(await gateway.command("GET", keyspace.goal(organization, goal)))
    return None if record is None else GoalName.decode(record).name


async def read_sketch(gateway: Gateway, name: str) -> SketchSummary:
    """Read a HyperLogLog's estimate, form and size; its fifth byte names the form (src/hyperloglog.c of Redis).

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    estimate, size, form = await gateway.batch([("PFCOUNT", name), ("STRLEN", name), ("GETRANGE", name, 4, 4)])
    return SketchSummary(integer(estimate), "dense" if string(form) == b"\0" else "sparse", integer(size))


async def length(gateway: Gateway, name: str) -> int:
    """Read the number of bytes of a string.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return integer(await gateway.command("STRLEN", name))


async def read_hash(gateway: Gateway, name: str) -> Mapping[str, str]:
    """Read all fields of a hash.

    Raises:
        StopError: it has more than 5,000 fields.
        StoreUnavailableError: Redis is out of reach.
    """
    if await cardinality(gateway, name, "hash") > _MOST_FIELDS:
        raise StopError(f"{name} has more than {_MOST_FIELDS} fields; HSCAN shows them")
    stored = mapping(await gateway.command("HGETALL", name))
    return {field.decode(errors="replace"): value.decode(errors="replace") for field, value in stored.items()}


async def field_names(gateway: Gateway, name: str) -> list[str]:
    """Read the names of a hash's fields.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return [field.decode(errors="replace") for field in strings(await gateway.command("HKEYS", name))]


async def read_text(gateway: Gateway, name: str) -> str:
    """Read a string as text; "" for a missing one.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return (optional_string(await gateway.command("GET", name)) or b"").decode(errors="replace")


async def cardinality(gateway: Gateway, name: str, stored_type: str) -> int:
    """Count the elements of a key of the type that TYPE answers; any but a string.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return integer(await gateway.command(_CARDINALITIES[stored_type], name))


async def read_stream_summary(gateway: Gateway, name: str) -> StreamSummary:
    """Read a stream's length and its first and last ids.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    length, oldest, newest = await gateway.batch(
        [("XLEN", name), ("XRANGE", name, "-", "+", "COUNT", 1), ("XREVRANGE", name, "+", "-", "COUNT", 1)]
    )
    first, last = ([string(array(entry)[0]).decode() for entry in array(reply)] for reply in (oldest, newest))
    return StreamSummary(integer(length), first[0] if first else None, last[0] if last else None)


async def read_top_members(gateway: Gateway, name: str, most: int) -> TopMembers:
    """Read the `most` members of a sorted set with the highest scores.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    count, newest = await gateway.batch([("ZCARD", name), ("ZREVRANGE", name, 0, most - 1, "WITHSCORES")])
    return TopMembers(integer(count), [(member.decode(), score) for member, score in scores(newest)])
