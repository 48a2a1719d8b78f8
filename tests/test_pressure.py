"""Slow, silent, many and greedy clients, and a Redis that freezes or dies: answers in time, recovery, nothing left over."""

import asyncio
import contextlib
import json
import logging
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from sidedata.clock import SystemClock
from sidedata.redis.client import connect
from sidedata.schema.installation import open_installation
from sidedata.schema.tokens import create
from sidedata.service.app import create_app
from sidedata.service.http.state import BACKEND
from sidedata.service.report.reports import Reports
from sidedata.service.server import listener
from sidedata.settings import Settings
from tests.guard import as_user
from tests.servers import RedisServer
from tests.service_world import (
    EVENTS,
    INTERVAL,
    ORG,
    QUERY,
    SECRET,
    SIDEDATA,
    WORKFLOW,
    WORKFLOWS,
    World,
    served,
    world,
)
from tests.waiting import BUSY

JSON = {"Content-Type": "application/json"}
EVENT = {"type": "page_view", "workflow_id": WORKFLOW, "visitor_id": "v", "session_id": "s"}
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def head(ours: World, method: str, path: str, *lines: str) -> bytes:
    """The head of a request without its last, empty line."""
    fields = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Token {ours.token}", *lines]
    return "\r\n".join(fields).encode() + b"\r\n"


@asynccontextmanager
async def connections(ours: World, count: int) -> AsyncIterator[list[Connection]]:
    """So many connections to the service, closed at the end."""
    port = int(ours.base.rpartition(":")[2])
    made: list[Connection] = []
    try:
        for first in range(0, count, 100):
            opening = (asyncio.open_connection("127.0.0.1", port) for _ in range(min(100, count - first)))
            made += await asyncio.gather(*opening)
        yield made
    finally:
        for _, writer in made:
            writer.close()


async def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    """Until it holds, and no longer than that."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for is on the other side of a socket
            await asyncio.sleep(0.01)


async def timed(asking: Awaitable[Any]) -> tuple[Any, float]:
    """What it comes to and how long it took."""
    began = time.monotonic()
    return await asking, time.monotonic() - began


async def test_slow_and_silent_clients_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sends nothing, or a header a moment for ever, is closed when the time is up; others are answered meanwhile."""
    monkeypatch.setattr(listener, "IDLE_SECONDS", 1.0)
    async with world() as ours, connections(ours, 60) as many:
        silent, slow, kept = many[:20], many[20:40], many[40:]
        for _, writer in slow:
            writer.write(head(ours, "GET", "/livez"))
        for reader, writer in kept:
            writer.write(head(ours, "GET", "/livez") + b"\r\n")
            assert b"200" in await reader.readline()
        for beat in range(12):
            for _, writer in slow:
                writer.write(b"X-Beat: %d\r\n" % beat)
            _, seconds = await timed(ours.ask("GET", "/livez"))
            assert seconds < 0.5 * BUSY
            await asyncio.sleep(0.1)
        async with asyncio.timeout(3):
            for reader, _ in silent + slow + kept:
                with contextlib.suppress(ConnectionError):
                    await reader.read()  # to its end, which has come


async def test_a_slow_body_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that dribbles in is answered with 408 when its time is up, and what it held is free again."""
    monkeypatch.setattr("sidedata.service.http.bodies.BODY_SECONDS", 0.3)
    async with world() as ours, connections(ours, 10) as many:
        for _, writer in many:
            writer.write(
                head(ours, "POST", EVENTS, "Content-Type: application/json", "Content-Length: 9000") + b"\r\n[[["
            )
        await eventually(lambda: ours.app[BACKEND].body_bytes == 30)
        for reader, _ in many:
            assert b"408" in await reader.readline()
        await eventually(lambda: ours.app[BACKEND].body_bytes == 0)


async def test_who_leaves_in_the_middle_is_no_bug(caplog: pytest.LogCaptureFixture) -> None:
    """Neither an error in the log nor memory or a task is left of clients that go while they send or while they wait."""
    async with world() as ours:
        assert (await ours.ask("GET", "/livez")).status == 200
        tasks = len(asyncio.all_tasks())
        async with connections(ours, 20) as many:
            for _, writer in many:
                writer.write(
                    head(ours, "POST", EVENTS, "Content-Type: application/json", "Content-Length: 99") + b"\r\n[1"
                )
            await eventually(lambda: ours.app[BACKEND].body_bytes == 40)
            for _, writer in many:
                writer.transport.abort()
        await eventually(lambda: ours.app[BACKEND].body_bytes == 0 and len(asyncio.all_tasks()) <= tasks)
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_thousands_of_idle_connections_disturb_nobody() -> None:
    """As many as this process may open, both ends of each being ours: a request in between takes no longer than alone."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(4_000, (descriptors - 400) // 2)
    async with world() as ours:
        tasks = len(asyncio.all_tasks())
        async with connections(ours, count):
            for _ in range(5):
                heard, seconds = await timed(ours.ask("GET", f"{SIDEDATA}?{QUERY}"))
                assert heard.status == 200
                assert seconds < 1 * BUSY
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks + 3)


