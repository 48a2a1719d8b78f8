"""Purges: nothing left of what was purged, nothing missing of the rest, whatever interrupts them or writes in the meantime."""

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from sidedata.ingest.ownership import lease
from sidedata.ingest.purge.purge import Purge, PurgeReport
from sidedata.ingest.worker.worker import Worker
from sidedata.reads.tokens import find_token, list_tokens
from sidedata.schema import keys
from sidedata.settings import Settings
from sidedata.writes.tokens import create_token, record_use
from tests.support.constants import ORG, OTHER_ORG, SECRET
from tests.support.events import (
    GOAL,
    PAGES,
    POPUP,
    POPUP_2,
    as_array,
    bought,
    event,
    interaction,
    reached,
    started,
    triggered,
    view,
)
from tests.support.pipeline import Pipeline, pipeline
from tests.support.processes.workers import KilledError
from tests.support.redis.client import Client
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user
from tests.support.waiting import eventually

# Ids that can be searched for.
VISITOR, SESSION = "visitor-of-the-purged", "session-of-the-purged"
NEIGHBOUR = "visitor-of-the-neighbour"


def purge(pipe: Pipeline, *, workflow: str | None = None, dry: bool = False, with_tokens: bool = False) -> Purge:
    """A purge of the one organization."""
    operator = as_user("operator", pipe.client)
    return Purge(operator, pipe.settings, pipe.installation, ORG, workflow, dry=dry, with_tokens=with_tokens)


def life(now: datetime, organization: str, visitor: str, session: str, workflow: str = POPUP) -> list[bytes]:
    """Events of all types and ages."""
    of: dict[str, Any] = {"organization_id": organization, "visitor": visitor, "session": session}
    raws: list[bytes] = []
    for age in (timedelta(minutes=6), timedelta(days=4), timedelta(days=100)):
        at = now - age
        raws += [view(at, **of), reached(at, **of), bought(at, "1.5", **of)]
        makers: list[Callable[..., bytes]] = [started, interaction, triggered]
        raws += [make(at, workflow=workflow, **of) for make in makers]
    return raws


def broken(now: datetime, organization: str, visitor: str) -> list[dict[str, bytes]]:
    """Entries that become dead letters, each of another kind and with the organization in another place."""
    good = view(now, visitor, visitor.replace("visitor", "session"), organization_id=organization)
    escaped = organization.replace("0", "\\u0030").encode()
    late = view(now - timedelta(days=900), visitor, organization_id=organization)
    return [
        {"event": late},
        {"event": good.replace(b'"page_view"', b'"page_viewed"')},
        {"event": late.replace(organization.encode(), escaped)},
        {"event": late.replace(organization.encode(), organization.upper().encode())},
        {"event": good[:-1]},
        {"event": b'{"wrapped": ' + good + b"}"},
        {"events": as_array([good] * 1001)},
        {"events": good},
        {"events": as_array([b"[" * 2000 + good + b"]" * 2000])},
        {"event": good, "events": as_array([good])},
        {"data": good},
    ]


async def everything(client: Client) -> dict[bytes, bytes]:
    """All keys with their values; cursors, which count what is done, and leases aside."""
    found: dict[bytes, bytes] = {}
    async for key in client.scan_iter(count=1000):
        if not key.endswith((b":cursor", b":lease")):
            # A hash's fields may change places in its dump without a write: Redis 7.4 makes tables smaller by and by.
            fields = sorted((await client.hgetall(key)).items()) if await client.type(key) == b"hash" else None
            found[key] = await client.dump(key) if fields is None else repr(fields).encode()
    return found


async def readable(client: Client) -> bytes:
    """All that Redis gives out, in one text."""
    found = b""
    async for key in client.scan_iter(count=1000):
        kind = await client.type(key)
        found += key + (repr(await client.xrange(key)).encode() if kind == b"stream" else await client.dump(key))
    return found


