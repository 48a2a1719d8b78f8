"""Dead letters over HTTP: an organization sees its own, page by page, whatever else there is; and the replay of one."""

import json
from datetime import timedelta
from typing import Any

import pytest

from sidedata.events.dead_letter import parse
from sidedata.schema import keys
from sidedata.writes.dead_letters import replay
from sidedata.writes.tokens import create_token
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import PAGES, event, started, view
from tests.support.figures import NOON, starts
from tests.support.pipeline import Pipeline
from tests.support.redis.users import as_user

LETTERS = f"/api/ingest/v1/orgs/{ORG}/dead-letters/"


async def listed(pipe: Pipeline, query: str = "", token: str = "") -> tuple[list[dict[str, Any]], str]:
    """A page of the list, and its `Link`."""
    headers = {"Authorization": f"Token {token}"} if token else {}
    async with pipe.http.get(LETTERS + query, headers=headers) as response:
        assert response.status == 200, await response.text()
        return await response.json(), response.headers.get("Link", "")


def bad(number: int, organization: str = ORG) -> bytes:
    """An event that is refused for its timestamp."""
    return view("never", id=f"e-{number}", organization_id=organization)


async def test_an_organization_sees_its_own_letters(pipe: Pipeline) -> None:
    """Newest first, with organization, workflow and type as far as the bytes tell, and without the event."""
    cut = bad(1)[:-1]
    await pipe.apply(bad(0), cut, bad(2, OTHER_ORG), b"nothing")
    letters, link = await listed(pipe)
    assert link == ""
    assert [set(letter) for letter in letters] == [
        {"id", "at", "reason", "detail", "type", "workflow_id", "event_id"}
    ] * len(letters)
    figures = [(one["reason"], one["type"], one["workflow_id"], one["event_id"]) for one in letters]
    assert figures == [("invalid_json", "page_view", PAGES, None), ("invalid_event", "page_view", PAGES, "e-0")]


async def test_misdirected_letters_are_listed_too(pipe: Pipeline) -> None:
    """They are in the partition that the event was sent to."""
    home = pipe.partition(ORG)
    await pipe.push(started(NOON), partition=(home + 1) % 4)
    await pipe.push(bad(0))
    await pipe.drain()
    letters, _ = await listed(pipe)
    assert {letter["reason"] for letter in letters} == {"wrong_partition", "invalid_event"}
    assert [letter["at"] for letter in letters] == sorted((letter["at"] for letter in letters), reverse=True)


async def test_an_event_under_a_wrong_name_is_listed(pipe: Pipeline) -> None:
    """Of an entry with neither field, another one tells whose it is."""
    await pipe.apply({"payload": view(NOON), "from": b"a shop"})
    ((letter,), _) = await listed(pipe)
    assert (letter["reason"], letter["type"], letter["workflow_id"]) == ("invalid_event", "page_view", PAGES)


async def test_pages_lead_to_all_letters(pipe: Pipeline) -> None:
    """By `Link`, each letter once."""
    for first in range(0, 25, 5):
        await pipe.apply([bad(number) for number in range(first, first + 5)])
    found: list[str] = []
    query = "?limit=10"
    while query:
        letters, link = await listed(pipe, query)
        found += [letter["event_id"] for letter in letters]
        assert link == "" or link.endswith('>; rel="next"')
        query = "?" + link.partition("?")[2].partition(">")[0] if link else ""
    assert found == [f"e-{number}" for number in reversed(range(25))]


@pytest.mark.holds("2.2.8")
async def test_the_event_is_for_administrators(pipe: Pipeline) -> None:
    """Cut at 16 KiB, and bytes that are no UTF-8 are replaced."""
    token, _ = await create_token(as_user("operator", pipe.client), ORG, ["ingest", "admin"])
    long = view("never", extra="x" * 20_000)
    await pipe.apply(bad(0).replace(b"never", b"n\xffver"), long)
    large, broken = (await listed(pipe, token=token))[0]
    assert (len(large["event"]), large["truncated"]) == (16 * 1024, True)
    assert "n\ufffdver" in broken["event"]
    assert "truncated" not in broken


@pytest.mark.parametrize("query", ["?limit=0", "?limit=1001", "?limit=x", "?before=7", "?after=7"])
async def test_bad_pages_are_refused(pipe: Pipeline, query: str) -> None:
    """With the parameter's name."""
    async with pipe.http.get(LETTERS + query) as response:
        assert response.status == 400
        (error,) = (await response.json())["errors"]
        assert error["pointer"] == "/" + query[1:].partition("=")[0]


@pytest.mark.holds("2.2.7")
@pytest.mark.parametrize("event_id", ["a\u00a0b", "one\ntwo", "\0", "\u200d", "x" * 129, "\U0001f468\u200d\U0001f469"])
async def test_the_id_of_an_event_is_listed_as_it_is(pipe: Pipeline, event_id: str) -> None:
    """A producer finds its event again by any id; only half of a surrogate pair has no form in an answer."""
    await pipe.apply(view("never", id=event_id), view("never", id="@").replace(b"@", b"\\ud83d"))
    assert [letter["event_id"] for letter in (await listed(pipe))[0]] == [None, event_id]


async def test_a_letter_that_is_gone_is_listed_no_more(pipe: Pipeline) -> None:
    """A replay takes it out of the list, and keeps the time at which an event without a timestamp entered."""
    without = json.loads(event("page_view", NOON, workflow=PAGES))
    del without["timestamp"]
    moment = int((NOON + timedelta(minutes=7)).timestamp() * 1000)
    lost = json.dumps({**without, "type": "workflow_started"}).encode()
    await pipe.workflow(PAGES, "page_navigation")
    await pipe.push(lost, entry_id=f"{moment}-0")
    await pipe.drain()
    ((letter, _),) = [await listed(pipe)]
    space = keys.keyspace(pipe.partition(ORG))
    ((entry, fields),) = await pipe.client.xrange(space.dead)
    flat = [part for pair in fields.items() for part in pair]
    assert letter[0]["reason"] == "workflow_kind_mismatch"
    await pipe.client.delete(space.workflow(ORG, PAGES))
    await pipe.client.hincrby(space.cursor, "records", 1)
    assert await replay(as_user("operator", pipe.client), space, parse(f"{space.partition}/{entry.decode()}", flat))
    assert (await listed(pipe))[0] == []
    await pipe.drain()
    start = NOON + timedelta(minutes=5)
    interval = (start.isoformat(), (start + timedelta(minutes=5)).isoformat())
    assert await starts(pipe, PAGES, interval) == 1


@pytest.mark.parametrize(("ms", "kept"), [(253_402_300_799_999, 1), (253_402_300_800_000, 0), (2**64 - 1, 0)])
async def test_a_replay_survives_a_time_beyond_the_calendar(pipe: Pipeline, ms: int, kept: int) -> None:
    """An entry's id may lie behind the year 9999, which no timestamp can name: its event goes back without one."""
    without = json.loads(view(NOON))
    del without["timestamp"]
    await pipe.push(json.dumps(without).encode(), entry_id=f"{ms}-0")
    await pipe.drain()
    (letter,) = await pipe.letters()
    assert letter.reason == "in_future"
    space = keys.keyspace(pipe.partition(ORG))
    flat = [part for name, value in letter.fields.items() for part in (name.encode(), value)]
    assert await replay(as_user("operator", pipe.client), space, parse(f"{space.partition}/{letter.id}", flat))
    ((_, fields),) = await pipe.client.xrange(space.events)
    assert fields[b"event"].count(b"timestamp") == kept
