"""The ingest worker, which owns a share of the partitions and applies their streams.

    tick (every 0.5 s)     heartbeat ─▶ renew ─▶ give up the surplus ─▶ acquire the missing
    task of a partition    read ─▶ plan ─▶ commit, again and again; in between: adopt newer rules of zones,
                           store sketches of old hours in their sparse form
    comparison             all organizations of partitions that are new here, and of all twice an hour, with the newest rules

Each partition has a task that reads, plans and commits. Another task renews the leases and balances the share. The two share
`Assignment` only. A partition's task ends for one of three reasons: the partition was revoked; another owner has the lease, so the
worker drops the batch and competes again; Redis is out of reach and the last batch may or may not be applied, so the worker
acquires the lease again and reads the cursor.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import time

from sidedata import failpoints
from sidedata.clock import Clock, SystemClock
from sidedata.errors import LeaseLostError, SidedataError, StoreUnavailableError
from sidedata.ingest.apply.partition import live_partition
from sidedata.ingest.apply.reader import LargeBatches
from sidedata.ingest.compaction.compaction import Compaction, Pace
from sidedata.ingest.dedup.id_filters import FilterMemory
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.ownership import lease
from sidedata.ingest.worker.assignment import Assignment
from sidedata.ingest.worker.comparison import Comparison
from sidedata.ingest.worker.maintenance import maintain_partition
from sidedata.ingest.zones.rulebook import NAME_MARK, Rulebook, is_old_worker
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.settings import Settings
from sidedata.writes.commit import Ownership

_log = logging.getLogger("sidedata.worker")

# The time that a read waits for events; a worker that leaves waits no longer than this for an idle partition.
_BLOCK_MS = 250
_TICK_SECONDS = 0.5
_RENEWALS_AT_ONCE = 32  # a connection each, besides the one that a partition reads on
# The time limit of a leave when Redis doesn't answer; with a tick before it that waits for the same, less than 10 seconds.
_LEAVE_SECONDS = 4.0


class Worker:
    """The work of one worker process, from its first heartbeat to its leave."""

    def __init__(
        self,
        gateway: Gateway,
        installation: Installation,
        settings: Settings,
        metrics: Metrics | None = None,
        clock: Clock | None = None,
        rulebook: Rulebook | None = None,
    ) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}-{NAME_MARK}{secrets.token_hex(3)}"
        self.metrics = metrics or Metrics()
        self._gateway = gateway
        self._installation = installation
        self._settings = settings
        self._clock = clock or SystemClock()
        self._rulebook = rulebook or Rulebook(settings)
        self._large_batches = LargeBatches()
        self._filter_memory = FilterMemory(settings)
        self._pace = Pace()
        self._comparison = Comparison(gateway, self._rulebook, self._clock)
        self._assignments: dict[int, Assignment] = {}
        self._lost: set[int] = set()  # partitions whose task ended because Redis was out of reach
        self._unavailable = False
        self._renewals = asyncio.Semaphore(_RENEWALS_AT_ONCE)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish the batches under way and hand over.

        Raises:
            StopError: going on would be wrong.
        """
        try:
            await self._rulebook.refresh()
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
            await self._comparison.stop()
            await self._leave()

    async def _pause(self, stop: asyncio.Event) -> None:
        """Wait for the next tick, or for `stop`."""
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(self._clock.sleep(_TICK_SECONDS))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _tick(self) -> None:
        """Send a heartbeat, renew the leases, give up the surplus, acquire the missing partitions.

        In a cluster one master may be out of reach and the others well: its partitions wait, the others go on.
        """
        await self._reap()
        active = [assignment for assignment in self._assignments.values() if not assignment.stop.is_set()]
        # The renewals don't wait for the heartbeat, whose key may be on the one master that hangs.
        heartbeat = asyncio.create_task(lease.heartbeat(self._gateway, self._settings, self.name))
        try:
            await asyncio.gather(*(self._renew(assignment) for assignment in active), asyncio.wait([heartbeat]))
        finally:
            heartbeat.cancel()  # a no-op unless the tick itself was cancelled
        workers = heartbeat.result()
        failpoints.pass_by("after_heartbeat")
        self._rulebook.old_workers = any(map(is_old_worker, workers))
        share = lease.share(self._installation.partitions, workers, self.name)
        for assignment in active[share:]:
            assignment.stop.set()
        deficit = share - len(self._assignments)
        if deficit > 0 or self._lost:
            others = [number for number in range(self._installation.partitions) if number not in self._assignments]
            # A partition that an outage took from this worker may still be leased to it, so it need not wait for the lease's end.
            # It is taken even beyond the share, which may have shrunk: the surplus is released at the next tick.
            lost = [number for number in others if number in self._lost]
            free = await lease.free_partitions(self._gateway, [number for number in others if number not in lost])
            for number in [*lost, *free][: max(deficit, len(lost))]:
                await self._acquire(number)
            self._lost.clear()
        self.metrics.set_owned(self._assignments)
        owned = {number: assignment.comparison for number, assignment in self._assignments.items()}
        self._comparison.start_if_due(owned)

    async def _renew(self, assignment: Assignment) -> None:
        ownership = assignment.partition.ownership
        try:
            async with self._renewals:
                renewed = await lease.renew(self._gateway, self._settings, ownership)
                if renewed and assignment.take_maintenance_turn(time.monotonic()):
                    await maintain_partition(self._gateway, self._settings, ownership.keyspace, self.metrics)
        except StoreUnavailableError:
            return  # its task sees it, too
        if not renewed:
            self._abandon(assignment)

    async def _acquire(self, number: int) -> None:
        failpoints.pass_by("before_acquire")
        new_lease = await lease.acquire(self._gateway, self._settings, number, self.name)
        if new_lease is None:
            return
        failpoints.pass_by("after_acquire")
        partition = live_partition(
            self._gateway,
            self._settings,
            self._installation.partitions,
            new_lease,
            self.metrics,
            self._rulebook,
            self._large_batches,
            self._filter_memory,
        )
        compaction = Compaction(self._gateway, self._settings, new_lease.ownership, self.metrics, self._pace)
        assignment = self._assignments[number] = Assignment(partition, compaction)
        assignment.task = asyncio.create_task(self._apply(assignment), name=f"partition {number}")
        self.metrics.lease_changes.labels("taken").inc()

    async def _apply(self, assignment: Assignment) -> None:
        """Apply a partition's stream until the partition is revoked, then release it."""
        partition = assignment.partition
        try:
            while not assignment.stop.is_set():
                waiting = await assignment.comparison.continue_with(partition)
                await assignment.compaction.run_piece()
                outcome = await partition.run_once(1 if waiting else _BLOCK_MS)
                await assignment.pause(outcome)
        finally:
            await partition.reader.close()
        failpoints.pass_by("before_release")
        await lease.release(self._gateway, partition.ownership)
        failpoints.pass_by("after_release")
        self.metrics.lease_changes.labels("released").inc()

    def _abandon(self, assignment: Assignment) -> None:
        """Cancel the task of a partition that has another owner: its commit would be refused, so there is nothing to finish."""
        assignment.stop.set()  # the Redis client may lose a cancellation that comes at an awkward moment
        if assignment.task is not None:
            assignment.task.cancel()

    async def _reap(self) -> None:
        """Remove the partitions whose task has ended; an error that means "stop" goes on to the caller."""
        for number, assignment in list(self._assignments.items()):
            if assignment.task is None or not assignment.task.done():
                continue
            del self._assignments[number]
            try:
                await assignment.task
            except (LeaseLostError, asyncio.CancelledError):
                await self._log_loss(number, assignment.partition.ownership)
                self.metrics.lease_changes.labels("lost").inc()
            except StoreUnavailableError as error:
                self._lost.add(number)
                _log.warning("partition %d: %s", number, error)
                self.metrics.lease_changes.labels("lost").inc()
        # Before the tick may fail: the gauges of a worker that is cut off would stay.
        self.metrics.set_owned(self._assignments)

    async def _log_loss(self, number: int, ownership: Ownership) -> None:
        """Log that a partition has another owner: a warning, unless an operator's command took it."""
        by_command = False
        with contextlib.suppress(SidedataError):
            by_command = await lease.was_taken_by_command(self._gateway, ownership)
        if by_command:
            _log.info("a command took partition %d, a purge or a rebuild; its events are applied afterwards", number)
        else:
            _log.warning("partition %d has another owner; its batch under way is dropped", number)

    async def _leave(self) -> None:
        """Finish the batch of every partition, then leave the list of workers."""
        for assignment in self._assignments.values():
            assignment.stop.set()
        tasks = [assignment.task for assignment in self._assignments.values() if assignment.task is not None]
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await asyncio.gather(*tasks, return_exceptions=True)
                failpoints.pass_by("before_leave")
                await lease.heartbeat(self._gateway, self._settings, self.name, leave=True)
        except (StoreUnavailableError, TimeoutError):
            _log.warning("Redis is out of reach; the others notice the leave when the leases run out")
        self._assignments.clear()
        self.metrics.set_owned(())