async def assert_nothing_left(server: RedisServer, client: Client, *traces: str) -> None:
    """Neither keys nor values nor the dump hold any of these, in any case."""
    await client.save()
    dump = (server.directory / "dump.rdb").read_bytes().lower()
    assert b"schema" in dump
    for trace in traces:
        assert trace.lower().encode() not in dump, trace


async def fill(pipe: Pipeline, now: datetime) -> int:
    """Two organizations with all that can be stored of them; the number of letters of the one."""
    stray = next(p for p in range(pipe.installation.partitions) if p != pipe.partition(ORG))
    await pipe.organization("Asia/Kathmandu")
    await pipe.workflow(POPUP, "interaction")
    for owner in (ORG, OTHER_ORG):
        await create_token(pipe.client, owner, ["reports"], name="of the two")
    mine, theirs = life(now, ORG, VISITOR, SESSION), life(now, OTHER_ORG, NEIGHBOUR, "s")
    bad, worse = broken(now, ORG, VISITOR), broken(now, OTHER_ORG, NEIGHBOUR)
    mixed = [raw for pair in zip(bad, worse, strict=True) for raw in pair]
    await pipe.push(*mine, mine, *mixed)
    await pipe.push(*theirs, *worse, organization=OTHER_ORG)
    await pipe.push(mine[0], [mine[0], theirs[0]], partition=stray)
    await pipe.drain()
    # Waiting: alone, among neighbours, in the wrong partition, in forms that only the worker would make letters of.
    await pipe.push(mine[0], [theirs[0], mine[0], b"[" * 2000 + b"]" * 2000], *mixed)
    await pipe.push(mine[0], [mine[0], theirs[0]], *bad, partition=stray)
    return len(bad) + 2


@pytest.fixture
def server(private_server: Callable[..., RedisServer]) -> RedisServer:
    """A server whose dump can be searched."""
    return private_server("--rdbcompression", "no")


async def state_of(pipe: Pipeline, organization: str, now: datetime) -> list[Any]:
    """All that is answered about an organization."""
    start, end = (now - timedelta(days=200)).isoformat(), (now + timedelta(hours=1)).isoformat()
    return [(await pipe.ask(workflow, start, end, organization)).text for workflow in (PAGES, POPUP)]


@pytest.mark.holds("8.18")
async def test_nothing_is_left(server: RedisServer) -> None:
    """No key, value, letter, waiting event or byte in a dump names the organization or its visitors; the others' all stay."""
    async with pipeline(server.url, partitions=4) as pipe:
        now = await pipe.now()
        letters = await fill(pipe, now)
        before = await state_of(pipe, OTHER_ORG, now)
        theirs = {key for key in await everything(pipe.client) if OTHER_ORG.encode() in key}
        assert (await state_of(pipe, ORG, now))[0].startswith('{"timeframe_stat"')
        purged = await purge(pipe, with_tokens=True).run()
        assert purged.dead_letters == letters
        assert purged.keys > 20
        assert ORG.encode() not in (await readable(pipe.client)).lower()
        # Redis only marks what is deleted of a stream; once its neighbours are applied the bytes are gone too.
        await pipe.drain()
        await assert_nothing_left(server, pipe.client, ORG, VISITOR, SESSION)
        assert theirs <= {key for key in await everything(pipe.client) if OTHER_ORG.encode() in key}
        assert await pipe.client.xlen(keys.keyspace(pipe.partition(OTHER_ORG)).dead) >= len(broken(now, OTHER_ORG, "x"))
        assert all("404" in text for text in await state_of(pipe, ORG, now))
        # PurgeReport events that were waiting beside them have changed nothing for the neighbours but being applied.
        assert [json.loads(text)["unique_visitors_count"] for text in await state_of(pipe, OTHER_ORG, now)] == [
            json.loads(text)["unique_visitors_count"] for text in before
        ]


