"""The sending of an archive's events in batches, at a fraction of the processor time of a producer's sender.

No caller waits for a single event here, so a batch is a plain list. Each partition has at most one batch on its way and one that is
being collected: that keeps the order within a partition, and bounds the memory.
"""

import asyncio

from sidedata.errors import SidedataError, StoreUnavailableError
from sidedata.plural import counted
from sidedata.producer.delivery import Delivery
from sidedata.producer.errors import DeliveryFailed
from sidedata.producer.limits import Limits
from sidedata.redis.gateway import Gateway


class BatchSender:
    """Collects events by partition and sends them; `gateway` stays the caller's to close.

    Attributes:
        sent: events that are in the streams.
        failure: the last error by which events were lost; None: no event was.
    """

    def __init__(self, gateway: Gateway, limits: Limits) -> None:
        self.sent = 0
        self.failure: SidedataError | None = None
        self._delivery = Delivery(gateway, limits)
        self._batch_events = limits.batch_events
        self._most_bytes = limits.buffer_bytes
        self._lost = 0
        self._bytes = 0  # of the events that are being collected
        self._batches: dict[int, list[bytes]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    @property
    def trouble(self) -> str:
        """The reason why batches wait to be tried again, "" where none does."""
        return self._delivery.trouble

    def put(self, raw: bytes, partition: int) -> bool:
        """Take an event; True if `send` must be awaited before the next one."""
        batch = self._batches.get(partition)
        if batch is None:
            batch = self._batches[partition] = []
        batch.append(raw)
        self._bytes += len(raw)
        return len(batch) >= self._batch_events or self._bytes >= self._most_bytes

    async def send(self) -> None:
        """Send the full batches, or all if the buffer is full; each waits for the one before it."""
        crowded = self._bytes >= self._most_bytes
        for partition, batch in list(self._batches.items()):
            if crowded or len(batch) >= self._batch_events:
                await self._send(partition)

    async def close(self) -> None:
        """Send what was collected, unless events were lost already, and wait for all batches.

        Raises:
            DeliveryFailed: events were lost.
        """
        for partition in list(self._batches):
            if self.failure is None:
                await self._send(partition)
            else:
                self._lost += len(self._batches.pop(partition))
        await asyncio.gather(*self._tasks.values())
        if self._lost:
            error = DeliveryFailed(f"{counted(self._lost, 'event was', 'events were')} not sent: {self.failure}")
            error.events = self._lost
            raise error from self.failure

    async def _send(self, partition: int) -> None:
        previous = self._tasks.get(partition)
        if previous is not None:
            await previous
        batch = self._batches.pop(partition)
        self._bytes -= sum(map(len, batch))
        self._tasks[partition] = asyncio.create_task(self._deliver(partition, batch))

    async def _deliver(self, partition: int, batch: list[bytes]) -> None:
        try:
            await self._delivery.send(partition, batch)
        except Exception as error:  # noqa: BLE001 - `close` reports every kind
            self.failure = error if isinstance(error, SidedataError) else StoreUnavailableError(repr(error))
            self._lost += len(batch)
        else:
            self.sent += len(batch)
