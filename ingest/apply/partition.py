"""One owned partition: read entries, find out what must be known, plan, commit.

    Reader ─▶ Recall ─▶ Planner ─▶ commit ─▶ the cursor has moved

A worker that dies anywhere on the way has changed nothing; its successor reads from the same cursor.
"""

import asyncio
import time
from datetime import UTC, datetime

from sidedata import failpoints
from sidedata.ingest.apply.model import Outcome
from sidedata.ingest.apply.owner_cache import Recall
from sidedata.ingest.apply.planner import Planner
from sidedata.ingest.apply.reader import Batch, Reader
from sidedata.ingest.apply.throttle import Poison
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.ownership.lease import Taken
from sidedata.operations import Operations
from sidedata.redis.client import Client, translated
from sidedata.schema import keys
from sidedata.settings import Settings
from sidedata.writes.commit import StaleError, commit


class Partition:
    """A partition in its owner's hands."""

    def __init__(self, client: Client, settings: Settings, partitions: int, taken: Taken, metrics: Metrics) -> None:
        self.ownership = taken.ownership
        self._number = taken.ownership.partition
        self._client = client
        self._settings = settings
        self._metrics = metrics
        self._recall = Recall(client, settings, self._number, taken.id_counts)
        self._reader = Reader(client, settings, self._number, partitions, self._recall, taken.ownership.entry)
        self.poison = Poison(self._number, metrics)

    async def run_once(self, block_ms: int | None) -> int:
        """Apply one batch, waiting `block_ms` for its first entry; the number of entries.

        Raises:
            LeaseLostError: somebody else owns the partition.
            StoreUnavailableError: whether the last batch went in is unknown; take the lease anew to find out.
        """
        batch = await self._reader.take(block_ms)
        if batch is None:
            return 0
        started = time.perf_counter()
        await self._apply(batch)
        self._metrics.commit_seconds.observe(time.perf_counter() - started)
        return batch.entries

    @property
    def is_behind(self) -> bool:
        """Whether the stream held more than the last read took."""
        return self._reader.is_behind

    async def close(self) -> None:
        """Drop what was read and not applied."""
        await self._reader.close()

    async def _apply(self, batch: Batch) -> None:
        recall = self._recall
        while True:
            if batch.epoch != recall.epoch:
                batch.events, batch.epoch = await recall.identify(batch.arrivals), recall.epoch
            known = await recall.batch(batch.events)
            failpoints.pass_by("after_recall")
            operations = Operations(known.now_ms // 1000, recall.told)
            planner = Planner(self._number, self._settings, recall.remembered, known, operations)
            # Planning takes milliseconds as a rule; a visitor of a thousand workflows and goals can make it minutes. In a thread
            # of its own it keeps neither the leases from being renewed nor the other partitions waiting.
            plan = await asyncio.to_thread(planner.plan, batch.events, batch.letters)
            failpoints.pass_by("after_plan")
            self._reader.read_ahead()
            failpoints.pass_by("before_commit")
            # The loop gets to it when the commit waits for its answer.
            asyncio.get_running_loop().call_soon(failpoints.pass_by, "inside_commit")
            try:
                applied = await commit(
                    self._client,
                    self._settings,
                    self.ownership,
                    plan.operations,
                    entry=batch.entry,
                    events=sum(plan.outcome.applied.values()),
                    now_ms=known.now_ms,
                    now_text=_text(known.now_ms),
                    valid_until_ms=plan.valid_until_ms,
                )
            except StaleError:
                self._metrics.commits.labels("stale").inc()
                recall.forget_records()
                with translated():
                    self.ownership.records = int(await self._client.hget(keys.cursor(self._number), "records") or 0)
                continue
            failpoints.pass_by("after_commit")
            recall.committed(plan, known.now_ms)
            self._count(plan.outcome, applied.letters_dropped)
            return

    def _count(self, outcome: Outcome, letters_dropped: int) -> None:
        metrics = self._metrics
        metrics.commits.labels("ok").inc()
        for event_type, count in outcome.applied.items():
            metrics.events.labels(event_type, "applied").inc(count)
        if outcome.duplicates:
            metrics.events.labels("any", "duplicate").inc(outcome.duplicates)
        for reason, count in outcome.letters.items():
            metrics.letters.labels(reason).inc(count)
        good = sum(outcome.applied.values()) + outcome.duplicates
        self.poison.batch(good, sum(outcome.letters.values()), letters_dropped)
        metrics.goals_dropped.inc(outcome.goals_dropped)


def _text(ms: int) -> str:
    """Milliseconds since the epoch as RFC 3339."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