@pytest.mark.holds("8.18")
async def test_all_can_begin_anew(server: RedisServer) -> None:
    """After a purge the zone is free, the same ids count again, and a workflow may be of another kind."""
    async with pipeline(server.url, partitions=2) as pipe:
        now = await pipe.now()
        first = [view(now, "v1", id="one"), view(now, "v2", id="two")]
        await pipe.apply(first)
        await purge(pipe).run()
        await pipe.organization("Asia/Tokyo")
        await pipe.workflow(PAGES, "page_navigation")
        await pipe.apply(first, first)
        figures = (await pipe.ask(PAGES, (now - timedelta(hours=1)).isoformat(), (now + timedelta(1)).isoformat())).json
        assert figures["unique_visitors_count"] == 2
        await purge(pipe).run()
        await pipe.apply(started(now, workflow=PAGES, id="one"))
        assert await pipe.letters() == []


@pytest.mark.parametrize(("workflow", "kept"), [(None, False), (None, True), (POPUP, False)])
async def test_the_organizations_tokens_go_when_asked(redis_url: str, workflow: str | None, kept: bool) -> None:  # noqa: FBT001 - a parameter
    """And no other: those of neighbours and of all stay, and so do all when a workflow goes or without `--tokens`."""
    async with pipeline(redis_url, partitions=2) as pipe:
        made = [await create_token(pipe.client, owner, ["reports"]) for owner in (ORG, ORG, OTHER_ORG, None)]
        for _, record in made:
            await record_use(pipe.client, record.id, 1_000.0)
        before = {record.id for _, record in made}
        for dry in (True, False):
            told = await Purge(
                pipe.client, pipe.settings, pipe.installation, ORG, workflow, dry=dry, with_tokens=not kept
            ).run()
            assert told.tokens == (0 if kept or workflow else 2)
        gone = set() if kept or workflow else {record.id for _, record in made[:2]}
        assert before - {record.id for record in await list_tokens(pipe.client)} == gone
        found = [await find_token(pipe.client, text) for text, _ in made]
        assert [record is None for record in found] == [record.id in gone for _, record in made]
        noted = {name.decode() for name in await pipe.client.hkeys(keys.TOKENS_USED)}
        assert noted == before - gone


@pytest.mark.parametrize("workflow", [None, POPUP])
async def test_a_dry_run_says_what_would_go_and_changes_nothing(server: RedisServer, workflow: str | None) -> None:
    """It counts as much as the purge itself then deletes."""
    async with pipeline(server.url, partitions=4) as pipe:
        await fill(pipe, await pipe.now())
        before = await everything(pipe.client)
        told = await purge(pipe, workflow=workflow, dry=True).run()
        assert await everything(pipe.client) == before
        assert await purge(pipe, workflow=workflow).run() == told
        assert await purge(pipe, workflow=workflow).run() == PurgeReport()


@pytest.mark.holds("8.18")
async def test_only_the_workflow_goes(server: RedisServer) -> None:
    """Its figures, interactions and letters; another workflow of the same visitors keeps every number."""
    async with pipeline(server.url, partitions=4) as pipe:
        now = await pipe.now()
        await pipe.apply(life(now, ORG, VISITOR, SESSION), life(now, ORG, VISITOR, SESSION, POPUP_2))
        await pipe.push(event("interaction", now, workflow=POPUP, timestamp="never"), b'{"workflow_id": "%s"' % b"x")
        await pipe.drain()
        start, end = (now - timedelta(days=200)).isoformat(), (now + timedelta(hours=1)).isoformat()
        before = [(await pipe.ask(workflow, start, end)).text for workflow in (PAGES, POPUP_2)]
        assert (await pipe.ask(POPUP, start, end)).json["affected_goals"][0]["uuid"] == GOAL
        await purge(pipe, workflow=POPUP).run()
        assert [(await pipe.ask(workflow, start, end)).text for workflow in (PAGES, POPUP_2)] == before
        assert (await pipe.ask(POPUP, start, end)).status == 404
        assert await pipe.reasons() == ["invalid_json"]
        await assert_nothing_left(server, pipe.client, POPUP)
        # What the visitor did with it is forgotten: a goal affects only the other one now.
        await pipe.apply(reached(now, visitor=VISITOR, id="later"))
        await assert_nothing_left(server, pipe.client, POPUP)