async def test_idle_connections_make_room_for_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all places are taken by clients that ask nothing, the one that has waited longest is closed for who comes."""
    monkeypatch.setattr(listener._Server, "max_connections", 50)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    async with world() as ours, connections(ours, 200):
        for _ in range(20):
            async with connections(ours, 1) as ((reader, writer),):
                writer.write(head(ours, "GET", "/livez") + b"\r\n")
                assert b"200" in await reader.readline()


@pytest.mark.parametrize(
    ("path", "headers", "size", "status"),
    [
        (SIDEDATA, JSON, 64 * 1024 + 1, 413),
        (EVENTS, JSON, 10 * 1024 * 1024 + 1, 413),
        (EVENTS, {"Content-Type": "application/x-ndjson"}, 10 * 1024 * 1024 + 1, 413),
    ],
)
async def test_bodies_beyond_the_limit_are_not_taken_in(
    path: str, headers: dict[str, str], size: int, status: int
) -> None:
    """Whether their length is told or not."""
    async with world() as ours:

        async def chunks() -> AsyncIterator[bytes]:
            for first in range(0, size, 65_536):
                yield b" " * min(65_536, size - first)

        for data in (b" " * size, chunks()):
            heard = await ours.ask("POST", path, data=data, headers=headers)
            assert heard.status == status
        assert ours.app[BACKEND].body_bytes == 0
    # The rest of such a body is read for two seconds, so that the client sees the refusal.
    await eventually(lambda: not any("RequestHandler" in repr(task) for task in asyncio.all_tasks()))


async def test_uploads_together_stay_within_their_memory() -> None:
    """Beyond it an upload is told to come again, and goes in when there is room."""
    async with world(bodies_mb=1) as ours, connections(ours, 3) as many:
        long = "Content-Length: 500000"
        for _, writer in many[:2]:
            writer.write(head(ours, "POST", EVENTS, "Content-Type: application/json", long) + b"\r\n" + b" " * 499_999)
        await eventually(lambda: ours.app[BACKEND].body_bytes == 999_998)
        body = json.dumps([{**EVENT, "timestamp": "2026-11-23T22:00:00Z"}] * 500).encode()
        refused = await ours.ask("POST", EVENTS, data=body, headers=JSON)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        for _, writer in many[:2]:
            writer.transport.abort()
        await eventually(lambda: ours.app[BACKEND].body_bytes == 0)
        assert (await ours.ask("POST", EVENTS, data=body, headers=JSON)).status == 202


async def test_overload_sheds() -> None:
    """More requests than may wait get a 503 at once; those that wait are answered, and then there is room again."""
    async with world(requests_limit=20) as ours:
        gate = asyncio.Event()
        answer = ours.reports.answer

        async def waiting(*arguments: Any) -> Any:  # noqa: ANN401 - as the reports have it
            await gate.wait()
            return await answer(*arguments)

        ours.reports.answer = waiting  # type: ignore[method-assign, assignment]
        await ours.ask("GET", WORKFLOWS)  # the token is known
        first = [asyncio.create_task(ours.ask("GET", f"{SIDEDATA}?{QUERY}")) for _ in range(20)]
        await eventually(lambda: ours.app[BACKEND].admission.waiting == 20)
        for _ in range(10):
            shed, seconds = await timed(ours.ask("GET", f"{SIDEDATA}?{QUERY}"))
            assert (shed.status, shed.headers["Retry-After"]) == (503, "1")
            assert seconds < 0.5 * BUSY
        gate.set()
        assert {heard.status for heard in await asyncio.gather(*first)} == {200}
        assert ours.app[BACKEND].admission.waiting == 0
        assert (await ours.ask("GET", f"{SIDEDATA}?{QUERY}")).status == 200


@pytest.mark.parametrize("how", ["frozen", "killed"])
async def test_a_redis_that_freezes_or_dies_and_comes_back(
    private_server: Callable[..., RedisServer], how: str
) -> None:
    """Two hundred clients are told so within a second each, served again within five, and leave no task or connection."""
    server = private_server("--appendonly", "yes")
    client = connect(server.url, timeout=0.8)
    settings = Settings(redis_url=server.url, secret=SECRET)
    installation, clock = await open_installation(client, settings), SystemClock()
    token, _ = await create(client, ORG, ["reports", "ingest"])
    serving = as_user("service", client)
    app = create_app(settings, serving, installation, clock, Reports(serving, installation, settings, clock))
    day = time.strftime("%Y-%m-%d", time.gmtime())
    paths = [f"{SIDEDATA}?start={day}&end={day}T23:59", WORKFLOWS]
    events = [{**EVENT, "timestamp": f"{day}T00:00:00Z"}]
    headers, links = {"Authorization": f"Token {token}"}, aiohttp.TCPConnector(limit=0)
    async with served(app) as base, aiohttp.ClientSession(base, headers=headers, connector=links) as http:

        async def ask(number: int) -> tuple[int, float]:
            began = time.monotonic()
            arguments: dict[str, Any] = {"json": events} if number % 3 == 2 else {}
            method = "POST" if arguments else "GET"
            path = EVENTS if number % 3 == 2 else paths[number % 3]
            async with http.request(method, path, **arguments) as heard:
                await heard.read()
                return heard.status, time.monotonic() - began

        async def post() -> int:
            async with http.post(SIDEDATA, json=INTERVAL) as heard:
                return heard.status

        assert {status for status, _ in await asyncio.gather(*map(ask, range(200)))} <= {200, 202, 404}
        tasks = len(asyncio.all_tasks())
        server.freeze() if how == "frozen" else server.kill()
        for _ in range(2):
            for status, seconds in await asyncio.gather(*map(ask, range(200))):
                assert status == 503
                assert seconds < 1 * BUSY
        alone = await ask(0)
        assert alone[0] == 503
        assert alone[1] < 1 * BUSY
        server.thaw() if how == "frozen" else server.start()
        began = time.monotonic()
        while await post() != 404:
            assert time.monotonic() - began < 5 * BUSY
            await asyncio.sleep(0.02)
        assert {status for status, _ in await asyncio.gather(*map(ask, range(200)))} <= {200, 202, 404}
        assert app[BACKEND].admission.waiting == app[BACKEND].body_bytes == 0
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks + 2)
        # As many as there were questions at once and no more, though six hundred of them came to nothing.
        assert len(await client.client_list()) <= 202
    await client.aclose()
