"""Purges: nothing left of what was purged, and nothing missing of the rest."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from sidedata.ingest.purge.purge import Purge, PurgeReport
from sidedata.reads.tokens import find_token, list_tokens
from sidedata.schema import keys
from sidedata.writes.tokens import create_token, record_use
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import (
    GOAL,
    PAGES,
    POPUP,
    POPUP_2,
    event,
    reached,
    started,
    view,
)
from tests.support.pipeline import Pipeline, pipeline
from tests.support.purges import (
    SESSION,
    VISITOR,
    assert_nothing_left,
    broken,
    everything,
    fill,
    life,
    purge,
    readable,
)
from tests.support.redis.servers import RedisServer


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
            report = await Purge(
                pipe.client, pipe.settings, pipe.installation, ORG, workflow, dry=dry, with_tokens=not kept
            ).run()
            assert report.tokens == (0 if kept or workflow else 2)
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
        dry_report = await purge(pipe, workflow=workflow, dry=True).run()
        assert await everything(pipe.client) == before
        assert await purge(pipe, workflow=workflow).run() == dry_report
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
