"""The asynchronous producer: an encoder in front, a sender behind, and errors in the caller's terms."""

import asyncio
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from sidedata.errors import SidedataError
from sidedata.producer.encode import encode
from sidedata.producer.errors import ProducerError
from sidedata.producer.limits import Limits
from sidedata.producer.sender import Sender
from sidedata.redis.client import Client, connect
from sidedata.schema.keys import partition_of
from sidedata.writes.append import read_partitions

_TIMEOUT_SECONDS: Final = 10.0
_SCHEMES: Final = ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster")


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
        check_address(url)
        self._url = url
        self._limits = limits or Limits()
        self._partitions = partitions or 0
        self._pid = os.getpid()
        self._client: Client | None = None
        self._sender: Sender | None = None
        self._open = False

    @property
    def sent(self) -> int:
        """Number of events that are in the stream."""
        return 0 if self._sender is None else self._sender.sent

    @property
    def waiting(self) -> int:
        """Number of events that were taken and are neither in the stream nor lost."""
        return 0 if self._sender is None else self._sender.waiting

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
        client = connect(self._url, timeout=_TIMEOUT_SECONDS)
        try:
            self._partitions = self._partitions or await _stored_partitions(client)
        except BaseException:
            await client.aclose()
            raise
        self._client, self._sender, self._open = client, Sender(client, self._limits), True

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
        sender = self._ready()
        organization, raw = encode(event)
        await sender.put(raw, partition_of(organization, self._partitions))

    def send_nowait(self, event: Mapping[str, Any] | bytes) -> asyncio.Future[None]:
        """Take an event without waiting; the future is done when it is in the stream. It need not be awaited.

        To be called in the event loop's thread. A lost event is reported by `flush` or `close`.

        Raises:
            InvalidEvent: the event can never be applied; it was not taken.
            BufferFull: too many events wait; this one was not taken.
            ProducerError: the producer is not open.
        """
        sender = self._ready()
        organization, raw = encode(event)
        return sender.put_nowait(raw, partition_of(organization, self._partitions))

    async def room(self, size: int = 0) -> None:
        """Wait until `send_nowait` takes an event of `size` bytes.

        Raises:
            ProducerError: the producer is not open.
        """
        await self._ready().room(size)

    async def flush(self) -> None:
        """Send what waits, without lingering, and return when all that was taken before this call is in the stream.

        Raises:
            DeliveryFailed: events of `send_nowait` were lost since the last report; `events` is their number.
            ProducerError: the producer is not open.
        """
        await self._ready().flush()

    async def close(self, timeout: float | None = 30.0) -> None:  # noqa: ASYNC109 - None waits as long as it takes
        """Take no more events, send what waits for at most `timeout` seconds, and disconnect. A second call does nothing.

        Raises:
            DeliveryFailed: events of `send_nowait` were lost since the last report; `events` is their number.
        """
        self._open = False
        client, self._client = self._client, None
        if client is None or self._sender is None or self._pid != os.getpid():
            return  # after a fork the connection is the parent's
        try:
            await self._sender.close(timeout)
        finally:
            await client.aclose()

    def _ready(self) -> Sender:
        if self._pid != os.getpid():
            raise ProducerError("the producer was made before a fork: each process needs its own")
        if not self._open or self._sender is None:
            raise ProducerError("the producer was not started, or it was closed")
        return self._sender


def check_address(url: str) -> None:
    """Read an address of Redis without connecting.

    Raises:
        ProducerError: it can not be read. The text does not repeat it, because it may hold a password.
    """
    if not isinstance(url, str) or urlsplit(url).scheme not in _SCHEMES:
        raise ProducerError(f"the address of Redis must begin with {', '.join(f'{scheme}://' for scheme in _SCHEMES)}")
    try:
        connect(url, timeout=_TIMEOUT_SECONDS)  # opens nothing
    except (SidedataError, ValueError) as error:
        raise ProducerError("the address of Redis can not be read") from error


async def _stored_partitions(client: Client) -> int:
    try:
        partitions = await read_partitions(client)
    except SidedataError as error:
        raise ProducerError(str(error)) from error
    if partitions is None:
        raise ProducerError("there is no installation in this Redis yet: its first worker or service makes one")
    return partitions
