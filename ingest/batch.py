"""A batch from entries to operations: what must be known first, then what it does. Pure.

The owner of a partition is the only one who writes it, so whatever it reads still holds when it commits (the fence, the
records' revision and `valid_until_ms` see to it). Planning is therefore plain code over dictionaries:

    entries ─▶ Arrival ─▶ seen before? ─▶ too old? ─▶ wrong kind? ─▶ sealed hour? ─▶ Additions, visitors' state
                  └─▶ Letter ◀──────────────┴──────────────┴───────────────┘
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from ingest.aggregate import Additions, Place, write
from ingest.attribution import FORGET_MS, Goal, Visitor
from ingest.entries import Arrival, Letter
from ingest.plan import Known, OpenHour, Organization, Outcome, Plan, WorkflowHour
from ingest.remembered import Remembered
from store import keys
from store.cover import SLACK_SECONDS, Retention
from store.events import PURCHASE_GOAL, Event, Fault, Kind
from store.operations import Operations
from store.settings import Settings
from store.zones import DAY_SECONDS

_UNNAMED = (-(1 << 62), "")  # older than any event
# Fields of an entry that a letter keeps one by one. Lua can't pass on many thousands at once, so more are kept packed as one.
_MOST_FIELDS = 1_000
_FIELDS = msgspec.msgpack.Encoder()


class Planner:
    """Plans one batch of one partition."""

    def __init__(
        self,
        partition: int,
        settings: Settings,
        organizations: Mapping[str, Organization],
        kinds: Mapping[tuple[str, str], Kind | None],
        remembered: Remembered,
        known: Known,
    ) -> None:
        self._partition = partition
        self._settings = settings
        self._organizations = organizations
        self._kinds = kinds
        self._remembered = remembered
        self._known = known
        self._retention = Retention.of(settings)
        self._now = known.now_ms // 1000
        self._operations = Operations()
        self._outcome = Outcome()
        self._valid_until_ms = remembered.ends_ms(known.now_ms)
        self._additions: dict[tuple[str, str], Additions] = {}
        self._visitors: dict[str, Visitor] = {}
        self._names: dict[str, tuple[int, str]] = {}
        self._renamed: set[str] = set()  # organizations in which a goal goes by another name now
        self._new_ids: dict[int, None] = {}
        self._new_kinds: dict[tuple[str, str], Kind] = {}
        self._touched: dict[str, Organization] = {}
        self._opened: dict[WorkflowHour, OpenHour] = {}

    def plan(self, arrivals: list[Arrival], letters: list[Letter], hashes: list[int | None]) -> Plan:
        """What the batch does. `hashes` are those of the arrivals' own ids, in the same order."""
        for letter in letters:
            self._letter(letter)
        for arrival, id_hash in zip(arrivals, hashes, strict=True):
            if id_hash is not None and (id_hash in self._new_ids or id_hash in self._known.seen):
                self._outcome.duplicates += 1
                continue
            fault = self._apply(arrival)
            if fault is not None:
                self._letter(Letter(fault, arrival.entry, arrival.raw))
            elif id_hash is not None:
                self._new_ids[id_hash] = None
        self._write()
        return Plan(
            self._operations,
            self._outcome,
            self._valid_until_ms,
            len(self._new_ids),
            self._new_kinds,
            [organization for organization in self._touched.values() if not organization.has_events],
            self._opened,
            self._names,
        )

    def _apply(self, arrival: Arrival) -> Fault | None:
        event = arrival.event
        organization = self._organizations[event.organization_id]
        second = event.at_us // 1_000_000
        # What is far too old never gets near the zone, which knows no dates before year 1.
        if second < self._now - self._retention.day - 2 * DAY_SECONDS:
            return Fault("too_old", "before the days that are kept")
        place = organization.places.at(second)
        kept_until = place.day.end + self._retention.day
        if kept_until <= self._now:
            return Fault("too_old", "before the days that are kept")
        if event.workflow_id is not None:
            fault = self._wrong_kind(event, event.workflow_id) or self._sealed(event, event.workflow_id, place)
            if fault:
                return fault
        self._valid_until_ms = min(self._valid_until_ms, kept_until * 1000)
        self._touched[organization.id] = organization
        self._outcome.applied[event.type] = self._outcome.applied.get(event.type, 0) + 1
        visitor, session = organization.visitor(event.visitor_id), organization.session(event.session_id)
        if event.goal_id is not None and event.goal_name is not None:
            self._name(event.organization_id, event.goal_id, (event.at_us, event.goal_name))
        if event.workflow_id is None:
            self._reach(arrival, organization, visitor, session)
            return None
        workflow = (event.organization_id, event.workflow_id)
        self._added(workflow, event.kind).event(event, place, visitor, session)
        if workflow not in self._new_kinds and self._kinds.get(workflow) is None:
            self._new_kinds[workflow] = event.kind
        if event.type == "interaction":
            for goal in self._visitor(organization, visitor).interact(event.workflow_id, event.at_us, arrival.entry_ms):
                self._affect(organization, event.workflow_id, goal, visitor)
        return None

    def _wrong_kind(self, event: Event, workflow_id: str) -> Fault | None:
        workflow = (event.organization_id, workflow_id)
        kind = self._kinds.get(workflow) or self._new_kinds.get(workflow)
        if kind is None or kind == event.kind:
            return None
        return Fault("workflow_kind_mismatch", f"{event.type} belongs to {event.kind} workflows; this one is {kind}")

    def _sealed(self, event: Event, workflow_id: str, place: Place) -> Fault | None:
        if event.type != "page_view":
            return None
        key = (event.organization_id, workflow_id, place.hour.start)
        hour = self._known.hours[key]
        if hour.sealed:
            return Fault("too_old", "the hour is sealed: its count is stored, the sketch behind it is gone")
        self._valid_until_ms = min(self._valid_until_ms, hour.until_ms)
        # Two seconds less than Redis was told: an hour that may be gone is looked at again instead.
        self._opened[key] = OpenHour(
            sealed=False, until_ms=(self._retention.hour_expiry(place.day, self._now) - 2) * 1000
        )
        return None

    def _reach(self, arrival: Arrival, organization: Organization, visitor: str, session: str) -> None:
        event = arrival.event
        assert event.goal_id is not None  # noqa: S101 - decoding saw to it
        paid = event.units is not None and event.goal_name == PURCHASE_GOAL
        goal = Goal(
            event.at_us,
            event.goal_id,
            session,
            event.units if paid else None,
            event.currency if paid else None,
            arrival.entry_ms,
            f"{arrival.entry}.{arrival.place}",
        )
        for workflow_id in self._visitor(organization, visitor).reach(goal):
            self._affect(organization, workflow_id, goal, visitor)

    def _affect(self, organization: Organization, workflow_id: str, goal: Goal, visitor: str) -> None:
        bucket = self._added((organization.id, workflow_id), "interaction").bucket(
            organization.places.at(goal.at_us // 1_000_000)
        )
        bucket.goal("affected", goal.goal_id, visitor, goal.session)
        if goal.units is not None and goal.currency is not None:
            bucket.paid(goal.currency, goal.units)

    def _added(self, workflow: tuple[str, str], kind: Kind) -> Additions:
        additions = self._additions.get(workflow)
        if additions is None:
            additions = self._additions[workflow] = Additions(kind)
        return additions

    def _visitor(self, organization: Organization, visitor: str) -> Visitor:
        key = keys.visitor(self._partition, organization.id, visitor)
        state = self._visitors.get(key)
        if state is None:
            window_us = self._settings.affect_hours * 3_600_000_000
            state = Visitor(self._known.visitors.get(key, {}), window_us, self._settings.visitor_goals)
            self._visitors[key] = state
        return state

    def _name(self, organization_id: str, goal_id: str, named: tuple[int, str]) -> None:
        """The newest event's name stands, at equal times the greater string."""
        key = keys.goal(self._partition, organization_id, goal_id)
        known = self._known.goals.get(key, _UNNAMED)
        if named > max(self._names.get(key, _UNNAMED), known):
            self._names[key] = named
            if named[1] != known[1]:
                self._renamed.add(organization_id)

    def _letter(self, letter: Letter) -> None:
        reason = letter.fault.reason
        self._outcome.letters[reason] = self._outcome.letters.get(reason, 0) + 1
        fields: dict[str, Any] = {
            "reason": reason,
            "detail": letter.fault.detail,
            "entry": letter.entry,
            "event": letter.raw,
        }
        # Fields of an entry in a form that we don't know are kept beside, so that nothing of it is lost.
        kept = letter.fields
        if len(kept) > _MOST_FIELDS:
            kept = {b"fields": _FIELDS.encode(kept), b"event": b""}
        fields |= {f"field:{name.decode(errors='replace')}": value for name, value in kept.items() if name != b"event"}
        self._operations.letter(fields)

    def _write(self) -> None:
        operations, partition, now = self._operations, self._partition, self._now
        for (organization_id, workflow_id), additions in self._additions.items():
            write(
                operations,
                organization_id,
                workflow_id,
                additions,
                partition=partition,
                retention=self._retention,
                now=now,
            )
        for key, (at_us, name) in self._names.items():
            operations.set(key, f"{at_us} {name}", now + self._retention.day + self._retention.late + 2 * DAY_SECONDS)
        for organization_id in self._renamed:
            operations.renamed(keys.organization(partition, organization_id))
        for key, visitor in self._visitors.items():
            if changed := visitor.changed_fields():
                operations.put(key, changed, now + FORGET_MS // 1000 + SLACK_SECONDS)
            if gone := visitor.gone_fields():
                operations.drop(key, gone)
            self._outcome.goals_dropped += visitor.goals_dropped
        for organization in self._touched.values():
            if not organization.has_events:
                record = {"timezone": organization.zone.name, "has_events": "1", "since": str(organization.since_ms)}
                operations.put(keys.organization(partition, organization.id), record, 0)
        self._remembered.add(operations, list(self._new_ids), self._known.now_ms)
