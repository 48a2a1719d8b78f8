"""What the owner of a partition knows of its store, and how it comes to know more.

All of it is written by the owner alone, except the records of organizations and workflows: whoever changes one of those counts
the cursor's `records` up, and a commit that was planned on older ones is refused. So copies are kept from batch to batch and
only what is new to the owner is read.
"""

from collections.abc import Iterable
from typing import Any

from ingest.entries import Arrival
from ingest.plan import NEVER_MS, Known, OpenHour, Organization, Plan, WorkflowHour
from ingest.remembered import Remembered
from store import keys
from store.client import Client, translated
from store.errors import StopError, UsageError
from store.events import Kind
from store.hashing import Hasher
from store.scripts import script
from store.settings import Settings
from store.zones import DAY_SECONDS, zone

_REMEMBERED = script("remembered", reaches=True)
_MOST_CACHED = 100_000  # organizations, kinds, open hours and names, each


class Recall:
    """The owner's knowledge of one partition."""

    def __init__(self, client: Client, settings: Settings, partition: int, id_counts: dict[int, int]) -> None:
        self._client = client
        self._partition = partition
        self._oldest_seconds = (settings.keep_day_days + 2) * DAY_SECONDS
        self._hasher = Hasher(settings.secret)
        self.remembered = Remembered(partition, settings.keep_ids_hours, id_counts)
        self.organizations: dict[str, Organization] = {}
        self.kinds: dict[tuple[str, str], Kind | None] = {}
        self._hours: dict[WorkflowHour, OpenHour] = {}
        self._goals: dict[str, tuple[int, str]] = {}

    async def records(self, arrivals: Iterable[Arrival]) -> None:
        """Get to know the organizations and workflows of these events."""
        organizations: dict[str, None] = {}
        workflows: dict[tuple[str, str], None] = {}
        for arrival in arrivals:
            event = arrival.event
            if event.organization_id not in self.organizations:
                organizations[event.organization_id] = None
            if event.workflow_id is not None and (event.organization_id, event.workflow_id) not in self.kinds:
                workflows[event.organization_id, event.workflow_id] = None
        if not organizations and not workflows:
            return
        pipeline = self._client.pipeline(transaction=False)
        for organization in organizations:
            pipeline.hgetall(keys.organization(self._partition, organization))
        for workflow in workflows:
            pipeline.hget(keys.workflow(self._partition, *workflow), "kind")
        with translated():
            replies = iter(await pipeline.execute())
        now_ms, _ = await self._seen([])
        for organization in organizations:
            self.organizations[organization] = self._organization(organization, next(replies), now_ms)
        for workflow in workflows:
            kind = next(replies)
            self.kinds[workflow] = kind.decode() if kind else None

    def _organization(self, organization_id: str, record: dict[bytes, bytes], now_ms: int) -> Organization:
        try:
            reporting = zone(record.get(b"timezone", b"UTC").decode())
        except UsageError as error:
            raise StopError(f"the record of organization {organization_id}: {error}") from error
        since_ms = int(record.get(b"since", now_ms))
        return Organization(organization_id, reporting, since_ms, self._hasher, has_events=b"has_events" in record)

    async def batch(self, arrivals: Iterable[Arrival], hashes: Iterable[int]) -> Known:
        """What must be known to plan these events, with the time at which Redis said so."""
        now_ms, seen = await self._seen(hashes)
        known = Known(now_ms, seen, hours=self._hours, goals=self._goals)
        visitors: dict[str, None] = {}
        hours: dict[WorkflowHour, tuple[str, str, str]] = {}
        goals: dict[str, None] = {}
        for arrival in arrivals:
            event = arrival.event
            organization = self.organizations[event.organization_id]
            if event.type == "page_view":
                self._ask_hour(organization, event.workflow_id or "", event.at_us // 1_000_000, now_ms, hours)
            elif event.type in ("interaction", "goal_reached"):
                visitors[keys.visitor(self._partition, organization.id, organization.visitor(event.visitor_id))] = None
            if event.goal_id is not None:
                goal = keys.goal(self._partition, organization.id, event.goal_id)
                if goal not in self._goals:
                    goals[goal] = None
        if visitors or hours or goals:
            known.visitors = await self._read(visitors, hours, goals, now_ms)
        return known

    async def _seen(self, hashes: Iterable[int]) -> tuple[int, set[int]]:
        """Redis's time in milliseconds, and which of these ids were applied before."""
        questions = self.remembered.questions(hashes)
        with translated():
            reply: list[Any] = await _REMEMBERED(self._client, [keys.cursor(self._partition)], [questions])
        return int(reply[0]), {int(value) for value in reply[1:]}

    async def _read(
        self,
        visitors: Iterable[str],
        hours: dict[WorkflowHour, tuple[str, str, str]],
        goals: Iterable[str],
        now_ms: int,
    ) -> dict[str, Any]:
        """Learn about hours and goals for good; the visitors' state, by key, is good for one batch."""
        pipeline = self._client.pipeline(transaction=False)
        for key in visitors:
            pipeline.hgetall(key)
        for visitors_key, counts, field in hours.values():
            pipeline.pttl(visitors_key)
            pipeline.hget(counts, field)
        for key in goals:
            pipeline.get(key)
        with translated():
            replies = iter(await pipeline.execute())
        states = {key: next(replies) for key in visitors}
        for hour in hours:
            self._hours[hour] = _open_hour(next(replies), next(replies), now_ms)
        for key in goals:
            if named := next(replies):
                at_us, _, name = named.decode().partition(" ")
                self._goals[key] = (int(at_us), name)
        return states

    def _ask_hour(
        self,
        organization: Organization,
        workflow_id: str,
        second: int,
        now_ms: int,
        hours: dict[WorkflowHour, tuple[str, str, str]],
    ) -> None:
        """Note that an hour must be looked at, unless it is known to be open for a while."""
        if second < now_ms // 1000 - self._oldest_seconds:
            return  # far too old for a zone to be asked; the planner refuses it
        place = organization.places.at(second)
        hour = (organization.id, workflow_id, place.hour.start)
        cached = self._hours.get(hour)
        if hour in hours or (cached is not None and cached.until_ms > now_ms):
            return
        in_hour = (
            f"{keys.buckets(self._partition, organization.id, workflow_id, 'hour')}{keys.instant(place.hour.start)}:"
        )
        in_day = f"{keys.buckets(self._partition, organization.id, workflow_id, 'day')}{keys.instant(place.day.start)}:"
        hours[hour] = (in_hour + "visitors", in_day + "counts", keys.hour_field(place.hour.index, place.hour.offset))

    def committed(self, plan: Plan, now_ms: int) -> None:
        """A commit made the plan true."""
        for organization in plan.organizations:
            organization.has_events = True
        self.kinds |= plan.kinds
        self._hours |= plan.opened
        self._goals |= plan.names
        self.remembered.added(plan.new_ids, now_ms)
        for cache in (self.organizations, self.kinds, self._hours, self._goals):
            if len(cache) > _MOST_CACHED:
                cache.clear()

    def forget_records(self) -> None:
        """Records have changed, or an hour may have been sealed: read them anew."""
        self.organizations.clear()
        self.kinds.clear()
        self._hours.clear()


def _open_hour(ttl_ms: int, stored: bytes | None, now_ms: int) -> OpenHour:
    """Whether an hour may still be written: its sketch is there, or it never had one."""
    if ttl_ms == -2:
        return OpenHour(sealed=stored is not None, until_ms=NEVER_MS)
    return OpenHour(sealed=False, until_ms=NEVER_MS if ttl_ms < 0 else now_ms + ttl_ms)
