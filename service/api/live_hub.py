"""Live answers: one task for each workflow and interval that anybody watches, however many do.

    Hub ── one Channel for each (organization, workflow, interval) ── any number of watchers

A channel asks for the report four times a second while somebody waits for news; where nothing has changed that is one
small read. Each watcher takes a second's pause after what it was sent and then the newest: a slow one skips what it
missed, and nobody's backlog grows. Asking more often than sending keeps the wait short for those who are due in between:
an event shows at most a second and a quarter after it was applied.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager

from aiohttp import web

from sidedata.errors import SidedataError, StoreUnavailableError
from sidedata.service.http.problems import ProblemError, unavailable
from sidedata.service.metrics import ServiceMetrics
from sidedata.service.report.reports import Answer

POLL_SECONDS = 0.25
# As for every answer: a poll that hangs must not keep the watchers from being told.
_ANSWER_SECONDS = 0.8

Ask = Callable[[], Awaitable[Answer]]

_log = logging.getLogger("sidedata.live")


class Channel:
    """The newest answer to one question, kept by one task for all who watch it."""

    def __init__(self, ask: Ask, metrics: ServiceMetrics) -> None:
        self.answer: Answer | None = None
        self.trouble: SidedataError | None = None  # the last poll failed; the next may not
        self.refusal: ProblemError | None = None  # no poll will succeed any more
        self.watchers = 0
        self._ask = ask
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._polled_at = float("-inf")
        self._wanted = asyncio.Event()
        self._waiting = 0
        self._next_poll: asyncio.Future[None] = self._loop.create_future()
        self._next_news: asyncio.Future[None] = self._loop.create_future()
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._done)

    @property
    def over(self) -> bool:
        """Whether it polls no more."""
        return self._task.done()

    async def first(self) -> Answer:
        """An answer that is fresh, for a watcher that has just come.

        Raises:
            ProblemError: there is none and won't be.
            SidedataError: Redis is out of reach.
        """
        if not self._fresh():
            await self._wait(poll=True)
        if self.refusal is not None:
            raise self.refusal
        if self.trouble is not None:
            raise self.trouble
        if self.answer is None or self.over:
            raise unavailable("the service is about to stop")
        return self.answer

    async def news(self, seen: bytes, *, troubled: bool) -> None:
        """Return when there is another answer than `seen`, when trouble began or ended, or when all is over."""
        while not self.over and (self.trouble is not None) == troubled:
            differs = self.answer is not None and self.answer.body != seen
            fresh = self._fresh()
            if differs and fresh:
                return
            # What differs but is a while old is about to be replaced.
            await self._wait(poll=differs and not fresh)

    def stop(self) -> None:
        """End the task; watchers are woken."""
        self._task.cancel()

    async def stopped(self) -> None:
        """Wait for the end of the task."""
        await asyncio.wait([self._task])

    def _fresh(self) -> bool:
        return self.trouble is None and self._loop.time() - self._polled_at < POLL_SECONDS

    async def _wait(self, *, poll: bool) -> None:
        """Wait for the next poll, or for one that brings news."""
        if self.over:
            return
        self._waiting += 1
        self._wanted.set()
        try:
            # Shielded: the future is everybody's, and a watcher may stop waiting.
            await asyncio.shield(self._next_poll if poll else self._next_news)
        finally:
            self._waiting -= 1

    async def _run(self) -> None:
        while True:
            began = self._loop.time()
            before = (self.answer and self.answer.body, self.trouble is None)
            await self._poll()
            if self.refusal is not None:
                return
            self._polled_at = self._loop.time()
            self._tell(news=before != (self.answer and self.answer.body, self.trouble is None))
            await asyncio.sleep(max(0.0, began + POLL_SECONDS - self._loop.time()))
            while not self._waiting:
                self._wanted.clear()
                await self._wanted.wait()

    async def _poll(self) -> None:
        self._metrics.live_polls.inc()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                self.answer = await self._ask()
        except ProblemError as error:
            self.refusal = error
        except SidedataError as error:
            self.trouble = error
        except TimeoutError:
            self.trouble = StoreUnavailableError("Redis did not answer in time")
        else:
            self.trouble = None

    def _tell(self, *, news: bool) -> None:
        self._next_poll.set_result(None)
        self._next_poll = self._loop.create_future()
        if news:
            self._next_news.set_result(None)
            self._next_news = self._loop.create_future()

    def _done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            _log.error("a bug while polling for live streams", exc_info=task.exception())
        self._tell(news=True)


class Hub:
    """All channels of the process."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self._metrics = metrics
        self._channels: dict[Hashable, Channel] = {}
        self.closing = asyncio.Event()

    @asynccontextmanager
    async def watch(self, question: Hashable, ask: Ask) -> AsyncIterator[Channel]:
        """The channel of a question; the first watcher brings the means to ask it, the last one ends it.

        Raises:
            ProblemError: the service is about to stop.
        """
        if self.closing.is_set():
            raise unavailable("the service is about to stop")
        channel = self._channels.get(question)
        if channel is None or channel.over:
            channel = self._channels[question] = Channel(ask, self._metrics)
        channel.watchers += 1
        try:
            yield channel
        finally:
            channel.watchers -= 1
            if not channel.watchers:
                channel.stop()
                if self._channels.get(question) is channel:
                    del self._channels[question]

    async def pause(self, seconds: float) -> None:
        """Let some time go by, less if the service is about to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self.closing.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """End all channels and with them all streams."""
        self.closing.set()
        channels = list(self._channels.values())
        for channel in channels:
            channel.stop()
        for channel in channels:
            await channel.stopped()


HUB = web.AppKey("HUB", Hub)
