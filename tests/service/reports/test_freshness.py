"""Sidedata-As-Of: the time by which everything that had entered the stream is in the numbers."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from urllib.parse import urlencode

import aiohttp
import pytest
import redis.exceptions

from sidedata.errors import StoreUnavailableError
from sidedata.service.api import live, live_hub
from sidedata.service.freshness import freshness
from tests.support.constants import ORG
from tests.support.events import PAGES, view
from tests.support.pipeline import Pipeline, pipeline
from tests.support.processes.service import QUERY, SIDEDATA, world
from tests.support.redis.client import Client, connect
from tests.support.redis.users import login
from tests.support.waiting import eventually

AS_OF = "Sidedata-As-Of"
PATH = f"/api/reporting/workflow/v1/orgs/{ORG}/workflows/{PAGES}/sidedata"


def instant(text: str) -> datetime:
    """A time in the form of the contract: RFC 3339, UTC, milliseconds."""
    assert len(text) == len("2026-11-01T11:59:59.417Z")
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


async def headers_of(pipe: Pipeline, **headers: str) -> tuple[int, Mapping[str, str]]:
    """Status and headers of a GET of an hour around now."""
    async with pipe.http.get(f"{PATH}?{await hour(pipe)}", headers=headers) as response:
        return response.status, response.headers.copy()


async def hour(pipe: Pipeline) -> str:
    """The query of two hours around now."""
    now = await pipe.now()
    start = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    return urlencode({"start": start.isoformat(), "end": (start + timedelta(hours=3)).isoformat()})


@pytest.fixture
def unshared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer has a measurement of its own."""
    monkeypatch.setattr(freshness, "_SHARED_SECONDS", 0.0)


@pytest.mark.holds("3.0.10")
@pytest.mark.usefixtures("unshared")
async def test_without_a_backlog_it_is_the_present(redis_url: str) -> None:
    """By Redis's clock, with 200 and with 304, by GET and by POST."""
    async with pipeline(redis_url, partitions=4) as pipe:
        await pipe.workflow(PAGES, "page_navigation")
        before = await pipe.now()
        status, first = await headers_of(pipe)
        assert status == 200
        status, again = await headers_of(pipe, **{"If-None-Match": first["ETag"]})
        assert status == 304
        interval = {"start": before.isoformat(), "end": (before + timedelta(hours=1)).isoformat()}
        async with pipe.http.post(PATH, json={"interval": interval}) as response:
            posted = response.headers[AS_OF]
        after = await pipe.now()
    for text in (first[AS_OF], again[AS_OF], posted):
        assert before - timedelta(milliseconds=1) <= instant(text) <= after


@pytest.mark.holds("3.0.10")
@pytest.mark.usefixtures("unshared")
async def test_it_stops_just_before_the_oldest_entry_that_waits(redis_url: str) -> None:
    """However many entries came later; once they are applied it is the present again."""
    async with pipeline(redis_url, partitions=4) as pipe:
        await pipe.workflow(PAGES, "page_navigation")
        [oldest, *_] = await pipe.push(view(await pipe.now(), "v1"), view(await pipe.now(), "v2"))
        _, headers = await headers_of(pipe)
        waiting = instant(headers[AS_OF])
        assert waiting.timestamp() * 1000 == pytest.approx(int(oldest.partition("-")[0]) - 1)
        await pipe.drain()
        before = await pipe.now()
        _, headers = await headers_of(pipe)
        assert instant(headers[AS_OF]) >= before - timedelta(milliseconds=1)


@pytest.mark.holds("3.0.10")
async def test_answers_share_a_measurement(redis_url: str) -> None:
    """Many answers at once cost one look at the stream, and all carry the same time."""
    async with pipeline(redis_url, partitions=4) as pipe:
        await pipe.workflow(PAGES, "page_navigation")
        await headers_of(pipe)
        answers = await asyncio.gather(*(headers_of(pipe) for _ in range(20)))
        assert len({headers[AS_OF] for _, headers in answers}) <= 3


async def test_a_service_without_the_right_leaves_the_header_out(client: Client, redis_url: str) -> None:
    """Reports are answered all the same; /readyz names the rules to load."""
    try:
        await client.execute_command("ACL", "SETUSER", "older", "on", ">word", "~*", "+@all", "-xrange")
    except redis.exceptions.ResponseError:
        pytest.skip("this server has no ACL")
    older = connect(login(redis_url, "older", "word"), timeout=0.8)
    try:
        async with world(older) as ours:
            heard = await ours.ask("GET", f"{SIDEDATA}?{QUERY}")
            await client.xadd("sd:{0}:events", {"event": "{}"})
            ready = await ours.ask("GET", "/readyz", token=None)
    finally:
        await older.aclose()
        await client.execute_command("ACL", "DELUSER", "older")
    assert heard.status == 200
    assert AS_OF not in heard.headers
    assert ready.status == 200
    [warning] = [text for text in json.loads(ready.body)["warnings"] if "lacks XRANGE" in text]
    assert "users.acl" in warning


