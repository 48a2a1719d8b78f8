"""Live streams: what is sent, how often, at what cost, and how they end."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from sidedata.errors import StoreUnavailableError
from sidedata.service.api import live as live_api
from sidedata.service.api.live_hub import HUB
from sidedata.service.report.reports import IntervalError
from sidedata.writes.tokens import create_token, revoke_token
from tests.support.constants import ORG
from tests.support.processes.service import EFFECTIVE, NOW, QUERY, SIDEDATA, World, canned, world
from tests.support.waiting import TIME_FACTOR, eventually

LIVE = f"{SIDEDATA}/live"


class Stream:
    """A client's end of a stream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def block(self) -> list[str]:
        """The lines up to the next blank one; none at the end."""
        lines: list[str] = []
        async with asyncio.timeout(5):
            while line := (await self.response.content.readline()).decode().rstrip("\n"):
                lines.append(line)
        return lines

    async def event(self) -> tuple[str, object]:
        """The next event's name and data, comments passed over."""
        while True:
            lines = await self.block()
            fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
            if fields or not lines:
                return fields.get("event", ""), json.loads(fields.get("data", "null"))


@asynccontextmanager
async def listening(ours: World, query: str = QUERY, token: str = "") -> AsyncIterator[Stream]:
    """An open stream."""
    headers = {"Authorization": f"Token {token or ours.token}"}
    async with ours.http.get(f"{ours.base}{LIVE}?{query}", headers=headers) as response:
        assert response.status == 200
        yield Stream(response)


def sidedata(count: int) -> tuple[str, object]:
    """The event of a canned answer."""
    return "sidedata", {"unique_visitors_count": count}


@pytest.mark.holds("3.1.2")
async def test_an_answer_at_once_and_then_each_change() -> None:
    """The first event comes without a change, others only with one; the effective interval is the event's id."""
    async with world() as ours, listening(ours) as stream:
        assert stream.response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert stream.response.headers["Sidedata-Effective-Interval"] == EFFECTIVE
        assert await stream.block() == ["event: sidedata", f"id: {EFFECTIVE}", 'data: {"unique_visitors_count":1}']
        ours.reports.say = canned(2)
        assert await stream.event() == sidedata(2)
        polls = len(ours.reports.asked)
        await eventually(lambda: len(ours.reports.asked) >= polls + 3)
        ours.reports.say = canned(3)
        assert await stream.event() == sidedata(3)


@pytest.mark.alone
@pytest.mark.holds("3.1.2")
async def test_at_most_one_event_a_second_and_the_newest() -> None:
    """An answer that changes all the time is sent once a second, as it is then."""
    loop = asyncio.get_running_loop()
    async with world() as ours, listening(ours) as stream:
        await stream.event()
        began, times = loop.time(), []
        changing = asyncio.create_task(_count_up(ours))
        try:
            for _ in range(2):
                name, _ = await stream.event()
                assert name == "sidedata"
                times.append(loop.time())
        finally:
            changing.cancel()
        assert times[0] - began < 1.3 * TIME_FACTOR
        assert 0.95 < times[1] - times[0] < 1.3 * TIME_FACTOR


async def _count_up(ours: World) -> None:
    count = 1
    while True:
        count += 1
        ours.reports.say = canned(count)
        await asyncio.sleep(0.01)


@pytest.mark.alone
@pytest.mark.holds("3.1.5")
async def test_a_change_shows_within_the_limit_whenever_it_comes() -> None:
    """A change just after an event waits for the pause, a later one for the next poll; both are sent in time."""
    loop = asyncio.get_running_loop()
    async with world() as ours, listening(ours) as stream:
        await stream.event()
        ours.reports.say = canned(2)
        changed = loop.time()
        assert await stream.event() == sidedata(2)
        assert loop.time() - changed < 1.3


@pytest.mark.holds("3.1.3")
async def test_a_hundred_listeners_cost_what_one_does() -> None:
    """One task polls for all who watch the same."""
    async with world() as ours:
        headers = {"Authorization": f"Token {ours.token}"}
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers=headers) as http:
            streams = [Stream(await http.get(f"{ours.base}{LIVE}?{QUERY}")) for _ in range(100)]
            for stream in streams:
                assert await stream.event() == sidedata(1)
            assert len(ours.reports.asked) < 12
            ours.reports.say = canned(2)
            for stream in streams:
                assert await stream.event() == sidedata(2)
            assert len(ours.reports.asked) < 20
            for stream in streams:
                stream.response.close()


