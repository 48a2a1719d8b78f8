"""The live stream as server-sent events.

event: sidedata
id: 2026-11-01T00:00:00+02:00/2026-11-02T00:00:00+02:00      the effective interval, `lastEventId` in a browser
data: {"unique_visitors_count": …}                           the same JSON as the report's

: alive                                                      every 15 seconds

event: problem                                               the last one, where the stream can't go on
data: {"status": 401, …}
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from aiohttp import web

from sidedata.errors import SidedataError
from sidedata.service.api.live_hub import HUB, Channel
from sidedata.service.api.query import Interval, Window, from_live_query
from sidedata.service.api.report import EFFECTIVE, ask
from sidedata.service.http.auth import GUARD, ORGANIZATION, TOKEN, WORKFLOW
from sidedata.service.http.problems import ProblemError, problem_body
from sidedata.service.http.state import BACKEND, Backend, redis_time
from sidedata.service.metrics import METRICS
from sidedata.service.report.reports import Answer

SPACING_SECONDS = 1.0
COMMENT_SECONDS = 15.0
# With the two seconds that a token is remembered this stays under the five in which a revoked one must stop.
TOKEN_SECONDS = 2.0
# Who takes in nothing for this long has gone without saying so.
_WRITE_SECONDS = 30.0


async def get_live(request: web.Request) -> web.StreamResponse:
    """The report now, and again whenever it changes."""
    spec = from_live_query(request.rel_url.raw_query_string)
    organization, workflow = request[ORGANIZATION], request[WORKFLOW]
    question = (organization, workflow, spec)
    asking = _asker(request.app[BACKEND], organization, workflow, spec)
    async with request.app[HUB].watch(question, asking) as channel:
        async with redis_time(request):
            answer = await channel.first()
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # a proxy that collects bytes would hold the events back
                EFFECTIVE: answer.effective,
            }
        )
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        gauge = request.app[METRICS].live_listeners
        gauge.inc()
        try:
            await _Stream(request, response, channel).run(answer)
        except (ConnectionResetError, TimeoutError):
            response.force_close()  # the client has gone or takes in nothing
        finally:
            gauge.dec()
        return response


def _asker(
    backend: Backend, organization: str, workflow: str, spec: Interval | Window
) -> Callable[[], Awaitable[Answer]]:
    """How to ask for the report; a window ends at the moment of asking."""

    async def asking() -> Answer:
        if isinstance(spec, Window):
            now = datetime.fromtimestamp(backend.clock.now(), UTC)
            interval = Interval(now - spec.span, now)
        else:
            interval = spec
        return await ask(backend.reports, organization, workflow, interval, body=False)

    return asking


class _Stream:
    """One client's stream from its first event to its end."""

    def __init__(self, request: web.Request, response: web.StreamResponse, channel: Channel) -> None:
        self._request = request
        self._response = response
        self._channel = channel
        self._hub = request.app[HUB]
        self._loop = asyncio.get_running_loop()
        self._seen = b""
        self._troubled = False
        self._due = 0.0
        self._comment_at = self._loop.time() + COMMENT_SECONDS
        self._token_at = self._loop.time() + TOKEN_SECONDS

    async def run(self, answer: Answer) -> None:
        """Send what there is to send until the client, the token or the service has gone."""
        await self._send(answer)
        while not self._gone():
            await self._wait()
            if self._hub.closing.is_set():
                return
            now = self._loop.time()
            if now >= self._token_at:
                if not await self._token_holds():
                    await self._write(_event("problem", problem_body(401, "the token was revoked or has expired")))
                    return
                self._token_at = self._loop.time() + TOKEN_SECONDS
            if now >= self._comment_at:
                await self._write(b": alive\n\n")
                self._comment_at = now + COMMENT_SECONDS
            if self._channel.over:
                await self._write(_event("problem", _farewell(self._channel.refusal)))
                return
            if (self._channel.trouble is not None) != self._troubled:
                self._troubled = not self._troubled
                await self._write(b": Redis is out of reach\n\n" if self._troubled else b": Redis is back\n\n")
            newest = self._channel.answer
            if newest is not None and newest.body != self._seen and self._loop.time() >= self._due:
                await self._send(newest)

    async def _wait(self) -> None:
        """Wait for news, but not before the pause is over and not beyond the next duty."""
        until = min(self._comment_at, self._token_at)
        if self._due > self._loop.time():
            await self._hub.pause(max(0.0, min(self._due, until) - self._loop.time()))
            return
        try:
            async with asyncio.timeout(max(0.0, until - self._loop.time())):
                await self._channel.news(self._seen, troubled=self._troubled)
        except TimeoutError:
            return

    async def _send(self, answer: Answer) -> None:
        self._seen = answer.body
        self._due = self._loop.time() + SPACING_SECONDS
        await self._write(_event("sidedata", answer.body, answer.effective))

    async def _write(self, data: bytes) -> None:
        async with asyncio.timeout(_WRITE_SECONDS):
            await self._response.write(data)

    async def _token_holds(self) -> bool:
        """Whether the token is still good; while nobody can tell, it is."""
        try:
            async with asyncio.timeout(1.0):
                return await self._request.app[GUARD].find(self._request[TOKEN]) is not None
        except (SidedataError, TimeoutError):
            return True

    def _gone(self) -> bool:
        transport = self._request.transport
        return self._hub.closing.is_set() or transport is None or transport.is_closing()


def _event(name: str, data: bytes, event_id: str = "") -> bytes:
    """An event; JSON has no line breaks but between its tokens, and each line needs its own field."""
    lines = [b"event: " + name.encode()]
    if event_id:
        lines.append(b"id: " + event_id.encode())
    lines += [b"data: " + line for line in data.splitlines()]
    return b"\n".join(lines) + b"\n\n"


def _farewell(refusal: ProblemError | None) -> bytes:
    if refusal is None:
        return problem_body(500, "an error of ours; it was logged")
    return problem_body(refusal.status, refusal.detail, refusal.errors)
