"""One owned partition: read entries, look up their state, plan, commit.

    Reader ─▶ OwnerCache ─▶ (newer rules of a zone?) ─▶ Planner ─▶ commit ─▶ the cursor has moved
                  ▲                    │                              │
                  └─────── adopt ──────┴──────────── stale ───────────┘

A worker that dies anywhere on the way has changed nothing; its successor reads from the same cursor.
"""

import asyncio
import time
from collections.abc import Sequence

from sidedata import failpoints
from sidedata.ingest.apply.model import Batch, Outcome
from sidedata.ingest.apply.owner_cache import OwnerCache
from sidedata.ingest.apply.planner import Planner
from sidedata.ingest.apply.reader import LargeBatches, Reader, StreamSource
from sidedata.ingest.apply.throttle import DeadLetterThrottle
from sidedata.ingest.dedup.deduplicator import Deduplicator
from sidedata.ingest.dedup.id_filters import FilterMemory
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.ownership.lease import Lease
from sidedata.ingest.zones.adopter import Adopter
from sidedata.ingest.zones.rulebook import Rulebook
from sidedata.ingest.zones.upgrade import Upgrade
from sidedata.operations import Operations
from sidedata.reads.owner import read_strings, records_revision
from sidedata.redis.gateway import Gateway
from sidedata.settings import Settings
from sidedata.writes.commit import Ownership, StaleError, commit


