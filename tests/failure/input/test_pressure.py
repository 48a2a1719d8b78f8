"""Slow, silent, many and greedy clients: they are answered or let go in time, and nothing is left over."""

import asyncio
import contextlib
import json
import logging
import resource
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sidedata.service.http.state import BACKEND
from sidedata.service.server import listener
from tests.support.processes.service import EVENTS, QUERY, SIDEDATA, WORKFLOW, WORKFLOWS, World, world
from tests.support.waiting import TIME_FACTOR, eventually

JSON = {"Content-Type": "application/json"}


EVENT = {"type": "page_view", "workflow_id": WORKFLOW, "visitor_id": "v", "session_id": "s"}


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def head(ours: World, method: str, path: str, *lines: str) -> bytes:
    """The head of a request without its last, empty line."""
    fields = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Token {ours.token}", *lines]
    return "\r\n".join(fields).encode() + b"\r\n"


@asynccontextmanager
async def connections(ours: World, count: int) -> AsyncIterator[list[Connection]]:
    """Open that number of connections to the service, closed at the end."""
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


async def timed(asking: Awaitable[Any]) -> tuple[Any, float]:
    """Return the result and the time that it took."""
    start = time.monotonic()
    return await asking, time.monotonic() - start


@pytest.mark.alone
async def test_slow_and_silent_clients_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends nothing, or one header after another without an end, is closed in time; others are answered."""
    monkeypatch.setattr(listener, "IDLE_SECONDS", 1.0)
    async with world() as ours, connections(ours, 60) as many:
        silent, slow, kept = many[:20], many[20:40], many[40:]
        for _, writer in slow:
            writer.write(head(ours, "GET", "/livez"))
        for reader, writer in kept:
            writer.write(head(ours, "GET", "/livez") + b"\r\n")
            assert b"200" in await reader.readline()

        async def closed() -> bool:
            for _, writer in slow:
                writer.write(b"X-Beat: 1\r\n")
            _, seconds = await timed(ours.ask("GET", "/livez"))
            assert seconds < 0.5 * TIME_FACTOR
            return all(reader.at_eof() or reader.exception() is not None for reader, _ in silent + slow)

        await eventually(closed, 3, pause=0.1)
        async with asyncio.timeout(3):
            for reader, _ in silent + slow + kept:
                with contextlib.suppress(ConnectionError):
                    await reader.read()  # to its end, which has come


@pytest.mark.holds("6.7")
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


@pytest.mark.alone
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
                assert seconds < 1 * TIME_FACTOR
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks + 3)


async def test_idle_connections_make_room_for_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """If idle clients use all connections, the longest idle one is closed for a new client."""
    monkeypatch.setattr(listener._Server, "max_connections", 50)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    async with world() as ours, connections(ours, 200):
        for _ in range(20):
            async with connections(ours, 1) as ((reader, writer),):
                writer.write(head(ours, "GET", "/livez") + b"\r\n")
                assert b"200" in await reader.readline()


@pytest.mark.holds("6.6")
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
    """A body beyond the limit is refused, with a Content-Length or without."""
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
    """Beyond it an upload gets a 503, and succeeds when there is room."""
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


@pytest.mark.alone
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
            assert seconds < 0.5 * TIME_FACTOR
        gate.set()
        assert {heard.status for heard in await asyncio.gather(*first)} == {200}
        assert ours.app[BACKEND].admission.waiting == 0
        assert (await ours.ask("GET", f"{SIDEDATA}?{QUERY}")).status == 200
