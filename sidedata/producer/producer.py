"""The asynchronous producer: an encoder in front, a sender behind, and errors in the caller's terms."""

import asyncio
import os
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sidedata.producer.encode import encode
from sidedata.producer.errors import ProducerError
from sidedata.producer.limits import Limits
from sidedata.schema.keys import partition_of

if TYPE_CHECKING:
    from sidedata.producer.connection import ProducerConnection


class Producer:
    """Sends events to sidedata's ingest streams. Use it as an asynchronous context, or call `start` and `close`.

    Every event has an id, given here if it brings none, and keeps it through all retries, so it counts once. A producer
    belongs to one event loop of one process.

    Args:
        url: of Redis: redis://, rediss://, unix://, redis+cluster:// or rediss+cluster://.
        limits: of batches, buffer and patience; None: the defaults of `Limits`.
        partitions: of the installation; None: read from Redis at the start.

    Raises:
        ProducerError: the address can not be read.
    """

    def __init__(self, url: str, *, limits: Limits | None = None, partitions: int | None = None) -> None:
        from sidedata.producer.connection import check_address  # noqa: PLC0415 - see there

        check_address(url)
        self._url = url
        self._limits = limits or Limits()
        self._partitions = partitions
        self._pid = os.getpid()
        self._connection: ProducerConnection | None = None
        self._open = False

    @property
    def sent(self) -> int:
        """Number of events that are in the stream."""
        return 0 if self._connection is None else self._connection.sender.sent

    @property
    def waiting(self) -> int:
        """Number of events that were taken and are neither in the stream nor lost."""
        return 0 if self._connection is None else self._connection.sender.waiting

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Connect, and read the number of partitions unless it was given. A second call does nothing.

        Raises:
            ProducerError: Redis is out of reach or refuses, or there is no installation in it.
        """
        if self._open:
            return
        from sidedata.producer.connection import open_connection  # noqa: PLC0415 - see there

        self._connection = await open_connection(self._url, self._limits, self._partitions)
        self._open = True

    async def send(self, event: Mapping[str, Any] | bytes) -> None:
        """Send an event and return when it is in the stream. While the buffer is full it waits for room first.

        Events that are sent concurrently share batches. Cancelling withdraws the event unless it is on its way already.

        Args:
            event: a mapping of fields, with datetime, UUID and Decimal values as they are; or the bytes of a JSON object.

        Raises:
            InvalidEvent: the event can never be applied; nothing was sent.
            DeliveryFailed: the event is not known to be in the stream.
            ProducerError: the producer is not open.
        """
        connection = self._ready()
        organization, raw = encode(event)
        await connection.sender.put(raw, partition_of(organization, connection.partitions))

    def send_nowait(self, event: Mapping[str, Any] | bytes) -> asyncio.Future[None]:
        """Take an event without waiting; the future is done when it is in the stream. It need not be awaited.

        To be called in the event loop's thread. A lost event is reported by `flush` or `close`.

        Raises:
            InvalidEvent: the event can never be applied; it was not taken.
            BufferFull: too many events wait; this one was not taken.
            ProducerError: the producer is not open.
        """
        connection = self._ready()
        organization, raw = encode(event)
        return connection.sender.put_nowait(raw, partition_of(organization, connection.partitions))

    async def room(self, size: int = 0) -> None:
        """Wait until `send_nowait` takes an event of `size` bytes.

        Raises:
            ProducerError: the producer is not open.
        """
        await self._ready().sender.room(size)

    async def flush(self) -> None:
        """Send what waits, without lingering, and return when all that was taken before this call is in the stream.

        Raises:
            DeliveryFailed: events of `send_nowait` were lost since the last report; `events` is their number.
            ProducerError: the producer is not open.
        """
        await self._ready().sender.flush()

    async def close(self, timeout: float | None = 30.0) -> None:  # noqa: ASYNC109 - None waits as long as it takes
        """Take no more events, send what waits for at most `timeout` seconds, and disconnect. A second call does nothing.

        Raises:
            DeliveryFailed: events of `send_nowait` were lost since the last report; `events` is their number.
        """
        was_open, self._open = self._open, False
        if was_open and self._connection is not None and self._pid == os.getpid():  # after a fork it is the parent's
            await self._connection.close(timeout)

    def _ready(self) -> "ProducerConnection":
        if self._pid != os.getpid():
            raise ProducerError("the producer was made before a fork: each process needs its own")
        if not self._open or self._connection is None:
            raise ProducerError("the producer was not started, or it was closed")
        return self._connection