async def test_a_lag_is_a_warning_and_a_metric(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as an entry has waited for longer than the limit; reports are answered, so the service is ready."""
    monkeypatch.setattr("sidedata.service.api.health.BEHIND_SECONDS", -1.0)
    async with pipeline(redis_url, partitions=4) as pipe:
        await pipe.push(view(await pipe.now()))
        async with pipe.http.get("/readyz") as response:
            assert response.status == 200
            answer = await response.json()
        async with pipe.http.get("/metrics") as response:
            metrics = await response.text()
    assert [check["status"] for check in answer["checks"] if check["name"] == "lag"] == ["warning"]
    assert any("workers lag" in warning for warning in answer["warnings"])
    [line] = [line for line in metrics.splitlines() if line.startswith("sidedata_report_behind_seconds ")]
    assert float(line.split()[1]) > 0


# --- live streams -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def statuses(pipe: Pipeline) -> AsyncIterator[tuple[aiohttp.ClientResponse, asyncio.Queue[datetime]]]:
    """An open stream, and the times of its status events as they come."""
    heard: asyncio.Queue[datetime] = asyncio.Queue()

    async def listen(response: aiohttp.ClientResponse) -> None:
        name = ""
        async for raw in response.content:
            line = raw.decode().strip()
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: ") and name == "status":
                heard.put_nowait(instant(json.loads(line.removeprefix("data: "))["as_of"]))

    async with pipe.http.get(f"{PATH}/live?{await hour(pipe)}") as response:
        assert response.status == 200
        listening = asyncio.create_task(listen(response))
        try:
            yield response, heard
        finally:
            listening.cancel()


async def following(heard: asyncio.Queue[datetime]) -> datetime:
    """The next status."""
    async with asyncio.timeout(5):
        return await heard.get()


@pytest.mark.holds("3.1.7", "3.0.10")
async def test_a_stream_tells_the_time_regularly(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its head, and in events `status` that move on while nothing changes."""
    monkeypatch.setattr(live, "STATUS_SECONDS", 0.6)
    async with pipeline(redis_url, partitions=4) as pipe:
        await pipe.workflow(PAGES, "page_navigation")
        async with statuses(pipe) as (response, heard):
            first, second = await following(heard), await following(heard)
            assert instant(response.headers[AS_OF]) <= first < second


@pytest.mark.holds("3.1.7")
async def test_a_stream_tells_at_once_when_numbers_fall_behind_and_catch_up(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before the next regular status."""
    monkeypatch.setattr(live, "STATUS_SECONDS", 600)
    monkeypatch.setattr(live_hub, "BEHIND_SECONDS", 0.6)
    async with pipeline(redis_url, partitions=4) as pipe:
        await pipe.workflow(PAGES, "page_navigation")
        async with statuses(pipe) as (_, heard):
            await pipe.push(view(await pipe.now(), "v1"))
            pushed = await pipe.now()
            assert await following(heard) <= pushed
            await pipe.drain()
            drained = await pipe.now()
            assert await following(heard) >= drained - timedelta(milliseconds=300)


@pytest.mark.holds("3.1.7")
async def test_while_redis_is_away_a_stream_tells_the_last_known_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Again and again, and the stream goes on."""
    monkeypatch.setattr(live, "STATUS_SECONDS", 0.2)
    known = freshness.AsOf("2026-11-01T11:59:59.417Z", 0.0, 0.0)

    async def measure(_self: object, _space: object) -> freshness.AsOf:
        return known

    monkeypatch.setattr(freshness.Freshness, "measure", measure)
    async with world() as ours:
        headers = {"Authorization": f"Token {ours.token}"}
        async with ours.http.get(f"{ours.base}{SIDEDATA}/live?{QUERY}", headers=headers) as response:
            ours.reports.say = StoreUnavailableError("gone")
            await eventually(lambda: len(ours.reports.asked) > 3)
            lines: list[str] = []
            async with asyncio.timeout(5):
                while ": Redis is out of reach" not in lines:
                    lines.append((await response.content.readline()).decode().strip())
                while lines[-1] != 'data: {"as_of":"2026-11-01T11:59:59.417Z"}':
                    lines.append((await response.content.readline()).decode().strip())