class Partition:
    """A partition in its owner's hands.

    Args:
        throttle: the pauses of a stream that brings nothing but dead letters; None for a source that needs none.
        adopter: adopts newer rules of zones; None for a shadow, which is cut by the rules of its record.
    """

    def __init__(
        self,
        gateway: Gateway,
        settings: Settings,
        ownership: Ownership,
        *,
        reader: Reader,
        owner_cache: OwnerCache,
        deduplicator: Deduplicator,
        throttle: DeadLetterThrottle | None,
        metrics: Metrics,
        adopter: Adopter | None = None,
    ) -> None:
        self.ownership = ownership
        self.reader = reader
        self._gateway = gateway
        self._settings = settings
        self._owner_cache = owner_cache
        self._deduplicator = deduplicator
        self._throttle = throttle
        self._metrics = metrics
        self._adopter = adopter

    @property
    def pause_seconds(self) -> float:
        """The pause before the next read, 0 for none."""
        return 0.0 if self._throttle is None else self._throttle.pause_seconds

    async def run_once(self, block_ms: int | None) -> Outcome | None:
        """Apply one batch, waiting `block_ms` for its first entry; None if there is none.

        Raises:
            LeaseLostError: another owner has the partition.
            StopError: going on would be wrong.
            StoreUnavailableError: the batch may have been applied or not; acquire the partition again to find out.
        """
        batch = await self.reader.take(block_ms)
        if batch is None:
            return None
        start = time.perf_counter()
        outcome = await self.apply(batch)
        self._metrics.commit_seconds.observe(time.perf_counter() - start)
        return outcome

    async def apply(self, batch: Batch) -> Outcome:
        """Apply a batch; see `run_once`."""
        owner_cache, deduplicator, ownership = self._owner_cache, self._deduplicator, self.ownership
        while True:
            # 1. Resolve, again where the records were dropped since the batch was read.
            if batch.epoch != owner_cache.epoch:
                batch.queries = await owner_cache.resolve(batch.events)
                batch.epoch = owner_cache.epoch
            if owner_cache.due and self._adopter is not None:
                # No commit is under way, so the hours that days are cut from stay as they are.
                for organization in list(owner_cache.due):
                    await self._adopter.adopt(ownership, organization)
                await self._forget_records()
                continue

            # 2. Fetch the next entries, and look up the state that the events are planned on.
            await self.reader.fetch()
            if stored := deduplicator.filters.stored_keys():
                deduplicator.filters.load(await read_strings(self._gateway, stored))
            id_queries = deduplicator.queries(batch.queries.id_hashes)
            lookups = await owner_cache.look_up(batch.queries, id_queries)
            failpoints.pass_by("after_look_up")

            # 3. Plan. It takes milliseconds as a rule; a visitor of a thousand workflows and goals can make it minutes. In a
            # thread of its own it delays neither the renewal of leases nor the other partitions.
            operations = Operations(ownership.keyspace, lookups.now_ms // 1000, owner_cache.known_expiries)
            planner = Planner(self._settings, deduplicator, lookups, operations)
            plan = await asyncio.to_thread(planner.plan, batch.events, batch.dead_letters)
            failpoints.pass_by("after_plan")

            # 4. Commit; the next batch is decoded while Redis works on this one.
            failpoints.pass_by("before_commit")
            try:
                result = await commit(
                    self._gateway,
                    self._settings,
                    ownership,
                    operations,
                    entry=batch.entry,
                    events=sum(plan.outcome.events.values()),
                    now_ms=lookups.now_ms,
                    valid_until_ms=plan.valid_until_ms,
                    on_sent=self._continue,
                )
            except StaleError:
                # 5. Or the state has changed: drop the records, and again.
                self._metrics.commits.labels("stale").inc()
                await self._forget_records()
                continue
            failpoints.pass_by("after_commit")

            # 6. Record the new state.
            owner_cache.apply(plan)
            deduplicator.record(plan.new_ids, lookups.now_ms, appended=result.appended)
            plan.outcome.entries = batch.entries
            plan.outcome.dead_letters_dropped = result.dead_letters_dropped
            self._record(plan.outcome)
            return plan.outcome

    async def compare_zones(self, organizations: Sequence[str]) -> None:
        """Compare the rules of organizations' zones with newer ones and adopt these; not while `run_once` runs.

        Raises:
            LeaseLostError: another owner has the partition.
            StoreUnavailableError: Redis is out of reach; acquire the partition again.
        """
        if self._adopter is not None and await self._adopter.compare(self.ownership, organizations):
            await self._forget_records()

    async def finish_comparison(self, release: str) -> None:
        """Record that all organizations were compared with that release."""
        if self._adopter is not None:
            await self._adopter.finish(self.ownership, release)

    def _continue(self) -> None:
        """Begin with the next batch. Before the commit is sent this would take the time in which Redis waits for the rest of it."""
        failpoints.pass_by("inside_commit")
        self.reader.read_ahead()

    async def _forget_records(self) -> None:
        self._owner_cache.drop_records()
        self.ownership.records = await records_revision(self._gateway, self.ownership.keyspace)

    def _record(self, outcome: Outcome) -> None:
        metrics = self._metrics
        metrics.commits.labels("ok").inc()
        for event_type, count in outcome.events.items():
            metrics.events.labels(event_type, "applied").inc(count)
        if outcome.duplicates:
            metrics.events.labels("any", "duplicate").inc(outcome.duplicates)
        for reason, count in outcome.dead_letters.items():
            metrics.dead_letters.labels(reason).inc(count)
        metrics.goals_dropped.inc(outcome.goals_dropped)
        if self._throttle is not None:
            self._throttle.record(
                valid=sum(outcome.events.values()) + outcome.duplicates,
                dead_letters=sum(outcome.dead_letters.values()),
                dropped=outcome.dead_letters_dropped,
            )


def live_partition(
    gateway: Gateway,
    settings: Settings,
    partitions: int,
    lease: Lease,
    metrics: Metrics,
    rulebook: Rulebook | None = None,
    large_batches: LargeBatches | None = None,
    filter_memory: FilterMemory | None = None,
) -> Partition:
    """Build a partition that applies its stream; `partitions` is the number of the installation's."""
    ownership = lease.ownership
    keyspace = ownership.keyspace
    upgrade = Upgrade(lease.former_until, is_compared=lease.is_compared)
    adopter = Adopter(gateway, settings, rulebook or Rulebook(settings), metrics, upgrade)
    owner_cache = OwnerCache(gateway, settings, keyspace, adopter)
    source = StreamSource(gateway, keyspace, ownership.entry)
    return Partition(
        gateway,
        settings,
        ownership,
        reader=Reader(
            source, owner_cache, keyspace.partition, partitions, settings.batch_events, large_batches or LargeBatches()
        ),
        owner_cache=owner_cache,
        deduplicator=Deduplicator(
            keyspace, settings.keep_ids_hours, lease.ids, filter_memory or FilterMemory(settings)
        ),
        throttle=DeadLetterThrottle(keyspace.partition, metrics),
        metrics=metrics,
        adopter=adopter,
    )
