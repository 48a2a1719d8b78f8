"""Sending events from a Python program: taken at once, sent in batches, sent again until they are in, each counted once.

Every event gets an id when it is put, if it has none, and keeps it through all retries. So whatever breaks on the way, the
worker counts it once. Each partition has a lane of its own: one whose backlog is full holds up no other.
"""

import asyncio
import os
import random
import time
import uuid
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import msgspec
from msgspec import Raw, Struct

from sidedata.errors import SidedataError, StopError, StoreUnavailableError, UsageError
from sidedata.events.decode import MAX_EVENT_BYTES
from sidedata.redis.client import Client, connect, translated
from sidedata.schema import keys
from sidedata.writes.append import BacklogFullError, append, pack

_TIMEOUT_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_BACKLOG_PAUSE_SECONDS = 0.5
_SENDS_AT_ONCE = 16

_OBJECT = msgspec.json.Decoder(dict[str, Raw])


class BufferFullError(SidedataError):
    """As many events wait to be sent as may; the event was not taken."""


class Limits(Struct, frozen=True, kw_only=True):
    """When a batch goes, how much may wait, and when to give up.

    A batch goes when it has `batch_events`, or `linger_seconds` after its first. `backlog_limit` holds sending back while the
    workers are that many entries behind; None: nobody looks, and XADD is the only command used, for users of Redis that may
    do no more. `attempts` is how often a batch is tried while Redis is out of reach; None: for ever.
    """

    batch_events: int = 500
    linger_seconds: float = 0.5
    buffer_events: int = 10_000
    buffer_bytes: int = 64 * 1024 * 1024
    backlog_limit: int | None = 100_000
    wait_replicas: int = 0
    attempts: int | None = None


