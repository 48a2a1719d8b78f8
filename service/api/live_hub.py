"""Live answers: one polling task for each workflow and interval, shared by all of its subscribers.

    Hub ── one Channel for each (organization, workflow, interval) ── any number of subscribers

A channel polls the report four times a second while a subscriber waits for news; while nothing changes a poll is one small read.
Each subscriber pauses for a second after an event and then takes the newest answer: a slow subscriber skips answers, and no
backlog grows. Polling more often than sending keeps the wait short: an event shows at most a second and a quarter after it was
applied.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager

from aiohttp import web

from sidedata.errors import SidedataError, late_error
from sidedata.service.api.reports.answers import DatedAnswer
from sidedata.service.freshness.freshness import BEHIND_SECONDS, AsOf
from sidedata.service.http.problems import ProblemError, unavailable
from sidedata.service.metrics import ServiceMetrics
from sidedata.service.report.reports import Answer

POLL_SECONDS = 0.25
# As for all answers: a poll that hangs must not keep subscribers from learning of the failure.
_ANSWER_SECONDS = 0.8

Poll = Callable[[], Awaitable[DatedAnswer]]

_log = logging.getLogger("sidedata.live")


class Channel:
    """The newest answer to one query, updated by one task for all subscribers."""

    def __init__(self, poll: Poll, metrics: ServiceMetrics) -> None:
        self.answer: Answer | None = None
        self.as_of: AsOf | None = None  # of the answer, or None where it can't be measured
        self.behind = False  # the time lies far back: workers lag, or Redis is out of reach
        self.failure: SidedataError | None = None  # of the last poll; the next may succeed
        self.refusal: ProblemError | None = None  # permanent: the task has ended
        self.subscribers = 0
        self._poll_report = poll
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._polled_at = float("-inf")
        self._demand = asyncio.Event()
        self._waiting = 0
        self._next_poll: asyncio.Future[None] = self._loop.create_future()
        self._next_news: asyncio.Future[None] = self._loop.create_future()
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._end)

    @property
    def ended(self) -> bool:
        """True once there are no more polls."""
        return self._task.done()

    async def first(self) -> DatedAnswer:
        """A fresh answer, for a new subscriber.

        Raises:
            ProblemError: there is none, and there won't be one.
            SidedataError: Redis is out of reach.
        """
        if not self._is_fresh():
            await self._wait(poll=True)
        if self.refusal is not None:
            raise self.refusal
        if self.failure is not None:
            raise self.failure
        if self.answer is None or self.ended:
            raise unavailable("the service is about to stop")
        return DatedAnswer(self.answer, self.as_of)

    async def news(self, last_body: bytes, *, failing: bool, behind: bool) -> None:
        """Wait for an answer other than `last_body`, for another state of failures or lag, or for the end of the channel."""
        while not self.ended and (self.failure is not None) == failing and self.behind == behind:
            differs = self.answer is not None and self.answer.body != last_body
            fresh = self._is_fresh()
            if differs and fresh:
                return
            # An answer that differs but is not fresh is about to be replaced.
            await self._wait(poll=differs and not fresh)

    def stop(self) -> None:
        """End the task; subscribers wake up."""
        self._task.cancel()

    async def stopped(self) -> None:
        """Wait for the end of the task."""
        await asyncio.wait([self._task])

    def _is_fresh(self) -> bool:
        return self.failure is None and self._loop.time() - self._polled_at < POLL_SECONDS

    async def _wait(self, *, poll: bool) -> None:
        """Wait for the next poll, or for the next poll with news."""
        if self.ended:
            return
        self._waiting += 1
        self._demand.set()
        try:
            # Shielded: all subscribers share the future, and each may stop waiting.
            await asyncio.shield(self._next_poll if poll else self._next_news)
        finally:
            self._waiting -= 1

    async def _run(self) -> None:
        while True:
            start = self._loop.time()
            before = self._state()
            await self._poll()
            if self.refusal is not None:
                return
            self._polled_at = self._loop.time()
            self._notify(news=before != self._state())
            await asyncio.sleep(max(0.0, start + POLL_SECONDS - self._loop.time()))
            while not self._waiting:
                self._demand.clear()
                await self._demand.wait()

    async def _poll(self) -> None:
        self._metrics.live_polls.inc()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                self.answer, self.as_of = await self._poll_report()
        except ProblemError as error:
            self.refusal = error
        except SidedataError as error:
            self.failure = error
        except TimeoutError:
            self.failure = late_error("Redis did not answer in time")
        else:
            self.failure = None
        self.behind = self.as_of is not None and self.as_of.behind() > BEHIND_SECONDS

    def _state(self) -> tuple[bytes | None, bool, bool]:
        """The state whose changes are news."""
        return None if self.answer is None else self.answer.body, self.failure is None, self.behind

    def _notify(self, *, news: bool) -> None:
        self._next_poll.set_result(None)
        self._next_poll = self._loop.create_future()
        if news:
            self._next_news.set_result(None)
            self._next_news = self._loop.create_future()

    def _end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            _log.error("a bug while polling for live streams", exc_info=task.exception())
        self._notify(news=True)


class Hub:
    """All channels of the process."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self._metrics = metrics
        self._channels: dict[Hashable, Channel] = {}
        self.closing = asyncio.Event()

    @asynccontextmanager
    async def subscribe(self, query: Hashable, poll: Poll) -> AsyncIterator[Channel]:
        """Subscribe to the channel of a query; the first subscriber's `poll` starts it, the last one's exit stops it.

        Raises:
            ProblemError: the service is about to stop.
        """
        if self.closing.is_set():
            raise unavailable("the service is about to stop")
        channel = self._channels.get(query)
        if channel is None or channel.ended:
            channel = self._channels[query] = Channel(poll, self._metrics)
        channel.subscribers += 1
        try:
            yield channel
        finally:
            channel.subscribers -= 1
            if not channel.subscribers:
                channel.stop()
                if self._channels.get(query) is channel:
                    del self._channels[query]

    async def pause(self, seconds: float) -> None:
        """Sleep, but not longer than until the service is about to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self.closing.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """End all channels, and with them all streams."""
        self.closing.set()
        channels = list(self._channels.values())
        for channel in channels:
            channel.stop()
        for channel in channels:
            await channel.stopped()


HUB = web.AppKey("HUB", Hub)
