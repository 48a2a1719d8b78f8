"""The ingest worker: owns its share of the partitions and applies their streams.

One task a partition reads, plans and commits; one task keeps the leases and the share. They meet in `_owned` only. What ends a
partition's task is always one of three: it was asked to, it lost the lease (drop the work, compete again), or Redis is out of
reach (whether the last batch went in is unknown: take the lease anew and look at the cursor).
"""

import asyncio
import contextlib
import logging
import os
import secrets
import socket

from sidedata import failpoints
from sidedata.clock import Clock, SystemClock
from sidedata.errors import LeaseLostError, StoreUnavailableError
from sidedata.ingest.apply.partition import Partition
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.ownership import lease
from sidedata.ingest.worker.maintenance import upkeep
from sidedata.redis.client import Client
from sidedata.schema.installation import Installation
from sidedata.settings import Settings

_log = logging.getLogger("sidedata.worker")

# How long a read waits for events; a worker that leaves waits no longer than this for an idle partition.
_BLOCK_MS = 250
# What comes within this time after the stream was empty is committed together: fewer commits, which all cost the same for each
# workflow in them, and fewer changes for those who read. An event is in the answers that much later at most.
_GATHER_SECONDS = 0.1
_TICK_SECONDS = 0.5
_RENEWALS_AT_ONCE = 32  # a connection each, besides the one that a partition reads on
# What a leave may take when Redis doesn't answer; with a tick before it that waits for the same, less than 10 seconds.
_LEAVE_SECONDS = 4.0


class _Owned:
    """A partition in our hands and the task that works on it."""

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.leave = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Worker:
    """One worker process's work, from its first heartbeat to its leave."""

    def __init__(
        self,
        client: Client,
        installation: Installation,
        settings: Settings,
        metrics: Metrics | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self.metrics = metrics or Metrics()
        self._client = client
        self._installation = installation
        self._settings = settings
        self._clock = clock or SystemClock()
        self._owned: dict[int, _Owned] = {}
        self._unavailable = False
        self._renewals = asyncio.Semaphore(_RENEWALS_AT_ONCE)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish what is in hand and hand over.

        Raises:
            StopError: going on would be wrong.
        """
        try:
            while not stop.is_set():
                try:
                    await self._tick()
                    self._unavailable = False
                except StoreUnavailableError as error:
                    if not self._unavailable:
                        _log.warning("%s; trying again until it is back", error)
                    self._unavailable = True
                await self._pause(stop)
        finally:
            await self._leave()

    async def _pause(self, stop: asyncio.Event) -> None:
        """Until the next tick, or until a partition's task or the caller wants attention."""
        waiting = [asyncio.create_task(stop.wait()), asyncio.create_task(self._clock.sleep(_TICK_SECONDS))]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _tick(self) -> None:
        """Heartbeat; renew; give up what is too much; take what is missing.

        In a cluster one master may be out of reach and the others well: what it holds waits, the rest goes on.
        """
        await self._collect()
        held = [owned for owned in self._owned.values() if not owned.leave.is_set()]
        # The renewals don't wait for the heartbeat, whose key may be on the one master that hangs.
        heartbeat = asyncio.create_task(lease.heartbeat(self._client, self._settings, self.name))
        try:
            await asyncio.gather(*(self._renew(owned) for owned in held), asyncio.wait([heartbeat]))
        finally:
            heartbeat.cancel()  # nobody waits for it any more; once it has its result that changes nothing
        alive = heartbeat.result()
        failpoints.pass_by("after_heartbeat")
        share = lease.share(self._installation.partitions, alive, self.name)
        for owned in held[share:]:
            owned.leave.set()
        missing = share - len(self._owned)
        if missing > 0:
            others = [p for p in range(self._installation.partitions) if p not in self._owned]
            for number in (await lease.free_partitions(self._client, others))[:missing]:
                await self._take(number)
        self.metrics.owned.set(len(self._owned))

    async def _renew(self, owned: _Owned) -> None:
        try:
            async with self._renewals:
                renewed = await lease.renew(self._client, self._settings, owned.partition.ownership)
                if renewed:
                    await upkeep(self._client, self._settings, owned.partition.ownership.partition, self.metrics)
        except StoreUnavailableError:
            return  # its task sees it, too
        if not renewed:
            self._lost(owned)

    async def _take(self, number: int) -> None:
        failpoints.pass_by("before_acquire")
        taken = await lease.acquire(self._client, self._settings, number, self.name)
        if taken is None:
            return
        failpoints.pass_by("after_acquire")
        partition = Partition(self._client, self._settings, self._installation.partitions, taken, self.metrics)
        owned = self._owned[number] = _Owned(partition)
        owned.task = asyncio.create_task(self._work(owned), name=f"partition {number}")
        self.metrics.lease_changes.labels("taken").inc()

    async def _work(self, owned: _Owned) -> None:
        try:
            partition = owned.partition
            while not owned.leave.is_set():
                entries = await partition.run_once(_BLOCK_MS)
                gather = _GATHER_SECONDS if entries and not partition.is_behind else 0.0
                if pause := max(gather, partition.poison.pause_seconds):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(owned.leave.wait(), pause)
        finally:
            await owned.partition.close()
        failpoints.pass_by("before_release")
        await lease.release(self._client, owned.partition.ownership)
        failpoints.pass_by("after_release")
        self.metrics.lease_changes.labels("released").inc()

    def _lost(self, owned: _Owned) -> None:
        """Another owner came: a commit of ours would be refused, so there is nothing to finish."""
        owned.leave.set()  # the Redis client may lose a cancellation that comes in an awkward moment
        if owned.task is not None:
            owned.task.cancel()

    async def _collect(self) -> None:
        """See what became of the partitions' tasks; an error that means "stop" goes on to the caller."""
        for number, owned in list(self._owned.items()):
            if owned.task is None or not owned.task.done():
                continue
            del self._owned[number]
            try:
                await owned.task
            except (LeaseLostError, asyncio.CancelledError):
                _log.warning("partition %d has another owner; its work in hand is dropped", number)
                self.metrics.lease_changes.labels("lost").inc()
            except StoreUnavailableError as error:
                _log.warning("partition %d: %s", number, error)
                self.metrics.lease_changes.labels("lost").inc()

    async def _leave(self) -> None:
        """Let every partition finish what it has in hand, then be gone from the list of workers."""
        for owned in self._owned.values():
            owned.leave.set()
        tasks = [owned.task for owned in self._owned.values() if owned.task is not None]
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await asyncio.gather(*tasks, return_exceptions=True)
                failpoints.pass_by("before_leave")
                await lease.heartbeat(self._client, self._settings, self.name, leave=True)
        except (StoreUnavailableError, TimeoutError):
            _log.warning("Redis is out of reach; the others notice the leave when the leases run out")
        self._owned.clear()
        self.metrics.owned.set(0)


async def drain(client: Client, installation: Installation, settings: Settings) -> None:
    """Apply all that is in the streams now, then give the partitions up; for tests and imports with no worker about."""
    metrics = Metrics()
    for number in range(installation.partitions):
        taken = await lease.acquire(client, settings, number, "drain", force=True)
        assert taken is not None  # noqa: S101 - force always takes
        partition = Partition(client, settings, installation.partitions, taken, metrics)
        while await partition.run_once(None):
            pass
        await lease.release(client, partition.ownership)
