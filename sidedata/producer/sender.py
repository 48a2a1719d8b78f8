"""The buffer between a program and the ingest streams: batches, retries, back pressure.

Each partition has a lane: a queue and the task that sends it, batch by batch. A lane whose backlog is full holds up no other.
All of it runs in one event loop, without locks.
"""

import asyncio
from collections import deque

from sidedata.errors import SidedataError, StoreUnavailableError
from sidedata.plural import counted
from sidedata.producer.delivery import Delivery
from sidedata.producer.errors import BufferFull, DeliveryFailed
from sidedata.producer.lanes import Entry, Lane
from sidedata.producer.limits import Limits
from sidedata.redis.gateway import Gateway


class Sender:
    """Takes the bytes of events and puts them in the streams; `gateway` stays the caller's to close.

    Attributes:
        sent: events that are in the stream.
        waiting: events that were taken and are not done.
        failure: the last error by which events were lost; None: no event was.
    """

    def __init__(self, gateway: Gateway, limits: Limits) -> None:
        self.sent = 0
        self.waiting = 0
        self.failure: SidedataError | None = None
        self._delivery = Delivery(gateway, limits)
        self._limits = limits
        self._unreported_failures = 0  # events that failed since the last report and that no caller awaits
        self._bytes = 0
        self._number = 0
        self._hurry = 0
        self._lanes: dict[int, Lane] = {}
        self._overflow: deque[Entry] = deque()  # events of `put`, which wait for room in the buffer
        self._progress = asyncio.Event()  # pulses whenever entries are done

    def put_nowait(self, raw: bytes, partition: int) -> asyncio.Future[None]:
        """Take an event; the future is done when it is in the stream. Cancelling it withdraws an event not yet on its way.

        Raises:
            BufferFull: too much waits.
        """
        if self._full(len(raw)):
            trouble = f" ({self._delivery.trouble})" if self._delivery.trouble else ""
            raise BufferFull(f"{self.waiting} events wait to be sent, no more are taken{trouble}")
        entry = self._entry(raw, partition, awaited=False)
        self._admit(entry)
        return entry.future

    def put(self, raw: bytes, partition: int) -> asyncio.Future[None]:
        """Take an event that goes without lingering, as soon as the buffer has room for it; the future as in `put_nowait`."""
        entry = self._entry(raw, partition, awaited=True)
        if self._full(len(raw)):
            self._overflow.append(entry)
            self._hasten()
        else:
            self._admit(entry)
        return entry.future

    async def room(self, size: int = 0) -> None:
        """Wait until `put_nowait` would take an event of `size` bytes."""
        while self._full(size):
            self._hasten()  # with so much waiting no entry waits for a whole batch
            await self._progress.wait()

    async def flush(self) -> None:
        """Wait until all that was taken before this call is done.

        Raises:
            DeliveryFailed: events of `put_nowait` were lost since the last report.
        """
        until = self._number
        self._hasten()
        while self._oldest() <= until:
            await self._progress.wait()
        self._report()

    async def close(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - None waits as long as it takes
        """Send what waits, for `timeout` seconds at most, then give up the rest. No event may be put any more.

        Raises:
            DeliveryFailed: as `flush`.
        """
        self._hasten()
        try:
            async with asyncio.timeout(timeout):
                while self.waiting or self._overflow:
                    await self._progress.wait()
        except TimeoutError:
            pass
        finally:
            await self._abandon()
        self._report()

    async def _abandon(self) -> None:
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        unsent = [entry for lane in self._lanes.values() for entry in (*lane.batch, *lane.waiting)]
        self._lanes.clear()
        unsent += self._overflow
        self._overflow.clear()
        for entry in unsent:
            self._fail(entry, self._delivery.trouble or "there was no time")
        self.waiting = self._bytes = 0

    def _report(self) -> None:
        if not self._unreported_failures:
            return
        reason = self.failure or self._delivery.trouble or "there was no time"
        error = DeliveryFailed(f"{counted(self._unreported_failures, 'event was', 'events were')} not sent: {reason}")
        error.events, self._unreported_failures = self._unreported_failures, 0
        raise error from self.failure

    def _full(self, size: int) -> bool:
        """Events in the overflow go first, so while there are any no other is taken."""
        return bool(self._overflow) or self._beyond(size)

    def _beyond(self, size: int) -> bool:
        limits = self._limits
        return self.waiting >= limits.buffer_events or (self.waiting > 0 and self._bytes + size > limits.buffer_bytes)

    def _entry(self, raw: bytes, partition: int, *, awaited: bool) -> Entry:
        self._number += 1
        return Entry(self._number, partition, raw, awaited=awaited)

    def _admit(self, entry: Entry) -> None:
        lane = self._lanes.get(entry.partition)
        if lane is None:
            lane = self._lanes[entry.partition] = Lane(self._hurry)
            lane.task = asyncio.get_running_loop().create_task(self._drain(entry.partition, lane))
        lane.waiting.append(entry)
        self.waiting += 1
        self._bytes += len(entry.raw)
        if entry.awaited:
            lane.hurry = max(lane.hurry, entry.number)
        if entry.awaited or len(lane.waiting) >= self._limits.batch_events:
            lane.wake.set()

    def _hasten(self) -> None:
        """Let all that was taken so far go without lingering."""
        self._hurry = self._number
        for lane in self._lanes.values():
            lane.hurry = self._hurry
            lane.wake.set()

    def _oldest(self) -> int:
        """Number of the first entry that is not done; past the last one if all are."""
        numbers = [lane.oldest() for lane in self._lanes.values()]
        numbers += [self._overflow[0].number] if self._overflow else []
        return min(numbers, default=self._number + 1)

    async def _drain(self, partition: int, lane: Lane) -> None:
        """Send what waits for a partition, batch by batch, until nothing does."""
        limits = self._limits
        while lane.waiting:
            if len(lane.waiting) < limits.batch_events and lane.waiting[0].number > lane.hurry:
                lane.wake.clear()
                try:
                    async with asyncio.timeout(limits.linger_seconds):
                        await lane.wake.wait()
                except TimeoutError:
                    pass
            # Fixed here: a retry sends the same entries, byte by byte.
            lane.batch = [lane.waiting.popleft() for _ in range(min(limits.batch_events, len(lane.waiting)))]
            await self._deliver(partition, [entry for entry in lane.batch if not entry.future.cancelled()])
            self._complete_batch(lane)
        del self._lanes[partition]  # no await since the last look, so nothing was put in between

    async def _deliver(self, partition: int, batch: list[Entry]) -> None:
        try:
            await self._delivery.send(partition, [entry.raw for entry in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers that wait must learn of it
            self.failure = error if isinstance(error, SidedataError) else StoreUnavailableError(repr(error))
            for entry in batch:
                self._fail(entry, str(error), error)
        else:
            self.sent += len(batch)
            for entry in batch:
                if not entry.future.done():
                    entry.future.set_result(None)

    def _fail(self, entry: Entry, reason: str, cause: BaseException | None = None) -> None:
        if not entry.future.done():
            error = DeliveryFailed(f"the event was not sent: {reason}")
            error.__cause__ = cause
            self._unreported_failures += not entry.awaited
            entry.future.set_exception(error)
            entry.future.exception()  # reported by `flush` and `close`; asyncio need not log that no caller looked

    def _complete_batch(self, lane: Lane) -> None:
        self.waiting -= len(lane.batch)
        self._bytes -= sum(len(entry.raw) for entry in lane.batch)
        lane.batch = []
        while self._overflow:
            entry = self._overflow.popleft()
            if entry.future.cancelled():
                continue
            if self._beyond(len(entry.raw)):
                self._overflow.appendleft(entry)
                break
            self._admit(entry)
        self._pulse()

    def _pulse(self) -> None:
        self._progress.set()
        self._progress.clear()
