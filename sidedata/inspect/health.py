"""The health of Redis: a named check for each thing that can be wrong with it.

A service account may lack the rights to INFO and CONFIG, which are rights of their own. The status of such a check is "unknown",
and a process with unknown checks is ready.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from sidedata.conditions import CONDITIONS, HANGING, condition_of
from sidedata.errors import CommandRefusedError, SidedataError
from sidedata.reads.servers import ServerFacts, read_servers
from sidedata.redis.gateway import Gateway
from sidedata.redis.server import ping, probe_writes
from sidedata.schema.installation import DEFAULT_PARTITIONS
from sidedata.schema.keys import keyspace

Status = Literal["ok", "warning", "failed", "unknown"]
# The streams of a partition that an account adds to.
Stream = Literal["events", "dead"]

# Less than the second within which every answer is due, whatever Redis does.
CHECK_SECONDS: Final = 0.9
# Of a cluster: partitions lie on its masters at random, so these reach all masters of any that is not huge.
_MOST_PARTITIONS: Final = 64
# The check that fails in a condition, where it has a name of its own.
_NAMES: Final = {"LOADING": "loading", "READONLY": "role", "MASTERDOWN": "role"}


class Check(Struct, frozen=True, omit_defaults=True):
    """The result of one check; only `failed` makes a process not ready. `advice` says what to do about a problem."""

    name: str
    status: Status
    detail: str
    advice: str = ""


def ready(checks: Sequence[Check]) -> bool:
    """Tell if none of the checks failed."""
    return all(check.status != "failed" for check in checks)


def redis_answers(checks: Sequence[Check]) -> bool:
    """Tell if Redis answered the checks. Where it did not, another wait would take more than a second."""
    return any(check.name == "redis" and check.status == "ok" for check in checks)


async def redis_checks(
    gateway: Gateway, partitions: int = 0, *, without_writes: Status = "failed", appends: Stream = "events"
) -> list[Check]:
    """Check that Redis answers, is a master, and has loaded its data; as warnings, that it doesn't evict and persists its data.

    Args:
        partitions: of the installation; 0 for the default number.
        without_writes: the status of the check `writes` where Redis takes none.
        appends: the streams that this account may add to; a probe of the others would be a refusal in Redis's ACL LOG.
    """
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await ping(gateway)
            servers = await read_servers(gateway)
            several = len(servers) > 1
            writes = await _writes(gateway, partitions or DEFAULT_PARTITIONS, without_writes, appends, several=several)
    except TimeoutError:
        return [Check("redis", "failed", "Redis did not answer in time", HANGING.advice)]
    except SidedataError as error:
        return [_unable(error)]
    return [
        Check("redis", "ok", "Redis answers"),
        _role(servers),
        writes,
        _loading(servers),
        _eviction(servers),
        _persistence(servers),
    ]


def _unable(error: SidedataError) -> Check:
    """The check that fails because Redis can't serve reads."""
    condition = condition_of(error)
    # The text says more than the condition where Redis sent none, or refused one command.
    detail = str(error) if error.code in ("", "NOPERM") else condition.detail
    return Check(_NAMES.get(error.code, "redis"), "failed", detail, condition.advice)


async def _writes(gateway: Gateway, partitions: int, failing: Status, appends: Stream, *, several: bool) -> Check:
    name = "writes"
    probed = range(0, partitions, max(1, partitions // _MOST_PARTITIONS)) if several else range(1)
    events = [keyspace(partition).events for partition in probed]
    dead = [keyspace(partition).dead for partition in probed]
    first, second = (events, dead) if appends == "events" else (dead, events)
    try:
        # A service may add events, a worker dead letters, an operator both.
        try:
            await probe_writes(gateway, first)
        except CommandRefusedError:
            await probe_writes(gateway, second)
    except CommandRefusedError:
        return Check(name, "unknown", "this user has no right to add to a stream, so writes were not tried")
    except SidedataError as error:
        condition = condition_of(error)
        detail = condition.detail if error.code else str(error)
        return Check(name, failing, detail, condition.advice)
    return Check(name, "ok", "Redis takes writes")


def _role(servers: Sequence[ServerFacts]) -> Check:
    name = "role"
    if any(server.is_replica for server in servers):
        condition = CONDITIONS["READONLY"]
        return Check(name, "failed", condition.detail, condition.advice)
    if any(server.is_replica is None for server in servers):
        return Check(name, "unknown", "this user has no right to INFO", "make sure that the server is a master")
    return Check(name, "ok", "the server is a master")


def _loading(servers: Sequence[ServerFacts]) -> Check:
    name = "loading"
    if any(server.loading for server in servers):
        condition = CONDITIONS["LOADING"]
        return Check(name, "failed", condition.detail, condition.advice)
    if any(server.loading is None for server in servers):
        return Check(name, "unknown", "this user has no right to INFO, but Redis answers")
    return Check(name, "ok", "Redis has loaded its data")


def _eviction(servers: Sequence[ServerFacts]) -> Check:
    name = "maxmemory-policy"
    policies = {server.maxmemory_policy for server in servers}
    evicting = sorted(policy for policy in policies if policy not in (None, "noeviction"))
    if evicting:
        return Check(
            name,
            "warning",
            f"maxmemory-policy is {', '.join(evicting)}: Redis may evict counters",
            "`CONFIG SET maxmemory-policy noeviction`, and the same in redis.conf",
        )
    if None in policies:
        return Check(
            name,
            "unknown",
            "this user has no right to INFO or CONFIG GET",
            "make sure that maxmemory-policy is noeviction",
        )
    return Check(name, "ok", "maxmemory-policy is noeviction")


def _persistence(servers: Sequence[ServerFacts]) -> Check:
    name = "persistence"
    if any(server.aof_enabled is None for server in servers):
        return Check(
            name, "unknown", "this user has no right to INFO or CONFIG GET", "make sure that the append-only file is on"
        )
    if not all(server.aof_enabled for server in servers):
        detail = "the append-only file is off: events are lost when Redis restarts"
        return Check(name, "warning", detail, "`CONFIG SET appendonly yes`, and the same in redis.conf")
    if not all(server.aof_writable for server in servers):
        return Check(name, "warning", "Redis could not write the append-only file", CONDITIONS["MISCONF"].advice)
    return Check(name, "ok", "the append-only file is on")
