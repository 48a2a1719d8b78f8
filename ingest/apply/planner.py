"""A batch from identified events to operations: what it does. Pure.

The owner of a partition is the only one who writes it, so whatever it reads still holds when it commits (the fence, the
records' revision and `valid_until_ms` see to it). Planning is therefore plain code over dictionaries:

    Identified ─▶ seen before? ─▶ too old? ─▶ wrong kind? ─▶ sealed hour? ─▶ Additions, visitors' state
       └─▶ Letter ◀──────────────────┴──────────────┴───────────────┘
"""

from collections.abc import Sequence

import msgspec

from sidedata.calendar.levels import SLACK_SECONDS, Retention
from sidedata.calendar.zones import DAY_SECONDS
from sidedata.events.decode import KIND_OF, PURCHASE_GOAL, Fault, Kind
from sidedata.ingest.apply.attribution import FORGET_MS, Goal, Visitor
from sidedata.ingest.apply.dedup import Remembered
from sidedata.ingest.apply.entries import Letter
from sidedata.ingest.apply.model import Fine, Identified, Known, OpenHour, Organization, Outcome, Plan, Workflow
from sidedata.ingest.apply.rollup import Additions, write
from sidedata.operations import Operations
from sidedata.schema import keys
from sidedata.settings import Settings

_UNNAMED = (-(1 << 62), "")  # older than any event
# Fields of an entry that a letter keeps one by one. Lua can't pass on many thousands at once, so more are kept packed as one.
_MOST_FIELDS = 1_000
_FIELDS = msgspec.msgpack.Encoder()

_TOO_OLD = Fault("too_old", "before the days that are kept")
_SEALED = Fault("too_old", "the hour is sealed: its count is stored, the sketch behind it is gone")


