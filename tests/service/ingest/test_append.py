"""Putting events in the stream, and answering while Redis is full, frozen or gone; on real servers."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis.exceptions

from sidedata.errors import StoreUnavailableError
from sidedata.events.decode import MAX_ENTRY_EVENTS
from sidedata.schema import keys
from sidedata.schema.installation import Installation
from sidedata.schema.keys import keyspace
from sidedata.settings import Settings
from sidedata.writes.append import MAX_ENTRY_BYTES, BacklogFullError, append, pack
from sidedata.writes.tokens import create_token
from tests.support.constants import ORG, SECRET
from tests.support.processes.service import (
    EVENTS,
    INTERVAL,
    QUERY,
    SIDEDATA,
    WORKFLOW,
    WORKFLOWS,
    application,
    served,
    world,
)
from tests.support.redis.client import Client, connect
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user, login
from tests.support.waiting import TIME_FACTOR

STREAM = keys.keyspace(1).events
EVENT = {
    "type": "page_view",
    "workflow_id": WORKFLOW,
    "visitor_id": "v",
    "session_id": "s",
    "timestamp": "2026-11-23T22:00:00Z",
}


def test_entries_are_within_their_limits() -> None:
    """Neither too many events nor too many bytes, nothing lost and the order kept."""
    events = [b'{"n":%d,"x":"%s"}' % (number, b"x" * (number % 7 * 500)) for number in range(3_500)]
    entries = pack(events)
    assert all(len(entry) <= MAX_ENTRY_BYTES for entry in entries)
    assert all(len(json.loads(entry)) <= MAX_ENTRY_EVENTS for entry in entries)
    assert [event for entry in entries for event in json.loads(entry)] == [json.loads(event) for event in events]
    assert pack([]) == []


async def test_all_entries_go_in_together(client: Client) -> None:
    """A request of many entries is one write."""
    await append(as_user("service", client), keyspace(1), [b'{"n":%d}' % number for number in range(2_500)], 100)
    entries = await client.xrange(STREAM)
    assert [len(json.loads(fields[b"events"])) for _, fields in entries] == [1000, 1000, 500]


async def test_nothing_goes_in_above_the_limit(client: Client) -> None:
    """The limit is held against what is there, not against what comes."""
    await append(as_user("service", client), keyspace(1), [b"{}"] * 3_000, 2)
    with pytest.raises(BacklogFullError):
        await append(as_user("service", client), keyspace(1), [b"{}"], 2)
    assert await client.xlen(STREAM) == 3


async def test_concurrent_requests_never_pass_the_limit_together(client: Client) -> None:
    """Of fifty at once on a limit of four, exactly five get in: the fifth finds no more than four."""
    results = await asyncio.gather(
        *(append(as_user("service", client), keyspace(1), [b"{}"], 4) for _ in range(50)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 5
    assert await client.xlen(STREAM) == 5


@pytest.mark.holds("2.2.5")
async def test_a_full_redis_takes_nothing(client: Client, private_server: Callable[..., RedisServer]) -> None:
    """Out of memory means "again later", and no part of the batch is in the stream."""
    assert client
    full = connect(private_server("--maxmemory-policy", "noeviction").url, timeout=5)
    try:
        await full.xadd(STREAM, {"events": "[]"})
        await full.config_set("maxmemory", 1)
        with pytest.raises(StoreUnavailableError):
            await append(as_user("service", full), keyspace(1), [b"{}"] * 5_000, 100)
        await full.config_set("maxmemory", 0)
        assert await full.xlen(STREAM) == 1
        async with world(full) as ours:
            await full.config_set("maxmemory", 1)
            heard = await ours.ask("POST", EVENTS, json=[EVENT])
            assert (heard.status, heard.headers["Retry-After"]) == (503, "1")
    finally:
        await full.aclose()


@pytest.mark.alone
@pytest.mark.holds("6.9")
async def test_a_frozen_redis_is_answered_for_within_a_second(private_server: Callable[..., RedisServer]) -> None:
    """Connections stay open and nothing comes: every endpoint says 503 in time, and works again after."""
    server = private_server()
    settings = Settings(secret=SECRET)
    client = connect(server.url, timeout=0.8)
    try:
        token, _ = await create_token(client, ORG, ["reports", "ingest"])
        app = application(as_user("service", client), Installation(16), settings)
        async with served(app) as base, world() as ours:
            ours.base, ours.token = base, token
            asking: list[tuple[str, str, dict[str, Any]]] = [
                ("POST", SIDEDATA, {"json": INTERVAL}),
                ("GET", f"{SIDEDATA}?{QUERY}", {}),
                ("GET", f"{SIDEDATA}/live?{QUERY}", {}),
                ("GET", WORKFLOWS, {}),
                ("POST", EVENTS, {"json": [EVENT]}),
                ("GET", "/readyz", {}),
            ]
            assert (await ours.ask("GET", WORKFLOWS)).status == 200  # the token is remembered, connections are open
            for _ in range(2):  # with the token remembered, and without
                server.freeze()
                try:
                    for method, path, arguments in asking:
                        began = time.monotonic()
                        heard = await ours.ask(method, path, **arguments)
                        assert heard.status == 503, path
                        assert time.monotonic() - began < 1.0 * TIME_FACTOR, path
                finally:
                    server.thaw()
            assert (await ours.ask("POST", EVENTS, json=[EVENT])).status == 202
    finally:
        await client.aclose()


@pytest.mark.holds("6.9")
async def test_a_redis_that_is_gone_is_answered_for_at_once(private_server: Callable[..., RedisServer]) -> None:
    """A closed port: 503, not a bug; /livez stays well."""
    server = private_server()
    client = connect(server.url, timeout=0.8)
    try:
        async with world(client) as ours:
            assert (await ours.ask("GET", WORKFLOWS)).status == 200
            server.kill()
            assert (await ours.ask("GET", WORKFLOWS)).status == 503
            assert (await ours.ask("POST", EVENTS, json=[EVENT])).status == 503
            assert (await ours.ask("GET", "/readyz")).status == 503
            assert (await ours.ask("GET", "/livez")).status == 200
    finally:
        await client.aclose()


@pytest.mark.holds("5.9")
async def test_readiness_says_when_redis_may_evict(private_server: Callable[..., RedisServer]) -> None:
    """A policy other than noeviction is named, and so is an append-only file that is off."""
    client = connect(private_server("--maxmemory-policy", "allkeys-lru", "--appendonly", "no").url, timeout=0.8)
    try:
        async with world(client) as ours:
            evicting = await ours.ask("GET", "/readyz", token=None)
            await client.config_set("maxmemory-policy", "noeviction")
            ready = await ours.ask("GET", "/readyz", token=None)
            await client.config_set("appendonly", "yes")
            well = await ours.ask("GET", "/readyz", token=None)
    finally:
        await client.aclose()
    assert evicting.status == 200
    warnings = " ".join(json.loads(evicting.body)["warnings"])
    assert "allkeys-lru" in warnings
    assert "noeviction" in warnings
    assert (ready.status, well.status) == (200, 200)
    assert "append-only" in json.loads(ready.body)["warnings"][0]
    assert json.loads(well.body)["warnings"] == []


async def test_what_may_not_be_asked_is_unknown(client: Client, redis_url: str) -> None:
    """An account without INFO and CONFIG is no reason not to be ready."""
    try:
        await client.execute_command("ACL", "SETUSER", "plain", "on", ">word", "~*", "+@all", "-info", "-config")
    except redis.exceptions.ResponseError:
        pytest.skip("this server has no ACL")
    plain = connect(login(redis_url, "plain", "word"), timeout=0.8)
    try:
        async with world(plain) as ours:
            heard = await ours.ask("GET", "/readyz", token=None)
    finally:
        await plain.aclose()
        await client.execute_command("ACL", "DELUSER", "plain")
    states = {check["name"]: check["status"] for check in json.loads(heard.body)["checks"]}
    assert heard.status == 200
    assert states == {
        "redis": "ok",
        "loading": "unknown",
        "maxmemory-policy": "unknown",
        "persistence": "unknown",
        "role": "unknown",
        "writes": "ok",
        "installation": "ok",
        "rights": "ok",
        "lag": "ok",
        "zone data": "ok",
    }
