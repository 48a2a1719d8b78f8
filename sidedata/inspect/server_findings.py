"""The doctor's findings about Redis itself: version, persistence, eviction, memory, replicas, latency, clock."""

import time
from collections.abc import Sequence
from statistics import median
from typing import Final

from sidedata.conditions import condition_of
from sidedata.errors import SidedataError
from sidedata.inspect.finding import Finding
from sidedata.inspect.health import Check, Status, redis_checks
from sidedata.reads.servers import ServerFacts, read_servers, read_time_ms, round_trips
from sidedata.redis.gateway import Gateway

_OLDEST_VERSION: Final = (6, 2)  # of Redis; every version of Valkey is newer
_ROUND_TRIPS: Final = 20
_SLOW_SECONDS: Final = 0.02
_CLOCK_WARNING_SECONDS: Final = 1.0
_CLOCK_FAILED_SECONDS: Final = 30.0
_FULL: Final = 0.9


async def redis_findings(gateway: Gateway, wait_replicas: int, partitions: int) -> list[Finding]:
    """Examine Redis; where it can't be reached, the last finding says so and `reachable` is false."""
    findings = [_finding(check) for check in await redis_checks(gateway, partitions)]
    if not reachable(findings):
        return findings
    try:
        servers = await read_servers(gateway)
        return [
            *findings,
            _version(servers),
            _memory(servers),
            *_replicas(servers, wait_replicas),
            await _latency(gateway),
            await _clock(gateway),
        ]
    except SidedataError as error:
        return [*findings, Finding("redis", "failed", str(error), condition_of(error).advice)]


def _finding(check: Check) -> Finding:
    return Finding(check.name, check.status, check.detail, check.advice)


def _version(servers: Sequence[ServerFacts]) -> Finding:
    versions = {(server.product, server.version) for server in servers if server.version}
    if not all(server.version for server in servers):
        return Finding("version", "unknown", "no right to INFO", "make sure that Redis is 6.2 or newer, or a Valkey")
    products = ", ".join(f"{product} {version}" for product, version in sorted(versions))
    if any(tuple(map(int, version.split(".")[:2])) < _OLDEST_VERSION for _, version in versions):
        return Finding(
            "version",
            "failed",
            f"the server is {products}",
            "install Redis 6.2 or newer, or Valkey: older ones lack commands",
        )
    return Finding("version", "ok", f"the server is {products}")


def _memory(servers: Sequence[ServerFacts]) -> Finding:
    sizes = [server.used_memory for server in servers if server.used_memory is not None]
    if len(sizes) < len(servers):
        return Finding("memory", "unknown", "no right to INFO")
    shares = [size / server.maxmemory for size, server in zip(sizes, servers, strict=True) if server.maxmemory]
    detail = f"{sum(sizes) / 2**20:,.0f} MiB used{measured_by(servers)}"
    if shares and max(shares) > _FULL:
        return Finding(
            "memory",
            "warning",
            f"{detail}, {100 * max(shares):.0f} % of maxmemory",
            "raise maxmemory; `sidedata inspect --memory` shows the largest kinds of keys. A full Redis takes no events",
        )
    return Finding("memory", "ok", detail)


def measured_by(servers: Sequence[ServerFacts]) -> str:
    """The memory allocators whose sizes these are: the same keys take more or less with another one; "" if unknown."""
    allocators = sorted({server.allocator for server in servers if server.allocator})
    return f" (allocator: {', '.join(allocators)})" if allocators else ""


def _replicas(servers: Sequence[ServerFacts], required: int) -> list[Finding]:
    counts = [server.replicas for server in servers if server.replicas is not None]
    if not required or len(counts) < len(servers):
        return []
    detail = f"{min(counts)} replicas, {required} must have events before they are accepted"
    if min(counts) < required:
        return [
            Finding("replicas", "failed", detail, "start replicas, or lower SIDEDATA_WAIT_REPLICAS: ingest answers 503")
        ]
    return [Finding("replicas", "ok", detail)]


async def _latency(gateway: Gateway) -> Finding:
    seconds = await round_trips(gateway, _ROUND_TRIPS)
    detail = f"a round trip to Redis takes {1000 * median(seconds):.1f} ms, {1000 * max(seconds):.1f} ms at the worst"
    if median(seconds) > _SLOW_SECONDS:
        return Finding("latency", "warning", detail, "bring processes and Redis closer together; look at SLOWLOG GET")
    return Finding("latency", "ok", detail)


async def _clock(gateway: Gateway) -> Finding:
    before = time.time()
    redis_ms = await read_time_ms(gateway)
    after = time.time()
    # Redis read its clock at some instant between the two; a difference within that time can't be seen.
    seconds = max(0.0, before - redis_ms / 1000 - 0.001, redis_ms / 1000 - after)
    detail = f"this machine and Redis are {seconds:.1f} s apart"
    if seconds < _CLOCK_WARNING_SECONDS:
        return Finding("clock", "ok", detail)
    status: Status = "failed" if seconds >= _CLOCK_FAILED_SECONDS else "warning"
    return Finding("clock", status, detail, "run NTP (chrony, systemd-timesyncd) on both")


def reachable(findings: Sequence[Finding]) -> bool:
    """Tell if Redis answers, so that more can be examined."""
    return not any(finding.status == "failed" and finding.name in ("redis", "role", "loading") for finding in findings)
