"""One owned partition: read a batch, find out what must be known, plan it, commit it.

    XREAD from the cursor ─▶ entries ─▶ Batch ─▶ what is remembered ─▶ Planner ─▶ commit ─▶ the cursor moves

Everything kept here between batches is a copy of what only the owner writes, good as long as the lease is.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from ingest.batch import NEVER_MS, Known, OpenHour, Organization, Plan, Planner, hour_visitors
from ingest.entries import Arrival, Letter, read_entry
from ingest.metrics import Metrics
from ingest.remembered import Remembered
from store import keys
from store.client import Client, translated
from store.commit import Ownership, StaleError, commit
from store.errors import StopError, UsageError
from store.events import Kind
from store.hashing import Hasher
from store.scripts import script
from store.settings import Settings
from store.zones import zone

_REMEMBERED = script("remembered")
# One read may bring so many bytes of entries, about; an entry may have 16 MB, so the first reads are careful.
_READ_BYTES = 4 << 20
_MOST_ENTRIES = 5_000
_MOST_CACHED = 100_000  # names, kinds and open hours each

Entry = tuple[str, dict[bytes, bytes]]


class Partition:
    """A partition and what its owner knows of it."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        partitions: int,
        ownership: Ownership,
        counts: dict[int, int],
        metrics: Metrics,
    ) -> None:
        self._client = client
        self._settings = settings
        self._partitions = partitions
        self.ownership = ownership
        self._number = ownership.partition
        self._metrics = metrics
        self._hasher = Hasher(settings.secret)
        self._remembered = Remembered(self._number, settings.keep_ids_hours, counts)
        self._organizations: dict[str, Organization] = {}
        self._kinds: dict[tuple[str, str], Kind | None] = {}
        self._hours: dict[str, OpenHour] = {}
        self._goals: dict[str, tuple[int, str]] = {}
        self._read_count = 8

    async def run_once(self, block_ms: int | None) -> int:
        """Apply what is in the stream, up to one read; the number of entries.

        Raises:
            LeaseLostError: somebody else owns the partition.
            StoreUnavailableError: whether the last batch went in is unknown; take the lease anew to find out.
        """
        entries = await self._read(block_ms)
        at = 0
        while at < len(entries):
            started = time.perf_counter()
            arrivals, letters, following = self._decode(entries, at)
            await self._apply(arrivals, letters, entries[following - 1][0])
            at = following
            self._metrics.commit_seconds.observe(time.perf_counter() - started)
        return len(entries)

    async def _read(self, block_ms: int | None) -> Sequence[Entry]:
        with translated():
            reply = await self._client.xread(
                {keys.events(self._number): self.ownership.entry}, count=self._read_count, block=block_ms
            )
        if not reply:
            return []
        streams = reply.values() if isinstance(reply, dict) else [reply[0][1]]
        rows = next(iter(streams))
        if rows and isinstance(rows[0], list) and rows[0] and isinstance(rows[0][0], (list, tuple)):
            rows = rows[0]
        entries = [(entry.decode(), fields) for entry, fields in rows]
        size = sum(len(value) for _, fields in entries for value in fields.values())
        if size > _READ_BYTES:
            self._read_count = max(1, self._read_count * _READ_BYTES // size)
        elif len(entries) == self._read_count:
            self._read_count = min(self._read_count * 2, _MOST_ENTRIES)
        return entries

    def _decode(self, entries: Sequence[Entry], first: int) -> tuple[list[Arrival], list[Letter], int]:
        """Whole entries from `first` on, until there are events enough for a batch."""
        arrivals: list[Arrival] = []
        letters: list[Letter] = []
        at = first
        while at < len(entries) and len(arrivals) + len(letters) < self._settings.batch_events:
            good, bad = read_entry(*entries[at], self._number, self._partitions)
            arrivals += good
            letters += bad
            at += 1
        return arrivals, letters, at

    async def _apply(self, arrivals: list[Arrival], letters: list[Letter], entry: str) -> None:
        while True:
            try:
                await self._load_records(arrivals)
                hashes = [self._hash(arrival) for arrival in arrivals]
                known = await self._load(arrivals, [value for value in hashes if value is not None])
                now_text = (
                    datetime.fromtimestamp(known.now_ms / 1000, UTC)
                    .isoformat(timespec="milliseconds")
                    .replace("+00:00", "Z")
                )
                planner = Planner(
                    self._number, self._settings, self._organizations, self._kinds, self._remembered, known
                )
                plan = planner.plan(arrivals, letters, hashes)
                applied = await commit(
                    self._client,
                    self._settings,
                    self.ownership,
                    plan.operations,
                    entry=entry,
                    events=sum(plan.outcome.applied.values()),
                    now_ms=known.now_ms,
                    now_text=now_text,
                    valid_until_ms=plan.valid_until_ms,
                )
            except StaleError:
                self._metrics.commits.labels("stale").inc()
                await self._forget_records()
                continue
            self._committed(plan, known, applied.letters_dropped, entry)
            return

    def _hash(self, arrival: Arrival) -> int | None:
        """The hash of an event's own id; one without is told apart by its entry, which is applied once anyway."""
        event = arrival.event
        if event.id is None:
            return None
        return int.from_bytes(self._organizations[event.organization_id].event_id(event.id), "little", signed=True)

    async def _load_records(self, arrivals: Iterable[Arrival]) -> None:
        """Organizations and workflows that this owner hasn't met yet."""
        organizations: dict[str, None] = {}
        workflows: dict[tuple[str, str], None] = {}
        for arrival in arrivals:
            event = arrival.event
            if event.organization_id not in self._organizations:
                organizations[event.organization_id] = None
            if (
                event.workflow_id is not None
                and (workflow := (event.organization_id, event.workflow_id)) not in self._kinds
            ):
                workflows[workflow] = None
        if not organizations and not workflows:
            return
        pipeline = self._client.pipeline(transaction=False)
        for organization in organizations:
            pipeline.hgetall(keys.organization(self._number, organization))
        for workflow in workflows:
            pipeline.hget(keys.workflow(self._number, *workflow), "kind")
        with translated():
            replies = await pipeline.execute()
            now_ms = int((await _REMEMBERED(self._client, [keys.cursor(self._number)], []))[0])
        for organization, record in zip(organizations, replies, strict=False):
            self._organizations[organization] = self._organization(organization, record, now_ms)
        for workflow, kind in zip(workflows, replies[len(organizations) :], strict=True):
            self._kinds[workflow] = kind.decode() if kind else None

    def _organization(self, organization_id: str, record: dict[bytes, bytes], now_ms: int) -> Organization:
        try:
            reporting = zone(record.get(b"timezone", b"UTC").decode())
        except UsageError as error:
            raise StopError(f"the record of organization {organization_id}: {error}") from error
        since_ms = int(record.get(b"since", now_ms))
        return Organization(organization_id, reporting, since_ms, self._hasher, has_events=b"has_events" in record)

    async def _load(self, arrivals: Iterable[Arrival], hashes: list[int]) -> Known:
        """Remembered ids and the time; then, where there is need, visitors' state, open hours, names of goals."""
        with translated():
            reply: list[Any] = await _REMEMBERED(
                self._client, [keys.cursor(self._number)], self._remembered.questions(hashes)
            )
        known = Known(int(reply[0]), {int(value) for value in reply[1:]}, hours=self._hours, goals=self._goals)
        visitors: dict[str, None] = {}
        hours: dict[str, tuple[str, str]] = {}
        goals: dict[str, None] = {}
        for arrival in arrivals:
            event = arrival.event
            organization = self._organizations[event.organization_id]
            if event.type == "page_view":
                self._ask_hour(organization, event.workflow_id or "", event.at_us // 1_000_000, known.now_ms, hours)
            if event.type in ("interaction", "goal_reached"):
                visitors[keys.visitor(self._number, organization.id, organization.visitor(event.visitor_id).hex())] = (
                    None
                )
            if (
                event.goal_id is not None
                and (goal := keys.goal(self._number, organization.id, event.goal_id)) not in self._goals
            ):
                goals[goal] = None
        if visitors or hours or goals:
            pipeline = self._client.pipeline(transaction=False)
            for key in visitors:
                pipeline.hgetall(key)
            for key, (counts, field) in hours.items():
                pipeline.pttl(key)
                pipeline.hget(counts, field)
            for key in goals:
                pipeline.get(key)
            with translated():
                replies = iter(await pipeline.execute())
            known.visitors = {key: next(replies) for key in visitors}
            for key in hours:
                self._hours[key] = _open_hour(next(replies), next(replies), known.now_ms)
            for key in goals:
                if named := next(replies):
                    at_us, _, name = named.decode().partition(" ")
                    self._goals[key] = (int(at_us), name)
        return known

    def _ask_hour(
        self, organization: Organization, workflow_id: str, second: int, now_ms: int, hours: dict[str, tuple[str, str]]
    ) -> None:
        """Note that an hour's key must be looked at, unless it is known to be open for a while."""
        if second < now_ms // 1000 - (self._settings.keep_day_days + 2) * 86400:
            return  # far too old for a zone to be asked; the planner refuses it
        place = organization.places.at(second)
        key = hour_visitors(self._number, organization.id, workflow_id, place)
        cached = self._hours.get(key)
        if key in hours or (cached is not None and cached.until_ms > now_ms):
            return
        counts = (
            f"{keys.buckets(self._number, organization.id, workflow_id, 'day')}{keys.instant(place.day.start)}:counts"
        )
        hours[key] = (counts, keys.hour_field(place.hour.index, place.hour.offset))

    async def _forget_records(self) -> None:
        """Something that the batch was planned on has changed: read it anew."""
        self._organizations.clear()
        self._kinds.clear()
        self._hours.clear()
        with translated():
            self.ownership.records = int(await self._client.hget(keys.cursor(self._number), "records") or 0)

    def _committed(self, plan: Plan, known: Known, letters_dropped: int, entry: str) -> None:
        """Bring what the owner knows up to what the commit made true."""
        for organization in plan.organizations:
            organization.has_events = True
        self._kinds |= plan.kinds
        self._hours |= plan.opened
        self._goals |= plan.names
        self._remembered.added(plan.new_ids, known.now_ms)
        for cache in (self._organizations, self._kinds, self._hours, self._goals):
            if len(cache) > _MOST_CACHED:
                cache.clear()
        metrics, outcome = self._metrics, plan.outcome
        metrics.commits.labels("ok").inc()
        for kind, count in outcome.applied.items():
            metrics.events.labels(kind, "applied").inc(count)
        if outcome.duplicates:
            metrics.events.labels("any", "duplicate").inc(outcome.duplicates)
        for reason, count in outcome.letters.items():
            metrics.letters.labels(reason).inc(count)
        metrics.letters_dropped.inc(letters_dropped)
        metrics.goals_dropped.inc(outcome.goals_dropped)
        metrics.lag_seconds.labels(str(self._number)).set(
            max(0.0, known.now_ms / 1000 - int(entry.partition("-")[0]) / 1000)
        )


def _open_hour(ttl_ms: int, stored: bytes | None, now_ms: int) -> OpenHour:
    """Whether an hour may still be written: its sketch is there, or it never had one."""
    if ttl_ms == -2:
        return OpenHour(sealed=stored is not None, until_ms=NEVER_MS)
    return OpenHour(sealed=False, until_ms=NEVER_MS if ttl_ms < 0 else now_ms + ttl_ms)
