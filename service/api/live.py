"""The live stream as server-sent events.

event: sidedata
id: 2026-11-01T00:00:00+02:00/2026-11-02T00:00:00+02:00      the effective interval, `lastEventId` in a browser
data: {"unique_visitors_count": …}                           the same JSON as the report's

event: status                                                every 4 seconds, and when the numbers fall behind or catch up
data: {"as_of": "2026-11-01T11:59:59.417Z"}                  all events that had entered the stream by then are in the numbers

: alive                                                      every 15 seconds

event: problem                                               the last event, if the stream can't continue
data: {"status": 401, …}
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec
from aiohttp import web

from sidedata.errors import SidedataError
from sidedata.service.api.live_hub import HUB, Channel
from sidedata.service.api.reports.answers import DatedAnswer
from sidedata.service.api.reports.query import Interval, Window, from_live_query
from sidedata.service.api.reports.report import fetch
from sidedata.service.freshness.freshness import AsOf
from sidedata.service.http.auth import AUTHENTICATOR, ORGANIZATION, TOKEN, WORKFLOW
from sidedata.service.http.problems import ProblemError, problem_body
from sidedata.service.http.state import BACKEND, Backend, redis_timeout
from sidedata.service.metrics import METRICS
from sidedata.service.report.reports import Answer

SPACING_SECONDS = 1.0
COMMENT_SECONDS = 15.0
# Promised every 5 seconds; clients that wait no longer than that for a byte must not run into their limit.
STATUS_SECONDS = 4.0
# With the two seconds of the token cache this stays under the five in which a revoked token must stop.
TOKEN_SECONDS = 2.0
# A client that reads nothing for this long counts as gone.
_WRITE_SECONDS = 30.0


async def get_live(request: web.Request) -> web.StreamResponse:
    """The report now, and again whenever it changes."""
    query = from_live_query(request.rel_url.raw_query_string)
    organization, workflow = request[ORGANIZATION], request[WORKFLOW]
    poll = _make_poll(request.app[BACKEND], organization, workflow, query)
    async with request.app[HUB].subscribe((organization, workflow, query), poll) as channel:
        async with redis_timeout(request):
            dated = await channel.first()
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # a proxy with a buffer would delay the events
                **dated.headers,
            }
        )
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        gauge = request.app[METRICS].live_listeners
        gauge.inc()
        try:
            await _Stream(request, response, channel).run(dated)
        except (ConnectionResetError, TimeoutError):
            response.force_close()  # the client has left or does not read
        finally:
            gauge.dec()
        return response


def _make_poll(
    backend: Backend, organization: str, workflow: str, query: Interval | Window
) -> Callable[[], Awaitable[DatedAnswer]]:
    """Make a function that fetches the report; a window ends at the time of the call."""

    async def poll() -> DatedAnswer:
        if isinstance(query, Window):
            now = datetime.fromtimestamp(backend.clock.now(), UTC)
            interval = Interval(now - query.span, now)
        else:
            interval = query
        return await fetch(backend, organization, workflow, interval, body=False)

    return poll


class _Stream:
    """One client's stream from its first event to its end."""

    def __init__(self, request: web.Request, response: web.StreamResponse, channel: Channel) -> None:
        self._request = request
        self._response = response
        self._channel = channel
        self._hub = request.app[HUB]
        self._loop = asyncio.get_running_loop()
        self._last_body = b""
        self._failing = self._behind = False  # as last written to the client
        self._as_of: AsOf | None = None  # of the numbers last written
        self._next_event_at = 0.0
        self._comment_at = self._loop.time() + COMMENT_SECONDS
        self._token_at = self._loop.time() + TOKEN_SECONDS
        self._status_at = self._loop.time() + STATUS_SECONDS

    async def run(self, dated: DatedAnswer) -> None:
        """Send events until the client leaves, the token becomes invalid or the service stops."""
        self._as_of = dated.as_of
        await self._send(dated.answer)
        while not self._is_closed():
            await self._wait()
            if self._hub.closing.is_set():
                return
            now = self._loop.time()
            if now >= self._token_at:
                if not await self._token_is_valid():
                    await self._write(_event("problem", problem_body(401, "the token was revoked or has expired")))
                    return
                self._token_at = self._loop.time() + TOKEN_SECONDS
            if now >= self._comment_at:
                await self._write(b": alive\n\n")
                self._comment_at = now + COMMENT_SECONDS
            if self._channel.ended:
                await self._write(_event("problem", _last_problem(self._channel.refusal)))
                return
            await self._send_changes()

    async def _send_changes(self) -> None:
        """Write what differs from what was written last."""
        if (self._channel.failure is not None) != self._failing:
            self._failing = not self._failing
            await self._write(b": Redis is out of reach\n\n" if self._failing else b": Redis is back\n\n")
        newest = self._channel.answer
        if newest is not None and newest.body != self._last_body and self._loop.time() >= self._next_event_at:
            await self._send(newest)
        if newest is not None and newest.body == self._last_body:
            self._as_of = self._channel.as_of
        if self._channel.behind != self._behind or self._loop.time() >= self._status_at:
            await self._send_status()

    async def _wait(self) -> None:
        """Wait for news: at least until the next event is allowed, at most until the next comment, status or token check."""
        until = min(self._comment_at, self._token_at, self._status_at)
        last_body = self._last_body
        if self._next_event_at > self._loop.time():
            until = min(self._next_event_at, until)
            if not self._behind or self._channel.answer is None:
                await self._hub.pause(max(0.0, until - self._loop.time()))
                return
            # Numbers that are behind may catch up at any moment, which is news at once.
            last_body = self._channel.answer.body
        try:
            async with asyncio.timeout(max(0.0, until - self._loop.time())):
                await self._channel.news(last_body, failing=self._failing, behind=self._behind)
        except TimeoutError:
            return

    async def _send(self, answer: Answer) -> None:
        self._last_body = answer.body
        self._next_event_at = self._loop.time() + SPACING_SECONDS
        await self._write(_event("sidedata", answer.body, answer.effective))

    async def _send_status(self) -> None:
        """Write the time of the numbers; while Redis is out of reach it is the last known one."""
        self._behind = self._channel.behind
        self._status_at = self._loop.time() + STATUS_SECONDS
        if self._as_of is not None:
            await self._write(_event("status", msgspec.json.encode({"as_of": self._as_of.text})))

    async def _write(self, data: bytes) -> None:
        async with asyncio.timeout(_WRITE_SECONDS):
            await self._response.write(data)

    async def _token_is_valid(self) -> bool:
        """Tell if the token is still valid; while Redis is out of reach it counts as valid."""
        try:
            async with asyncio.timeout(1.0):
                return await self._request.app[AUTHENTICATOR].tokens.get(self._request[TOKEN]) is not None
        except (SidedataError, TimeoutError):
            return True

    def _is_closed(self) -> bool:
        transport = self._request.transport
        return self._hub.closing.is_set() or transport is None or transport.is_closing()


def _event(name: str, data: bytes, event_id: str = "") -> bytes:
    """An event; JSON has line breaks only between its tokens, and each line needs a field of its own."""
    lines = [b"event: " + name.encode()]
    if event_id:
        lines.append(b"id: " + event_id.encode())
    lines += [b"data: " + line for line in data.splitlines()]
    return b"\n".join(lines) + b"\n\n"


def _last_problem(refusal: ProblemError | None) -> bytes:
    if refusal is None:
        return problem_body(500, "internal error; it was logged")
    return problem_body(refusal.status, refusal.detail, refusal.errors)