class Planner:
    """Plans one batch of one partition."""

    def __init__(
        self, partition: int, settings: Settings, remembered: Remembered, known: Known, operations: Operations
    ) -> None:
        self._partition = partition
        self._settings = settings
        self._remembered = remembered
        self._known = known
        self._retention = Retention.of(settings)
        self._now = known.now_ms // 1000
        self._operations = operations
        self._outcome = Outcome()
        self._valid_until_ms = remembered.ends_ms(known.now_ms)
        self._additions: dict[Fine, Additions] = {}
        self._visitors: dict[str, Visitor] = {}
        self._names: dict[str, tuple[int, str]] = {}
        self._renamed: set[str] = set()  # organizations in which a goal goes by another name now
        self._new_ids: dict[int, None] = {}
        self._new_kinds: dict[Workflow, Kind] = {}
        self._begun: dict[Organization, None] = {}  # those that had no events before
        self._opened: list[tuple[Workflow, int, OpenHour]] = []
        self._logged: dict[Workflow, int] = {}

    def plan(self, events: Sequence[Identified], letters: Sequence[Letter]) -> Plan:
        """What the batch does."""
        for letter in letters:
            self._letter(letter)
        new_ids, seen = self._new_ids, self._known.seen
        for one in events:
            id_hash = one.id_hash
            if id_hash is not None and (id_hash in new_ids or id_hash in seen):
                self._outcome.duplicates += 1
                continue
            fault = self._apply(one)
            if fault is not None:
                self._letter(Letter(fault, one.arrival.entry, one.arrival.raw))
            elif id_hash is not None:
                new_ids[id_hash] = None
        self._write()
        return Plan(
            self._operations,
            self._outcome,
            self._valid_until_ms,
            list(new_ids),
            self._new_kinds,
            list(self._begun),
            self._opened,
            [(fine, added.visitors, added.sessions) for fine, added in self._additions.items()],
            self._names,
            self._logged,
        )

    def _apply(self, one: Identified) -> Fault | None:
        event, workflow, place = one.arrival.event, one.workflow, one.place
        if place is None:
            return _TOO_OLD
        if workflow is None:
            if fault := self._too_old(place.day.end):
                return fault
            self._reach(one)
        else:
            kind = KIND_OF[event.type]
            fixed = workflow.kind or self._new_kinds.get(workflow)
            if fixed is not None and fixed != kind:
                return Fault("workflow_kind_mismatch", f"{event.type} belongs to {kind} workflows; this one is {fixed}")
            fine = workflow.fine(place)
            added = self._additions.get(fine)
            if added is None:
                # What is true of one of these 5 minutes is true of all.
                if fault := self._too_old(place.day.end) or (kind == "page_navigation" and self._sealed(fine)) or None:
                    return fault
                added = self._additions[fine] = Additions()
            if fixed is None:
                self._new_kinds[workflow] = kind
            self._add(one, fine, added)
        self._outcome.applied[event.type] = self._outcome.applied.get(event.type, 0) + 1
        if not one.organization.has_events:
            self._begun[one.organization] = None
        return None

    def _too_old(self, day_end: int) -> Fault | None:
        kept_until = day_end + self._retention.day
        if kept_until <= self._now:
            return _TOO_OLD
        self._valid_until_ms = min(self._valid_until_ms, kept_until * 1000)
        return None

    def _sealed(self, fine: Fine) -> Fault | None:
        workflow, start = fine.workflow, fine.place.hour.start
        hour = workflow.hours[start]
        if hour.sealed:
            return _SEALED
        self._valid_until_ms = min(self._valid_until_ms, hour.until_ms)
        # Two seconds less than Redis was told: an hour that may be gone is looked at again instead.
        until_ms = (self._retention.hour_expiry(fine.place.day, self._now) - 2) * 1000
        self._opened.append((workflow, start, OpenHour(sealed=False, until_ms=until_ms)))
        return None

    def _add(self, one: Identified, fine: Fine, added: Additions) -> None:
        """An event of the workflow itself."""
        event, visitor = one.arrival.event, one.visitor
        added.newest_us = max(added.newest_us, event.at_us)
        if visitor not in fine.visitors:
            added.visitors.add(visitor)
        if event.type == "page_view":
            if one.session not in fine.sessions:
                added.sessions.add(one.session)
        elif event.type == "workflow_started":
            added.count("started")
        elif event.type == "goal_triggered":
            goal_id = self._name(one)
            added.goal("triggered", goal_id, visitor, one.session)
        else:
            workflow = fine.workflow
            affected = self._visitor(one).interact(workflow.id, event.at_us, one.arrival.entry_ms)
            for goal in affected:
                self._affect(workflow, goal, visitor)

    def _reach(self, one: Identified) -> None:
        """An event of no workflow: a goal that affects those that its visitor interacted with."""
        event, arrival = one.arrival.event, one.arrival
        paid = event.units is not None and event.goal_name == PURCHASE_GOAL
        goal = Goal(
            event.at_us,
            self._name(one),
            one.session,
            event.units if paid else None,
            event.currency if paid else None,
            arrival.entry_ms,
            f"{arrival.entry}.{arrival.place}",
        )
        for workflow_id in self._visitor(one).reach(goal):
            self._affect(one.organization.workflow(workflow_id), goal, one.visitor)

    def _affect(self, workflow: Workflow, goal: Goal, visitor: str) -> None:
        fine = workflow.fine(workflow.organization.places.at(goal.at_us // 1_000_000))
        added = self._additions.get(fine)
        if added is None:
            added = self._additions[fine] = Additions()
        added.goal("affected", goal.goal_id, visitor, goal.session)
        if goal.units is not None and goal.currency is not None:
            added.paid(goal.currency, goal.units)

    def _visitor(self, one: Identified) -> Visitor:
        key = keys.visitor(self._partition, one.organization.id, one.visitor)
        state = self._visitors.get(key)
        if state is None:
            window_us = self._settings.affect_hours * 3_600_000_000
            state = Visitor(self._known.visitors.get(key, {}), window_us, self._settings.visitor_goals)
            self._visitors[key] = state
        return state

    def _name(self, one: Identified) -> str:
        """The event's goal; the newest event's name stands, at equal times the greater string."""
        event = one.arrival.event
        assert event.goal_id is not None  # noqa: S101 - decoding saw to it
        assert event.goal_name is not None  # noqa: S101
        key = keys.goal(self._partition, event.organization_id, event.goal_id)
        known = self._known.goals.get(key, _UNNAMED)
        named = (event.at_us, event.goal_name)
        if named > max(self._names.get(key, _UNNAMED), known):
            self._names[key] = named
            if named[1] != known[1]:
                self._renamed.add(event.organization_id)
        return event.goal_id

    def _letter(self, letter: Letter) -> None:
        reason = letter.fault.reason
        self._outcome.letters[reason] = self._outcome.letters.get(reason, 0) + 1
        fields: list[str | bytes] = [
            *("reason", reason),
            *("detail", letter.fault.detail),
            *("entry", letter.entry),
            *("event", letter.raw),
        ]
        # What an entry in a form of its own held beside is kept too, so that nothing of it is lost.
        kept = letter.fields
        if len(kept) > 2 * _MOST_FIELDS:
            kept = (b"fields", _FIELDS.encode(kept))
        for name, value in zip(kept[::2], kept[1::2], strict=True):
            fields += (f"field:{name.decode(errors='replace')}", value)
        self._operations.letter(fields)

    def _write(self) -> None:
        operations, partition, now = self._operations, self._partition, self._now
        of_workflows: dict[Workflow, list[tuple[Fine, Additions]]] = {}
        for fine, added in self._additions.items():
            of_workflows.setdefault(fine.workflow, []).append((fine, added))
        for workflow, fines in of_workflows.items():
            # One that is only affected was interacted with before.
            kind = workflow.kind or self._new_kinds.get(workflow, "interaction")
            self._logged[workflow] = write(
                operations, workflow, kind, fines, partition=partition, retention=self._retention, now=now
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
        for organization in self._begun:
            record = {"timezone": organization.zone.name, "has_events": "1", "since": str(organization.since_ms)}
            operations.put(keys.organization(partition, organization.id), record, 0)
        self._remembered.add(operations, list(self._new_ids), self._known.now_ms)
