"""The health of Redis: a named check for each thing that can be wrong with it.

A service account may lack the rights to INFO and CONFIG, which are rights of their own. The status of such a check is "unknown",
and a process with unknown checks is ready.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from sidedata.errors import SidedataError, StoreUnavailableError
from sidedata.reads.servers import ServerFacts, read_servers
from sidedata.redis.gateway import Gateway
from sidedata.redis.server import ping

Status = Literal["ok", "warning", "failed", "unknown"]

# Less than the second within which every answer is due, whatever Redis does.
CHECK_SECONDS: Final = 0.9


class Check(Struct, frozen=True):
    """The result of one check; only `failed` makes a process not ready."""

    name: str
    status: Status
    detail: str


def ready(checks: Sequence[Check]) -> bool:
    """Tell if none of the checks failed."""
    return all(check.status != "failed" for check in checks)


async def redis_checks(gateway: Gateway) -> list[Check]:
    """Check that Redis is reachable and loaded, and (as warnings) that it doesn't evict and that it persists its data."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await ping(gateway)
            servers = await read_servers(gateway)
    except TimeoutError:
        return [Check("redis", "failed", "Redis did not answer in time")]
    except StoreUnavailableError as error:
        # A server that loads its data answers, but with an error.
        loading = "LOADING" in str(error) or "loading" in str(error)
        return [Check("loading" if loading else "redis", "failed", str(error))]
    except SidedataError as error:
        return [Check("redis", "failed", str(error))]
    return [Check("redis", "ok", "Redis answers"), _loading(servers), _eviction(servers), _persistence(servers)]


def _loading(servers: Sequence[ServerFacts]) -> Check:
    if any(server.loading for server in servers):
        return Check("loading", "failed", "Redis is still loading its data")
    if any(server.loading is None for server in servers):
        return Check("loading", "unknown", "this user has no right to INFO, but Redis answers")
    return Check("loading", "ok", "Redis has loaded its data")


def _eviction(servers: Sequence[ServerFacts]) -> Check:
    name = "maxmemory-policy"
    policies = {server.maxmemory_policy for server in servers}
    evicting = sorted(policy for policy in policies if policy not in (None, "noeviction"))
    if evicting:
        return Check(
            name,
            "warning",
            f"maxmemory-policy is {', '.join(evicting)}: Redis may evict counters; set it to noeviction",
        )
    if None in policies:
        return Check(
            name,
            "unknown",
            "this user has no right to INFO or CONFIG GET; make sure that maxmemory-policy is noeviction",
        )
    return Check(name, "ok", "maxmemory-policy is noeviction")


def _persistence(servers: Sequence[ServerFacts]) -> Check:
    name = "persistence"
    if any(server.aof_enabled is None for server in servers):
        return Check(
            name, "unknown", "this user has no right to INFO or CONFIG GET; make sure that the append-only file is on"
        )
    if not all(server.aof_enabled for server in servers):
        return Check(name, "warning", "the append-only file is off: events are lost when Redis restarts")
    if not all(server.aof_writable for server in servers):
        return Check(name, "warning", "Redis could not write the append-only file")
    return Check(name, "ok", "the append-only file is on")
