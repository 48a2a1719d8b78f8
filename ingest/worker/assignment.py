"""A partition of a worker, and the task that applies it."""

import asyncio
import contextlib
import time
from typing import Final

from sidedata.ingest.apply.model import Outcome
from sidedata.ingest.apply.partition import Partition
from sidedata.ingest.compaction.compaction import Compaction
from sidedata.ingest.worker.comparison import PendingComparison
from sidedata.ingest.worker.gathering import Gathering

# Leases are renewed more often; the metrics of lag may be this old, and dead letters this much older than they are kept.
_MAINTENANCE_SECONDS: Final = 2.0


class Assignment:
    """A partition of this worker; `stop` revokes it."""

    def __init__(self, partition: Partition, compaction: Compaction) -> None:
        self.partition = partition
        self.compaction = compaction
        self.stop = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.comparison = PendingComparison()
        self._gathering = Gathering()
        self._maintained_at = float("-inf")

    def take_maintenance_turn(self, now: float) -> bool:
        """Tell if the partition's maintenance is due, and then count it as done at `now`, in seconds of a monotonic clock."""
        if now < self._maintained_at + _MAINTENANCE_SECONDS:
            return False
        self._maintained_at = now
        return True

    async def pause(self, outcome: Outcome | None) -> None:
        """Wait before the next read where that is due, or until the partition is revoked; None for a read without entries."""
        seconds = self.partition.pause_seconds
        if outcome is not None and not self.partition.reader.is_behind:
            seconds = max(seconds, self._gathering.pause(sum(outcome.events.values()), time.monotonic()))
        if seconds:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), seconds)
