"""Facts that servers state of themselves, by INFO or, without that right, by CONFIG GET."""

import time
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from sidedata.errors import CommandRefusedError
from sidedata.redis.gateway import Commands, Gateway
from sidedata.redis.replies import integer, mapping, text
from sidedata.schema.keys import WORKERS, Keyspace

# The product and the field of its own version, by the field `server_name`. Valkey states a Redis version for compatibility only.
_PRODUCTS: Final = {"valkey": ("Valkey", "valkey_version")}
_REDIS: Final = ("Redis", "redis_version")


class ServerFacts(Struct, frozen=True, kw_only=True):
    """One server's facts; None for a fact that this user may not read. Sizes are in bytes."""

    product: str = "Redis"
    version: str | None = None  # the product's own
    loading: bool | None = None
    is_replica: bool | None = None
    maxmemory_policy: str | None = None
    aof_enabled: bool | None = None
    aof_writable: bool = True
    used_memory: int | None = None
    maxmemory: int = 0  # 0: unlimited
    allocator: str | None = None  # the memory allocator, which decides about the sizes of keys
    replicas: int | None = None


async def read_servers(gateway: Gateway) -> list[ServerFacts]:
    """Read the facts of every server that holds keys.

    Raises:
        StoreUnavailableError: a server is out of reach.
    """
    return [await _read(primary) for primary in await gateway.primaries()]


async def read_time_ms(gateway: Gateway, keyspace: Keyspace | None = None) -> int:
    """Read the clock of the server that holds a partition, or the list of workers; in milliseconds since the epoch.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return await gateway.time_ms(WORKERS if keyspace is None else keyspace.cursor)


async def round_trips(gateway: Gateway, count: int) -> Sequence[float]:
    """Measure round trips to a server, one after the other, in seconds.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        await read_time_ms(gateway)
        seconds.append(time.perf_counter() - start)
    return seconds


async def key_count(gateway: Gateway) -> int:
    """Count all keys, those of other programs included.

    Raises:
        StoreUnavailableError: a server is out of reach.
    """
    return sum([integer(await primary.command("DBSIZE")) for primary in await gateway.primaries()])


async def _read(server: Commands) -> ServerFacts:
    try:
        return parse_info(text(await server.command("INFO")))
    except CommandRefusedError:  # for want of the right, or because a proxy has no INFO
        return await _configured(server)


async def _configured(server: Commands) -> ServerFacts:
    """Read the facts that the configuration holds, for users with that right."""
    try:
        # One parameter each: Redis 6.2 takes no more.
        policy, aof = map(
            mapping,
            await server.batch([("CONFIG", "GET", "maxmemory-policy"), ("CONFIG", "GET", "appendonly")]),
        )
    except CommandRefusedError:
        return ServerFacts()
    return ServerFacts(
        maxmemory_policy=policy[b"maxmemory-policy"].decode() if b"maxmemory-policy" in policy else None,
        aof_enabled=aof[b"appendonly"] == b"yes" if b"appendonly" in aof else None,
    )


def parse_info(info: str) -> ServerFacts:
    """Parse the text of INFO; a missing field gives the fact's default."""
    fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line and not line.startswith("#"))
    product, version = _PRODUCTS.get(fields.get("server_name", ""), _REDIS)
    return ServerFacts(
        product=product,
        version=fields.get(version),
        loading=None if "loading" not in fields else "1" in (fields["loading"], fields.get("async_loading")),
        is_replica=None if "role" not in fields else fields["role"] != "master",
        maxmemory_policy=fields.get("maxmemory_policy"),
        aof_enabled=None if "aof_enabled" not in fields else fields["aof_enabled"] == "1",
        aof_writable=fields.get("aof_last_write_status", "ok") == "ok",
        used_memory=_number(fields, "used_memory"),
        maxmemory=_number(fields, "maxmemory") or 0,
        allocator=fields.get("mem_allocator"),
        replicas=_number(fields, "connected_slaves"),
    )


def _number(fields: Mapping[str, str], name: str) -> int | None:
    return int(fields[name]) if name in fields else None