async def test_killed_anywhere_and_repeated(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A purge that dies before any of its steps, its lease never given back, is finished by the next one."""
    renew, release = lease.renew, lease.release
    step = 0
    while True:
        step += 1
        left = step

        async def dying(*arguments: Any) -> bool:  # noqa: ANN401 - those of `renew`
            nonlocal left
            left -= 1
            if left < 0:
                raise KilledError
            return await renew(*arguments)

        async def never(*_: object) -> None:
            return

        async with pipeline(redis_url, partitions=2) as pipe:
            await pipe.client.flushdb()
            for partition in range(2):
                await pipe.client.delete(keys.keyspace(partition).lease)
        async with pipeline(redis_url, partitions=2) as pipe:
            now = await pipe.now()
            await pipe.apply(life(now, ORG, VISITOR, SESSION), broken(now, ORG, VISITOR)[0])
            await pipe.push(*life(now, ORG, VISITOR, SESSION)[:3])
            monkeypatch.setattr(lease, "renew", dying)
            monkeypatch.setattr(lease, "release", never)
            with suppress(KilledError):
                await purge(pipe).run()
            monkeypatch.setattr(lease, "renew", renew)
            monkeypatch.setattr(lease, "release", release)
            await purge(pipe).run()
            left_over = [key for key, value in (await everything(pipe.client)).items() if ORG.encode() in key + value]
            assert left_over == []
            assert VISITOR.encode() not in b"".join((await everything(pipe.client)).values())
        if left > 0:  # it ended by itself
            assert step > 5
            return


async def test_while_traffic_flows(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """A worker runs, a neighbour in the same partition sends: it loses nothing, and the purged organization is gone.

    The worker's log tells of the purges, but warns of nothing.
    """
    caplog.set_level(logging.INFO, "sidedata")
    async with pipeline(server.url, partitions=1, lease_ms=1000) as pipe:
        now = await pipe.now()
        stop = asyncio.Event()
        settings = Settings(redis_url=server.url, secret=SECRET, partitions=1, lease_ms=1000)
        working = asyncio.create_task(Worker(as_user("worker", pipe.client), pipe.installation, settings).run(stop))
        sent = 0
        purges = 0

        async def sending() -> None:
            nonlocal sent
            while purges < 3:
                raws = [started(now, f"{NEIGHBOUR}-{sent + n}", organization_id=OTHER_ORG) for n in range(20)]
                await pipe.push([*raws, *life(now, ORG, VISITOR, SESSION)], *raws[:0])
                sent += 20
                await asyncio.sleep(0.005)

        traffic = asyncio.create_task(sending())
        while purges < 3:
            before = sent
            await eventually(lambda before=before: sent >= before + 200)  # type: ignore[misc]
            await purge(pipe).run()
            purges += 1
        await traffic
        await purge(pipe).run()
        await eventually(pipe.is_drained)
        stop.set()
        await working
        logged = [
            (record.levelno, record.getMessage()) for record in caplog.records if "partition" in record.getMessage()
        ]
        assert {level for level, _ in logged} == {logging.INFO}, logged
        assert any("a command took partition 0" in text for _, text in logged)
        day = timedelta(days=1)
        figures = (await pipe.ask(POPUP, (now - day).isoformat(), (now + day).isoformat(), OTHER_ORG)).json
        assert figures["started_workflows_count"] == sent
        await assert_nothing_left(server, pipe.client, ORG, VISITOR, SESSION)
