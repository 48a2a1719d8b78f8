"""Whether Redis is fit to be relied on: one named check for each thing that can be wrong with it.

A service account may be forbidden to ask (`INFO` and `CONFIG` are rights of their own); what can't be asked is
"unknown", which keeps nobody from being ready.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import redis.exceptions as faults
from msgspec import Struct
from redis.asyncio.cluster import RedisCluster

from sidedata.errors import SidedataError, StoreUnavailableError
from sidedata.redis.client import Client, translated

Status = Literal["ok", "warning", "failed", "unknown"]

# Under the second within which every answer is due, whatever Redis does.
CHECK_SECONDS = 0.9


class Check(Struct, frozen=True):
    """One thing that was looked at; only `failed` makes a process not ready."""

    name: str
    status: Status
    detail: str


def ready(checks: Sequence[Check]) -> bool:
    """Whether none of the checks failed."""
    return all(check.status != "failed" for check in checks)


async def redis_checks(client: Client) -> list[Check]:
    """Look at Redis: reached, loaded, and (as warnings) not evicting and keeping what it is given."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            with translated():
                await _ping(client)
            nodes = await node_facts(client)
    except TimeoutError:
        return [Check("redis", "failed", "Redis did not answer in time")]
    except StoreUnavailableError as error:
        # A server that loads its data answers, but with an error.
        loading = "LOADING" in str(error) or "loading" in str(error)
        return [Check("loading" if loading else "redis", "failed", str(error))]
    except SidedataError as error:
        return [Check("redis", "failed", str(error))]
    return [
        Check("redis", "ok", "Redis answers"),
        _loading(nodes),
        _eviction(nodes),
        _persistence(nodes),
    ]


async def _ping(client: Client) -> None:
    if isinstance(client, RedisCluster):
        await client.ping(target_nodes=RedisCluster.PRIMARIES)
    else:
        await client.ping()


async def node_facts(client: Client) -> list[Mapping[str, Any]]:
    """What each primary says of itself; an empty mapping where it may not be asked."""
    with translated():
        try:
            if isinstance(client, RedisCluster):
                told = await client.info(target_nodes=RedisCluster.PRIMARIES)
                # One primary: its facts; several: facts by node.
                return list(told.values()) if all(isinstance(facts, Mapping) for facts in told.values()) else [told]
            return [await client.info()]
        except faults.ResponseError:  # includes NoPermissionError and a server without INFO
            return [await _configured(client)]


async def _configured(client: Client) -> Mapping[str, Any]:
    """The same facts from the configuration, for accounts that may read that."""
    if isinstance(client, RedisCluster):
        return {}
    try:
        told = await client.config_get("maxmemory-policy", "appendonly")
    except faults.ResponseError:
        return {}
    facts: dict[str, Any] = {}
    if "maxmemory-policy" in told:
        facts["maxmemory_policy"] = told["maxmemory-policy"]
    if "appendonly" in told:
        facts["aof_enabled"] = int(told["appendonly"] == "yes")
    return facts


def _loading(nodes: Sequence[Mapping[str, Any]]) -> Check:
    if any(facts.get("loading") or facts.get("async_loading") for facts in nodes):
        return Check("loading", "failed", "Redis is still loading its data")
    if any("loading" not in facts for facts in nodes):
        return Check("loading", "unknown", "Redis may not be asked (INFO is forbidden), but it answers")
    return Check("loading", "ok", "Redis has loaded its data")


def _eviction(nodes: Sequence[Mapping[str, Any]]) -> Check:
    name = "maxmemory-policy"
    policies = {str(facts.get("maxmemory_policy", "")) for facts in nodes}
    evicting = sorted(policies - {"", "noeviction"})
    if evicting:
        return Check(
            name,
            "warning",
            f"maxmemory-policy is {', '.join(evicting)}: Redis may evict counters; set it to noeviction",
        )
    if "" in policies:
        return Check(
            name, "unknown", "neither INFO nor CONFIG GET is allowed; make sure that maxmemory-policy is noeviction"
        )
    return Check(name, "ok", "maxmemory-policy is noeviction")


def _persistence(nodes: Sequence[Mapping[str, Any]]) -> Check:
    name = "persistence"
    if any("aof_enabled" not in facts for facts in nodes):
        return Check(
            name, "unknown", "neither INFO nor CONFIG GET is allowed; make sure that the append-only file is on"
        )
    if not all(int(facts["aof_enabled"]) for facts in nodes):
        return Check(name, "warning", "the append-only file is off: events are lost when Redis restarts")
    if any(facts.get("aof_last_write_status", "ok") != "ok" for facts in nodes):
        return Check(name, "warning", "the append-only file could not be written")
    return Check(name, "ok", "the append-only file is on")