@pytest.mark.holds("3.1.2")
async def test_a_window_ends_now() -> None:
    """The interval moves with the clock."""
    async with world() as ours, listening(ours, "window=PT1H") as stream:
        await stream.event()
        ours.clock.set(NOW + 60)
        await eventually(lambda: ours.reports.asked[-1][3] != ours.reports.asked[0][3])
        now = datetime.fromtimestamp(NOW, UTC)
        assert ours.reports.asked[0][2:] == (now - timedelta(hours=1), now)
        assert ours.reports.asked[-1][2:] == (now - timedelta(minutes=59), now + timedelta(minutes=1))


@pytest.mark.holds("3.1.2")
async def test_a_comment_shows_that_the_stream_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment is sent every 15 seconds without a change, here every tenth of a second."""
    monkeypatch.setattr(live_api, "COMMENT_SECONDS", 0.1)
    async with world() as ours, listening(ours) as stream:
        await stream.event()
        assert await stream.block() == [": alive"]
        assert await stream.block() == [": alive"]


async def test_a_stream_outlives_an_outage() -> None:
    """While Redis is away there are comments; then it goes on."""
    async with world() as ours, listening(ours) as stream:
        await stream.event()
        ours.reports.say = StoreUnavailableError("gone")
        assert await stream.block() == [": Redis is out of reach"]
        refused = await ours.ask("GET", f"{LIVE}?{QUERY}")
        assert refused.status == 503
        ours.reports.say = canned(2)
        assert await stream.block() == [": Redis is back"]
        assert await stream.event() == sidedata(2)


@pytest.mark.holds("7.3")
async def test_a_revoked_token_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream says why and is over."""
    monkeypatch.setattr(live_api, "TOKEN_SECONDS", 0.05)
    async with world() as ours:
        token, record = await create_token(ours.client, ORG, ["reports"])
        async with listening(ours, token=token) as stream:
            await stream.event()
            await revoke_token(ours.client, record.id)
            ours.clock.set(NOW + 2)
            name, data = await stream.event()
            assert (name, isinstance(data, dict) and data["status"]) == ("problem", 401)
            assert await stream.block() == []


async def test_an_interval_that_went_out_of_reach_ends_the_stream() -> None:
    """The event that ends the stream names the problem of all later polls."""
    async with world() as ours, listening(ours) as stream:
        await stream.event()
        ours.reports.say = IntervalError("/interval", "before all that is kept")
        name, data = await stream.event()
        assert (name, isinstance(data, dict) and data["status"]) == ("problem", 400)
        assert await stream.block() == []


@pytest.mark.alone
async def test_streams_end_when_the_service_does() -> None:
    """Shutdown doesn't wait for anybody who only listens."""
    loop = asyncio.get_running_loop()
    async with world() as ours, listening(ours) as stream:
        await stream.event()
        began = loop.time()
        await ours.app.shutdown()
        assert await stream.block() == []
        assert loop.time() - began < 0.5 * TIME_FACTOR
        assert (await ours.ask("GET", f"{LIVE}?{QUERY}")).status == 503


async def test_nothing_is_left_when_all_have_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last listener's going ends the task that polled."""
    monkeypatch.setattr(live_api, "TOKEN_SECONDS", 0.05)
    async with world() as ours:
        async with listening(ours) as stream:
            await stream.event()
            stream.response.close()
        await eventually(lambda: not ours.app[HUB]._channels)


async def test_a_bug_in_a_poll_ends_the_stream_and_no_other_request() -> None:
    """Listeners get the error; a new one starts from nothing."""
    async with world() as ours, listening(ours) as stream:
        await stream.event()
        ours.reports.say = ZeroDivisionError("a bug")
        name, data = await stream.event()
        assert (name, isinstance(data, dict) and data["status"]) == ("problem", 500)
        ours.reports.say = canned(2)
        async with listening(ours) as another:
            assert await another.event() == sidedata(2)
