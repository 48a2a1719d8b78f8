"""A Redis that freezes or dies under two hundred clients: answers in time, recovery, nothing left over."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from sidedata.service.http.state import BACKEND
from sidedata.settings import Settings
from sidedata.writes.installation import open_installation
from sidedata.writes.tokens import create_token
from tests.support.constants import ORG, SECRET
from tests.support.processes.service import EVENTS, INTERVAL, SIDEDATA, WORKFLOW, WORKFLOWS, application, served
from tests.support.processes.serving import address, serving
from tests.support.redis.client import connect
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user
from tests.support.waiting import TIME_FACTOR, eventually


class ClientCrowd:
    """Two hundred clients that ask at once: reports, lists of workflows and events in turn."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        day = time.strftime("%Y-%m-%d", time.gmtime())
        self._paths = [f"{SIDEDATA}?start={day}&end={day}T23:59", WORKFLOWS]
        event = {"type": "page_view", "workflow_id": WORKFLOW, "visitor_id": "v", "session_id": "s"}
        self._events = [{**event, "timestamp": f"{day}T00:00:00Z"}]

    async def ask(self, number: int) -> tuple[int, float]:
        """The status that a client gets, and after how long."""
        start = time.monotonic()
        arguments: dict[str, Any] = {"json": self._events} if number % 3 == 2 else {}
        method = "POST" if arguments else "GET"
        path = EVENTS if number % 3 == 2 else self._paths[number % 3]
        async with self._http.request(method, path, **arguments) as heard:
            await heard.read()
            return heard.status, time.monotonic() - start

    async def ask_all(self) -> list[tuple[int, float]]:
        """The responses to all of them."""
        return await asyncio.gather(*map(self.ask, range(200)))

    async def recovers(self, seconds: float) -> None:
        """Ask until a report is answered again, within the time; then all of them are answered."""
        start = time.monotonic()
        while True:
            async with self._http.post(SIDEDATA, json=INTERVAL) as heard:
                if heard.status == 404:
                    break
            assert time.monotonic() - start < seconds
            await asyncio.sleep(0.02)
        assert {status for status, _ in await self.ask_all()} <= {200, 202, 404}


@pytest.mark.alone
@pytest.mark.holds("6.9")
@pytest.mark.parametrize("how", ["frozen", "killed"])
async def test_a_redis_that_freezes_or_dies_is_answered_for_within_a_second(
    private_server: Callable[..., RedisServer], how: str
) -> None:
    """Two hundred clients of a service process get a 503 within a second each, and answers again within five."""
    server = private_server("--appendonly", "yes")
    client = connect(server.url, timeout=5)
    token, _ = await create_token(client, ORG, ["reports", "ingest"])
    await client.aclose()
    headers, links = {"Authorization": f"Token {token}"}, aiohttp.TCPConnector(limit=0)
    async with (
        # Nothing reads the log meanwhile: its lines of six hundred requests are more than a pipe holds.
        serving(server.url, SIDEDATA_LOG_LEVEL="WARNING") as process,
        aiohttp.ClientSession(await address(process), headers=headers, connector=links) as http,
    ):
        crowd = ClientCrowd(http)
        assert {status for status, _ in await crowd.ask_all()} <= {200, 202, 404}
        server.freeze() if how == "frozen" else server.kill()
        for _ in range(2):
            for status, seconds in await crowd.ask_all():
                assert status == 503
                assert seconds < 1 * TIME_FACTOR
        server.thaw() if how == "frozen" else server.start()
        await crowd.recovers(5 * TIME_FACTOR)


@pytest.mark.alone
@pytest.mark.parametrize("how", ["frozen", "killed"])
async def test_a_redis_that_freezes_or_dies_leaves_nothing_behind(
    private_server: Callable[..., RedisServer], how: str
) -> None:
    """Though two hundred clients wait for it at once, no task, no connection and no place is taken afterwards."""
    server = private_server("--appendonly", "yes")
    client = connect(server.url, timeout=0.8)
    settings = Settings(redis_url=server.url, secret=SECRET)
    installation = await open_installation(client, settings)
    token, _ = await create_token(client, ORG, ["reports", "ingest"])
    app = application(as_user("service", client), installation, settings)
    headers, links = {"Authorization": f"Token {token}"}, aiohttp.TCPConnector(limit=0)
    async with served(app) as base, aiohttp.ClientSession(base, headers=headers, connector=links) as http:
        crowd = ClientCrowd(http)
        assert {status for status, _ in await crowd.ask_all()} <= {200, 202, 404}
        tasks = len(asyncio.all_tasks())
        server.freeze() if how == "frozen" else server.kill()
        for _ in range(2):
            # How soon is looked at elsewhere: here clients and service share one loop, and so each other's time.
            assert {status for status, _ in await crowd.ask_all()} == {503}
        alone = await crowd.ask(0)
        assert alone[0] == 503
        assert alone[1] < 1 * TIME_FACTOR
        server.thaw() if how == "frozen" else server.start()
        await crowd.recovers(5 * TIME_FACTOR)
        assert app[BACKEND].admission.waiting == app[BACKEND].body_bytes == 0
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks + 2)
        # The number of concurrent requests and no more, though six hundred of them failed.
        assert len(await client.client_list()) <= 202
    await client.aclose()
