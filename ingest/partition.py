"""One owned partition: read entries, find out what must be known, plan, commit.

    XREAD from the cursor ─▶ read_entry ─▶ Recall ─▶ Planner ─▶ commit ─▶ the cursor has moved

A worker that dies anywhere on the way has changed nothing; its successor reads from the same cursor.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from ingest.batch import Planner
from ingest.entries import Arrival, Letter, read_entry
from ingest.lease import Taken
from ingest.metrics import Metrics
from ingest.plan import Outcome
from ingest.poison import Poison
from ingest.recall import Recall
from store import failpoints, keys
from store.client import Client, translated
from store.commit import StaleError, commit
from store.operations import Operations
from store.settings import Settings

# One read may bring so many bytes of entries, about; an entry may have 16 MB, so the first reads are careful.
_READ_BYTES = 4 << 20
_FIRST_READ_ENTRIES = 8
_MOST_ENTRIES = 5_000

Entry = tuple[bytes, Sequence[bytes]]  # its id; names and values of its fields in turn


class Partition:
    """A partition in its owner's hands."""

    def __init__(self, client: Client, settings: Settings, partitions: int, taken: Taken, metrics: Metrics) -> None:
        self.ownership = taken.ownership
        self._number = taken.ownership.partition
        self._client = client
        self._settings = settings
        self._partitions = partitions
        self._metrics = metrics
        self._recall = Recall(client, settings, self._number, taken.id_counts)
        self.poison = Poison(self._number, metrics)
        self._read_entries = _FIRST_READ_ENTRIES

    async def run_once(self, block_ms: int | None) -> int:
        """Apply what one read brings, waiting `block_ms` for the first entry; the number of entries.

        Raises:
            LeaseLostError: somebody else owns the partition.
            StoreUnavailableError: whether the last batch went in is unknown; take the lease anew to find out.
        """
        entries = await self._read(block_ms)
        if entries:
            failpoints.pass_by("after_read")
        at = 0
        while at < len(entries):
            started = time.perf_counter()
            arrivals, letters, following = self._decode(entries, at)
            await self._apply(arrivals, letters, entries[following - 1][0].decode())
            at = following
            self._metrics.commit_seconds.observe(time.perf_counter() - started)
        return len(entries)

    async def _read(self, block_ms: int | None) -> Sequence[Entry]:
        block = () if block_ms is None else ("BLOCK", block_ms)
        with translated():
            reply = await self._client.execute_command(
                *("XREAD", "COUNT", self._read_entries, *block, "STREAMS"),
                *(keys.events(self._number), self.ownership.entry),
            )
        if not reply:
            return []
        entries: list[Entry] = reply[0][1] if isinstance(reply, list) else next(iter(reply.values()))
        size = sum(len(value) for _, fields in entries for value in fields)
        if size > _READ_BYTES:
            self._read_entries = max(1, self._read_entries * _READ_BYTES // size)
        elif len(entries) == self._read_entries:
            self._read_entries = min(self._read_entries * 2, _MOST_ENTRIES)
        return entries

    def _decode(self, entries: Sequence[Entry], first: int) -> tuple[list[Arrival], list[Letter], int]:
        """Whole entries from `first` on, until there are events enough for a batch; the index of the entry after them."""
        arrivals: list[Arrival] = []
        letters: list[Letter] = []
        at = first
        while at < len(entries) and len(arrivals) + len(letters) < self._settings.batch_events:
            entry, fields = entries[at]
            good, bad = read_entry(entry.decode(), fields, self._number, self._partitions)
            arrivals += good
            letters += bad
            at += 1
        return arrivals, letters, at

    async def _apply(self, arrivals: list[Arrival], letters: list[Letter], entry: str) -> None:
        recall = self._recall
        while True:
            events = await recall.identify(arrivals)
            known = await recall.batch(events)
            failpoints.pass_by("after_recall")
            operations = Operations(known.now_ms // 1000, recall.told)
            plan = Planner(self._number, self._settings, recall.remembered, known, operations).plan(events, letters)
            failpoints.pass_by("after_plan")
            failpoints.pass_by("before_commit")
            # The loop gets to it when the commit waits for its answer.
            asyncio.get_running_loop().call_soon(failpoints.pass_by, "inside_commit")
            try:
                applied = await commit(
                    self._client,
                    self._settings,
                    self.ownership,
                    plan.operations,
                    entry=entry,
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
