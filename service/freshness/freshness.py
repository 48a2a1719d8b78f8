"""The time as of which the numbers of a partition are complete, for `Sidedata-As-Of`.

Every event that had entered the stream by then is applied. So an answer may carry any time that was measured before its numbers
were read, and never a later one. A measurement is one small script; all requests on a partition share it for a fifth of a second:

    request ─▶ newest measurement, or a new one ─▶ read the numbers ─▶ answer with that time
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import NamedTuple

from sidedata.errors import CommandRefusedError, late_error
from sidedata.events.timestamps import from_milliseconds
from sidedata.reads.partitions import partitions_with_backlog, read_progress
from sidedata.redis.gateway import Gateway
from sidedata.schema.keys import Keyspace, keyspace
from sidedata.service.metrics import ServiceMetrics

# Numbers further behind than this are late: workers that keep up commit several times a second.
BEHIND_SECONDS = 2.0
RIGHT_MISSING = (
    "answers have no Sidedata-As-Of, because this user lacks XRANGE on events; load this version's users.acl"
)
# A bit less than live streams wait between polls, so that each poll has a measurement of its own.
_SHARED_SECONDS = 0.2
# Each answer is due within a second; a measurement that takes longer is given up.
_TIMEOUT_SECONDS = 0.75
# A missing right is asked for again after this time, because an operator may load newer rules.
_REFUSED_SECONDS = 5.0
# Older measurements say nothing of the present.
_METRIC_SECONDS = 30.0

_log = logging.getLogger("sidedata.service")


class AsOf(NamedTuple):
    """A measurement: the time as text (RFC 3339), the lag then in seconds, and when it was measured (monotonic seconds)."""

    text: str
    lag: float
    measured_at: float

    def behind(self) -> float:
        """The age of the time, in seconds."""
        return self.lag + time.monotonic() - self.measured_at


class Freshness:
    """The newest measurement of each partition."""

    def __init__(self, gateway: Gateway, metrics: ServiceMetrics) -> None:
        self._gateway = gateway
        self._metrics = metrics
        self._newest: dict[int, AsOf] = {}
        self._running: dict[int, asyncio.Task[AsOf]] = {}
        self._refused_at = float("-inf")  # monotonic seconds

    async def measure(self, space: Keyspace) -> AsOf | None:
        """A measurement of at most a fifth of a second ago; None if this user may not read the streams.

        Raises:
            StoreUnavailableError: Redis is out of reach.
        """
        newest = self._newest.get(space.partition)
        if newest is not None and time.monotonic() - newest.measured_at < _SHARED_SECONDS:
            return newest
        if time.monotonic() - self._refused_at < _REFUSED_SECONDS:
            return None
        running = self._running.get(space.partition)
        if running is None or running.done():
            running = self._running[space.partition] = asyncio.create_task(self._read(space))
            running.add_done_callback(_retrieve)
        try:
            # Shielded: the others wait for it too, if this request is cancelled.
            return await asyncio.shield(running)
        except CommandRefusedError as error:
            if time.monotonic() - self._refused_at >= _REFUSED_SECONDS:
                self._refused_at = time.monotonic()
                _log.warning("%s: %s", RIGHT_MISSING, error)
            return None

    async def furthest_behind(self, partitions: Iterable[int]) -> float:
        """The lag of the partition that is furthest behind, in seconds.

        Raises:
            StoreUnavailableError: Redis is out of reach.
            CommandRefusedError: this user may not read the streams.
        """
        lag = 0.0
        # The first one in any case, to find out about the right.
        for partition in {0, *await partitions_with_backlog(self._gateway, partitions)}:
            lag = max(lag, (await self._read(keyspace(partition))).lag)
        self._metrics.behind_seconds.set(lag)
        return lag

    async def _read(self, space: Keyspace) -> AsOf:
        start = time.monotonic()
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                progress = await read_progress(self._gateway, space)
        except TimeoutError as error:
            raise late_error("Redis did not answer in time") from error
        text = from_milliseconds(progress.as_of_ms)
        lag = (progress.now_ms - progress.as_of_ms) / 1000
        measured = self._newest[space.partition] = AsOf(text, lag, start)
        recent = (known.lag for known in self._newest.values() if start - known.measured_at < _METRIC_SECONDS)
        self._metrics.behind_seconds.set(max(recent))
        return measured


def _retrieve(task: asyncio.Task[AsOf]) -> None:
    """Take the error of a measurement whose requests have all been cancelled, so that asyncio does not report it."""
    if not task.cancelled():
        task.exception()