class _Lane:
    """What waits for one partition, and the task that sends it."""

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self.full = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Producer:
    """Sends events to the ingest streams; use it as a context, or `start` and `close` it.

    Args:
        client: of Redis, or its address.
        partitions: of the installation; None: read when it starts.
    """

    def __init__(self, client: Client | str, limits: Limits | None = None, *, partitions: int | None = None) -> None:
        self.sent = 0  # events that are in the stream
        self.waiting = 0  # events that were taken and are not in it yet
        self._own = isinstance(client, str)
        self._client: Client = connect(client, timeout=_TIMEOUT_SECONDS) if isinstance(client, str) else client
        self._limits = limits or Limits()
        self._partitions = partitions or 0
        self._bytes = 0
        self._lanes: dict[int, _Lane] = {}
        self._sends = asyncio.Semaphore(_SENDS_AT_ONCE)
        self._room = asyncio.Event()
        self._open = False
        self._failure: SidedataError | None = None
        self._trouble = ""

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Learn the number of partitions.

        Raises:
            StopError: there is no installation in this Redis yet.
            StoreUnavailableError: Redis is out of reach.
        """
        if not self._partitions:
            with translated():
                stored = await self._client.hget(keys.CONFIG, "partitions")
            if stored is None:
                raise StopError("there is no installation in this Redis yet: its first worker or service makes one")
            self._partitions = int(stored)
        self._open = True

    def put(self, event: Mapping[str, Any] | bytes) -> None:
        """Take an event, as a mapping or as the bytes of its JSON object; it never waits. To be called in the loop's thread.

        Raises:
            BufferFullError: too much waits to be sent; try again later, or let the event go.
            UsageError: the event names no organization, is no JSON object, or too large; or the producer is not open.
            StopError: sending has failed for good.
            StoreUnavailableError: sending was given up.
        """
        organization, raw = _with_id(event)
        self.put_raw(raw, keys.partition_of(organization.lower(), self._partitions or 1))

    def put_raw(self, raw: bytes, partition: int) -> None:
        """Take an event as it is, for that partition; without an id it may count twice if a connection breaks.

        Raises:
            as `put`, but for what is wrong with the event.
        """
        if not self._open:
            raise UsageError("the producer was not started, or it was closed")
        if self._failure is not None:
            raise self._failure
        if self._full(len(raw)):
            trouble = f" ({self._trouble})" if self._trouble else ""
            raise BufferFullError(f"{self.waiting} events wait to be sent, no more are taken{trouble}")
        lane = self._lanes.get(partition)
        if lane is None:
            lane = self._lanes[partition] = _Lane()
            lane.task = asyncio.get_running_loop().create_task(self._drain(partition, lane))
        lane.waiting.append(raw)
        self.waiting += 1
        self._bytes += len(raw)
        if len(lane.waiting) >= self._limits.batch_events:
            lane.full.set()

    async def room(self, size: int = 0) -> None:
        """Wait until an event of so many bytes can be put.

        Raises:
            StopError: sending has failed for good.
            StoreUnavailableError: sending was given up.
        """
        while self._failure is None and self._full(size):
            for lane in self._lanes.values():
                lane.full.set()  # with so much waiting none waits for a whole batch
            self._room.clear()
            await self._room.wait()
        if self._failure is not None:
            raise self._failure

    def _full(self, size: int) -> bool:
        # One event at least, however large it is.
        return self.waiting >= self._limits.buffer_events or (
            self.waiting > 0 and self._bytes + size > self._limits.buffer_bytes
        )

    async def close(self, timeout: float | None = 30.0) -> None:  # noqa: ASYNC109 - None waits as long as it takes
        """Take no more, send what waits, and wait for it, `timeout` seconds at most.

        Raises:
            StoreUnavailableError: not all could be sent; the text says how many are lost.
            StopError: the same, and Redis refuses for good.
        """
        self._open = False
        for lane in self._lanes.values():
            lane.full.set()
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        try:
            if tasks:
                _, late = await asyncio.wait(tasks, timeout=timeout)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)
        finally:
            if self._own:
                await self._client.aclose()
        if self.waiting:
            failure = StopError if isinstance(self._failure, StopError) else StoreUnavailableError
            raise failure(
                f"{self.waiting} events were not sent: {self._failure or self._trouble or 'there was no time'}"
            )

    async def _drain(self, partition: int, lane: _Lane) -> None:
        """Send what waits for a partition, batch by batch, until nothing does."""
        limits = self._limits
        try:
            while lane.waiting:
                if self._open and len(lane.waiting) < limits.batch_events:
                    lane.full.clear()
                    try:
                        async with asyncio.timeout(limits.linger_seconds):
                            await lane.full.wait()
                    except TimeoutError:
                        pass
                # Fixed here: what is sent again is what was sent.
                batch = [lane.waiting.popleft() for _ in range(min(limits.batch_events, len(lane.waiting)))]
                await self._send(partition, batch)
                self.sent += len(batch)
                self.waiting -= len(batch)
                self._bytes -= sum(map(len, batch))
                self._room.set()
        except SidedataError as error:
            self._failure = error
            self._room.set()
        else:
            del self._lanes[partition]  # no wait since the last look, so nothing was put in between

    async def _send(self, partition: int, batch: list[bytes]) -> None:
        failed = 0
        while True:
            try:
                async with self._sends:
                    await self._append(partition, batch)
            except BacklogFullError as error:
                self._trouble = str(error)
                pause = _BACKLOG_PAUSE_SECONDS
            except StoreUnavailableError as error:
                self._trouble = str(error)
                failed += 1
                if failed == self._limits.attempts:
                    raise
                pause = min(_FIRST_PAUSE_SECONDS * 2**failed, _LONGEST_PAUSE_SECONDS)
                pause *= random.uniform(0.5, 1)  # noqa: S311 - so that many producers don't come back at once
            else:
                self._trouble = ""
                return
            await asyncio.sleep(pause)

    async def _append(self, partition: int, batch: list[bytes]) -> None:
        limits = self._limits
        if limits.backlog_limit is not None:
            await append(self._client, partition, batch, limits.backlog_limit, limits.wait_replicas)
            return
        for entry in pack(batch):
            with translated():
                await self._client.xadd(keys.events(partition), {"events": entry})


def new_id() -> str:
    """A UUID of version 7: later ones sort behind earlier ones, to the millisecond."""
    drawn = int.from_bytes(os.urandom(10))
    high = (time.time_ns() // 1_000_000) << 16 | 0x7000 | drawn >> 68
    return str(uuid.UUID(int=high << 64 | 0b10 << 62 | drawn & (1 << 62) - 1))


def _with_id(event: Mapping[str, Any] | bytes) -> tuple[str, bytes]:
    """The event's organization, and its JSON with an id."""
    if isinstance(event, bytes):
        try:
            fields: Mapping[str, Any] = _OBJECT.decode(event)
            organization = msgspec.json.decode(fields.get("organization_id", b"null"))
            missing = fields.get("id", b"null") == b"null"
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UsageError(f"the event is no JSON object: {error}") from error
        raw = event
    else:
        fields, organization, missing = event, event.get("organization_id"), event.get("id") is None
        raw = b"" if missing else msgspec.json.encode(event)
    if missing:
        raw = msgspec.json.encode({**fields, "id": new_id()})
    if isinstance(organization, uuid.UUID):
        organization = str(organization)
    if not isinstance(organization, str):
        raise UsageError("the event names no organization_id")
    if len(raw) > MAX_EVENT_BYTES:
        raise UsageError(f"the event has {len(raw)} bytes, {MAX_EVENT_BYTES} are allowed")
    return organization, raw
