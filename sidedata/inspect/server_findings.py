"""What the doctor finds of Redis itself: version, persistence, eviction, memory, latency, clock. And what a finding is."""

import time
from collections.abc import Sequence
from statistics import median
from typing import Any, Final

import msgspec

from sidedata.errors import SidedataError
from sidedata.inspect.health import Status, node_facts, redis_checks
from sidedata.redis.client import Client, server_ms
from sidedata.schema import keys

_OLDEST_VERSION: Final = (6, 2)
_PINGS: Final = 20
_SLOW_SECONDS: Final = 0.02
_CLOCK_WARNING_SECONDS: Final = 1.0
_CLOCK_FAILED_SECONDS: Final = 30.0
_FULL: Final = 0.9


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at; `advice` says what to do where something is wrong."""

    name: str
    status: Status
    detail: str
    advice: str = ""

    @property
    def problem(self) -> bool:
        """Whether somebody should do something."""
        return self.status in ("warning", "failed")


ADVICE: Final = {
    "redis": "start Redis, or correct SIDEDATA_REDIS_URL",
    "loading": "wait; a large append-only file takes minutes",
    "maxmemory-policy": "`CONFIG SET maxmemory-policy noeviction`, and the same in redis.conf",
    "persistence": "`CONFIG SET appendonly yes`, and the same in redis.conf; if it can't be written, look at the disk",
}


async def redis_findings(client: Client, wait_replicas: int) -> list[Finding]:
    """All about Redis; where it can't be reached, the last finding says so and `reachable` is false."""
    checks = await redis_checks(client)
    findings = [
        Finding(check.name, check.status, check.detail, "" if check.status == "ok" else ADVICE.get(check.name, ""))
        for check in checks
    ]
    if not reachable(findings):
        return findings
    try:
        facts = await node_facts(client)
        return [
            *findings,
            _version(facts),
            _memory(facts),
            *_replicas(facts, wait_replicas),
            await _latency(client),
            await _clock(client),
        ]
    except SidedataError as error:
        return [*findings, Finding("redis", "failed", str(error), ADVICE["redis"])]


def _version(facts: Sequence[Any]) -> Finding:
    told = {str(node.get("redis_version", "")) for node in facts}
    if "" in told:
        return Finding("version", "unknown", "INFO is forbidden", "make sure that Redis is 6.2 or newer")
    versions = ", ".join(sorted(told))
    old = any(tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_VERSION for version in told)
    if old:
        return Finding(
            "version", "failed", f"Redis is {versions}", "6.2 is the oldest that does; install that or a newer one"
        )
    return Finding("version", "ok", f"Redis is {versions}")


def _memory(facts: Sequence[Any]) -> Finding:
    shares = [node["used_memory"] / node["maxmemory"] for node in facts if node.get("maxmemory")]
    if not all("used_memory" in node for node in facts):
        return Finding("memory", "unknown", "INFO is forbidden")
    used = sum(node["used_memory"] for node in facts) / 2**20
    if shares and max(shares) > _FULL:
        return Finding(
            "memory",
            "warning",
            f"{used:,.0f} MiB used, {100 * max(shares):.0f} % of maxmemory",
            "raise maxmemory; `sidedata inspect --memory` says what takes it. When it is full no event is taken",
        )
    return Finding("memory", "ok", f"{used:,.0f} MiB used")


def _replicas(facts: Sequence[Any], wanted: int) -> list[Finding]:
    if not wanted or not all("connected_slaves" in node for node in facts):
        return []
    fewest = min(int(node["connected_slaves"]) for node in facts)
    detail = f"{fewest} replicas, {wanted} must have events before they are accepted"
    if fewest < wanted:
        return [
            Finding("replicas", "failed", detail, "start replicas, or lower SIDEDATA_WAIT_REPLICAS: ingest answers 503")
        ]
    return [Finding("replicas", "ok", detail)]


async def _latency(client: Client) -> Finding:
    took = []
    for _ in range(_PINGS):
        began = time.perf_counter()
        await server_ms(client, keys.WORKERS)
        took.append(time.perf_counter() - began)
    middle, worst = median(took), max(took)
    detail = f"{1000 * middle:.1f} ms to Redis and back, {1000 * worst:.1f} ms at the worst"
    if middle > _SLOW_SECONDS:
        return Finding("latency", "warning", detail, "bring processes and Redis closer together; look at SLOWLOG GET")
    return Finding("latency", "ok", detail)


async def _clock(client: Client) -> Finding:
    before = time.time()
    redis_ms = await server_ms(client, keys.WORKERS)
    after = time.time()
    # Somewhere between the two Redis looked at its clock; within that time there is no telling.
    apart = max(0.0, before - redis_ms / 1000 - 0.001, redis_ms / 1000 - after)
    detail = f"this machine and Redis are {apart:.1f} s apart"
    if apart < _CLOCK_WARNING_SECONDS:
        return Finding("clock", "ok", detail)
    status: Status = "failed" if apart >= _CLOCK_FAILED_SECONDS else "warning"
    return Finding("clock", status, detail, "run NTP (chrony, systemd-timesyncd) on both")


def reachable(findings: Sequence[Finding]) -> bool:
    """Whether Redis answers, so that there is more to look at."""
    return not any(finding.status == "failed" and finding.name in ("redis", "loading") for finding in findings)
