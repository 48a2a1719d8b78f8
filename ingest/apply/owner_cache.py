"""What the owner of a partition knows of its store, and how it comes to know more.

All of it is written by the owner alone, except the records of organizations and workflows: whoever changes one of those counts
the cursor's `records` up, and a commit that was planned on older ones is refused. So copies are kept from batch to batch and
only what is new to the owner is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from sidedata.calendar.slots import Place
from sidedata.calendar.zones import DAY_SECONDS, zone
from sidedata.errors import StopError, UsageError
from sidedata.events.hashing import Hasher
from sidedata.ingest.apply.dedup import Remembered
from sidedata.ingest.apply.entries import Arrival
from sidedata.ingest.apply.model import NEVER_MS, Identified, Known, OpenHour, Organization, Plan, Workflow
from sidedata.redis.client import Client, translated
from sidedata.redis.scripts import script
from sidedata.schema import keys
from sidedata.settings import Settings

_RECALL = script("recall", reaches=True)
# What an owner remembers of one partition, some 100 bytes each: hashes of ids, and ids in buckets of 5 minutes ...
_MOST_IDS = 200_000
_MOST_RECORDS = 50_000  # ... organizations, workflows and hours, names of goals, expiries
_EARLIEST_SECOND = -62_135_000_000  # early in year 1; zones know nothing before it

_PACKER = msgspec.msgpack.Encoder()


class Recall:
    """The owner's knowledge of one partition."""

    def __init__(self, client: Client, settings: Settings, partition: int, id_counts: dict[int, int]) -> None:
        self._client = client
        self._partition = partition
        self._oldest_seconds = (settings.keep_day_days + 2) * DAY_SECONDS
        self._hasher = Hasher(settings.secret)
        self.remembered = Remembered(partition, settings.keep_ids_hours, id_counts)
        self.told: dict[str, int] = {}  # expiries that Redis was told, by key
        self._organizations: dict[str, Organization] = {}
        self._goals: dict[str, tuple[int, str]] = {}
        self.epoch = 0  # counts how often records were forgotten: what was identified before is to be identified anew
        self._now_ms = 0
        self._records = 0  # organizations, workflows and hours
        self._added = 0  # ids in buckets of 5 minutes

    async def identify(self, arrivals: Sequence[Arrival]) -> list[Identified]:
        """Whom these events are of, and where they belong."""
        concerned = {(arrival.event.organization_id, arrival.event.workflow_id) for arrival in arrivals}
        # This may run ahead of a commit, which makes us forget records if it finds others: then what was learnt is half gone.
        while True:
            epoch = self.epoch
            await self._learn(concerned)
            if epoch == self.epoch:
                break
        oldest = max(self._now_ms // 1000 - self._oldest_seconds, _EARLIEST_SECOND)
        organizations = self._organizations
        identified = []
        for arrival in arrivals:
            event = arrival.event
            organization = organizations[event.organization_id]
            second = event.at_us // 1_000_000
            identified.append(
                Identified(
                    arrival,
                    organization,
                    None if event.workflow_id is None else organization.workflows[event.workflow_id],
                    organization.visitors[event.visitor_id],
                    organization.sessions[event.session_id],
                    # One without an id is told apart by its entry, which is applied once anyway. A bit less than the hash
                    # has, because Redis's integers have a sign.
                    None if event.id is None else organization.event_ids.number(event.id) >> 1,
                    organization.places.at(second) if second >= oldest else None,
                )
            )
        return identified

    async def _learn(self, concerned: Iterable[tuple[str, str | None]]) -> None:
        """Get to know these organizations and workflows."""
        epoch = self.epoch
        organizations, workflows = self._unknown(concerned)
        if not organizations and not workflows:
            return
        pipeline = self._client.pipeline(transaction=False)
        for organization_id in organizations:
            pipeline.hgetall(keys.organization(self._partition, organization_id))
        for names in workflows:
            pipeline.hget(keys.workflow(self._partition, *names), "kind")
        with translated():
            replies = iter(await pipeline.execute())
        now_ms = (await self._ask([], [], [], []))[0]
        if epoch != self.epoch:
            return  # the caller sees it too
        for organization_id in organizations:
            self._organizations[organization_id] = self._organization(organization_id, next(replies), now_ms)
        for organization_id, workflow_id in workflows:
            workflow = self._organizations[organization_id].workflow(workflow_id)
            kind = next(replies)
            workflow.kind, workflow.read = kind.decode() if kind else None, True
        self._records += len(organizations) + len(workflows)

    def _unknown(self, concerned: Iterable[tuple[str, str | None]]) -> tuple[dict[str, None], list[tuple[str, str]]]:
        """The organizations and workflows among these that are to be read."""
        organizations: dict[str, None] = {}
        workflows: list[tuple[str, str]] = []
        for organization_id, workflow_id in concerned:
            known = self._organizations.get(organization_id)
            if known is None:
                organizations[organization_id] = None
            if workflow_id is not None:
                workflow = None if known is None else known.workflows.get(workflow_id)
                if workflow is None or not workflow.read:
                    workflows.append((organization_id, workflow_id))
        return organizations, workflows

    def _organization(self, organization_id: str, record: dict[bytes, bytes], now_ms: int) -> Organization:
        try:
            reporting = zone(record.get(b"timezone", b"UTC").decode())
        except UsageError as error:
            raise StopError(f"the record of organization {organization_id}: {error}") from error
        since_ms = int(record.get(b"since", now_ms))
        return Organization(organization_id, reporting, since_ms, self._hasher, has_events=b"has_events" in record)

    async def batch(self, identified: Iterable[Identified]) -> Known:
        """What must be known to plan these events, with the time at which Redis said so."""
        hashes: list[int] = []
        visitors: dict[str, None] = {}
        hours: dict[tuple[Workflow, int], Place] = {}
        goals: dict[str, None] = {}
        for one in identified:
            event = one.arrival.event
            if one.id_hash is not None:
                hashes.append(one.id_hash)
            if event.type == "page_view":
                self._ask_hour(one, hours)
                continue
            if event.type in ("interaction", "goal_reached"):
                visitors[keys.visitor(self._partition, event.organization_id, one.visitor)] = None
            if event.goal_id is not None:
                goals[keys.goal(self._partition, event.organization_id, event.goal_id)] = None
        unnamed = [key for key in goals if key not in self._goals]
        questions = self.remembered.questions(hashes)
        in_hours = [self._hour_question(workflow, place) for (workflow, _), place in hours.items()]
        now_ms, seen, states, opened, named = await self._ask(questions, list(visitors), in_hours, unnamed)
        for number, (workflow, start) in enumerate(hours):
            self._records += start not in workflow.hours
            workflow.hours[start] = _open_hour(opened[2 * number], opened[2 * number + 1], now_ms)
        for key, record in zip(unnamed, named, strict=True):
            if record:
                at_us, _, name = record.decode().partition(" ")
                self._goals[key] = (int(at_us), name)
        memories = {key: _hash(state) for key, state in zip(visitors, states, strict=True)}
        return Known(now_ms, set(map(int, seen)), memories, self._goals)

    def _ask_hour(self, one: Identified, hours: dict[tuple[Workflow, int], Place]) -> None:
        """Note that an hour must be looked at, unless it is known to be open for a while."""
        workflow, place = one.workflow, one.place
        if workflow is not None and place is not None:
            hour = workflow.hours.get(place.hour.start)
            if hour is None or hour.until_ms <= self._now_ms:
                hours[workflow, place.hour.start] = place

    def _hour_question(self, workflow: Workflow, place: Place) -> tuple[str, str, str]:
        names = (self._partition, workflow.organization.id, workflow.id)
        in_hour = f"{keys.bucket(*names, 'hour', place.hour.start)}visitors"
        in_day = f"{keys.bucket(*names, 'day', place.day.start)}counts"
        return in_hour, in_day, keys.hour_field(place.hour.index, place.hour.offset)

    async def _ask(
        self, ids: Sequence[Any], visitors: Sequence[str], hours: Sequence[Any], goals: Sequence[str]
    ) -> tuple[int, list[bytes], list[Any], list[Any], list[bytes | None]]:
        """Redis's time in milliseconds, and what it says to these questions."""
        questions = _PACKER.encode((ids, visitors, hours, goals))
        with translated():
            reply: list[Any] = await _RECALL(self._client, [keys.cursor(self._partition)], [questions])
        self._now_ms = int(reply[0])
        return self._now_ms, reply[1], reply[2], reply[3], reply[4]

    def committed(self, plan: Plan, now_ms: int) -> None:
        """A commit made the plan true."""
        for organization in plan.organizations:
            organization.has_events = True
        for workflow, kind in plan.kinds.items():
            workflow.kind, workflow.read = kind, True
        for workflow, start, hour in plan.opened:
            workflow.hours[start] = hour
        for fine, visitors, sessions in plan.added:
            fine.visitors |= visitors
            fine.sessions |= sessions
            self._added += len(visitors) + len(sessions)
        for workflow, logged in plan.logged.items():
            workflow.logged = logged
        self._goals |= plan.names
        self.told |= plan.operations.tells
        self.remembered.added(len(plan.new_ids), now_ms)
        self._bound()

    def _bound(self) -> None:
        """Forget what is more than enough; it is read, made or sent again when it is needed."""
        for cache in (self.told, self._goals):
            if len(cache) > _MOST_RECORDS:
                cache.clear()
        if self._records > _MOST_RECORDS:
            self.forget_records()
        if self._added > _MOST_IDS:
            self._added = 0
            for organization in self._organizations.values():
                for workflow in organization.workflows.values():
                    workflow.fines.clear()
        if self._hasher.kept > _MOST_IDS:
            self._hasher.kept = 0
            for organization in self._organizations.values():
                organization.visitors.clear()
                organization.sessions.clear()

    def forget_records(self) -> None:
        """Records have changed, or an hour may have been sealed: read them anew."""
        self.epoch += 1
        self._organizations.clear()
        self.told.clear()
        self._records = self._added = self._hasher.kept = 0


def _hash(flat: Sequence[bytes] | dict[bytes, bytes]) -> Mapping[bytes, bytes]:
    """A hash as a script hands it on: fields and values in turn, or already paired."""
    return flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))


def _open_hour(ttl_ms: int, stored: bytes | None, now_ms: int) -> OpenHour:
    """Whether an hour may still be written: its sketch is there, or it never had one."""
    if ttl_ms == -2:
        return OpenHour(sealed=stored is not None, until_ms=NEVER_MS)
    return OpenHour(sealed=False, until_ms=NEVER_MS if ttl_ms < 0 else now_ms + ttl_ms)
