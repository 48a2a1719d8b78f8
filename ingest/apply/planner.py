"""The planning of a batch: resolved events become operations. Pure.

Only the owner of a partition writes it, so its reads still hold when it commits (the fence, the records' revision and
`valid_until_ms` see to it). Planning is therefore plain code over dictionaries:

    StreamEvent ─▶ duplicate? ─▶ too old? ─▶ wrong kind? ─▶ sealed hour? ─▶ BucketDelta, visitors' state
       └─▶ DeadLetter ◀────────────────┴──────────────┴───────────────┘
"""

from collections import Counter
from collections.abc import Sequence

from sidedata.calendar.levels import SLACK_SECONDS, Retention
from sidedata.calendar.zones import DAY_SECONDS
from sidedata.events.dead_letter import DeadLetter
from sidedata.events.decode import KIND_OF, PURCHASE_GOAL, Kind
from sidedata.events.rejection import TOO_OLD, Rejection, kind_mismatch
from sidedata.ingest.apply.attribution import FORGET_MS, Visitor
from sidedata.ingest.apply.bucket_delta import BucketDelta
from sidedata.ingest.apply.model import BatchLookups, Outcome, Plan, StreamEvent
from sidedata.ingest.apply.rollup import RollUp
from sidedata.ingest.dedup.deduplicator import Deduplicator
from sidedata.ingest.organizations.organization import FinestBucket, OpenHour, Organization, Workflow
from sidedata.operations import Operations
from sidedata.schema.counts import STARTED
from sidedata.schema.values import GoalName
from sidedata.schema.visitor_state import OuterGoal
from sidedata.settings import Settings
from sidedata.switching import switch_point

_SWITCH_EVENTS = 256  # some milliseconds
_UNNAMED = (-(1 << 62), "")  # older than any event
_SEALED = Rejection("too_old", "the hour is sealed: its count is stored, the sketch behind it is gone")


class Planner:
    """Plans one batch of one partition."""

    def __init__(
        self, settings: Settings, deduplicator: Deduplicator, lookups: BatchLookups, operations: Operations
    ) -> None:
        self._settings = settings
        self._deduplicator = deduplicator
        self._lookups = lookups
        self._retention = Retention.of(settings)
        self._now = lookups.now_ms // 1000
        self._operations = operations
        self._roll_up = RollUp(operations, self._retention, self._now)
        self._outcome = Outcome()
        self._types: list[str] = []  # of the events applied
        self._valid_until_ms = deduplicator.end_ms(lookups.now_ms)
        self._deltas: dict[FinestBucket, BucketDelta] = {}
        self._visitors: dict[str, Visitor] = {}
        self._goals: dict[str, tuple[int, str]] = {}
        self._name_changes: set[str] = set()  # organizations in which the name of a goal changes
        self._new_ids: dict[int, None] = {}
        self._new_kinds: dict[Workflow, Kind] = {}
        self._new_organizations: dict[Organization, None] = {}  # new ones, which had no events before
        self._open_hours: list[tuple[Workflow, int, OpenHour]] = []
        self._log_sizes: dict[Workflow, int] = {}

    def plan(self, events: Sequence[StreamEvent], dead_letters: Sequence[DeadLetter]) -> Plan:
        """Plan the batch."""
        for dead_letter in dead_letters:
            self._write_dead_letter(dead_letter)
        new_ids, applied_ids = self._new_ids, self._lookups.applied_ids
        for number, event in enumerate(events):
            if not number % _SWITCH_EVENTS:
                switch_point()
            id_hash = event.id_hash
            if id_hash is not None and (id_hash in new_ids or id_hash in applied_ids):
                self._outcome.duplicates += 1
                continue
            rejection = self._apply(event)
            if rejection is not None:
                self._write_dead_letter(DeadLetter.of(rejection, event.entry, event.raw, decoded=event))
            elif id_hash is not None:
                new_ids[id_hash] = None
        self._outcome.events = dict(Counter(self._types))
        self._write()
        return Plan(
            self._operations,
            self._outcome,
            self._valid_until_ms,
            list(new_ids),
            self._new_kinds,
            list(self._new_organizations),
            self._open_hours,
            [(bucket, delta.visitors, delta.sessions) for bucket, delta in self._deltas.items()],
            self._goals,
            self._log_sizes,
            self._roll_up.new_buckets,
        )

    def _apply(self, event: StreamEvent) -> Rejection | None:
        workflow, slot = event.workflow, event.slot
        if slot is None:
            return TOO_OLD
        if workflow is None:
            if rejection := self._reject_old(slot.day.end):
                return rejection
            self._reach(event)
        else:
            kind = KIND_OF[event.type]
            bucket = self._roll_up.finest_bucket(workflow, slot, kind)
            delta = self._deltas.get(bucket)
            if delta is None or delta.kind != kind:
                if rejection := self._open(bucket, event.type, kind, is_new=delta is None):
                    if delta is None and not bucket.visitors:
                        workflow.forget(bucket)  # a bucket without events is not counted among those of the cache
                    return rejection
                if delta is None:
                    delta = self._deltas[bucket] = BucketDelta()
                delta.kind = kind
            self._add(event, bucket, delta)
        self._types.append(event.type)
        if not event.organization.has_events:
            self._new_organizations[event.organization] = None
        return None

    def _open(self, bucket: FinestBucket, event_type: str, kind: Kind, *, is_new: bool) -> Rejection | None:
        """Open 5 minutes for events of a kind: the first one decides for all. They are not new where goals affect them already."""
        workflow = bucket.workflow
        fixed = workflow.kind or self._new_kinds.get(workflow)
        if fixed is not None and fixed != kind:
            return kind_mismatch(event_type, kind, fixed)
        rejection = self._reject_old(bucket.slot.day.end) if is_new else None
        if rejection is None and is_new and kind == "page_navigation":
            rejection = self._reject_sealed(bucket)
        if rejection is not None:
            return rejection
        if fixed is None:
            self._new_kinds[workflow] = kind
        return None

    def _reject_old(self, day_end: int) -> Rejection | None:
        until = day_end + self._retention.day
        if until <= self._now:
            return TOO_OLD
        self._valid_until_ms = min(self._valid_until_ms, until * 1000)
        return None

    def _reject_sealed(self, bucket: FinestBucket) -> Rejection | None:
        workflow, start = bucket.workflow, bucket.slot.hour.start
        hour = workflow.hours[start]
        if hour.sealed:
            return _SEALED
        self._valid_until_ms = min(self._valid_until_ms, hour.until_ms)
        # Two seconds less than the TTL that the commit sets: an hour that may have expired is looked up again instead.
        until_ms = (self._retention.hour_expiry(bucket.slot.day, self._now) - 2) * 1000
        self._open_hours.append((workflow, start, OpenHour(sealed=False, until_ms=until_ms)))
        return None

    def _add(self, event: StreamEvent, bucket: FinestBucket, delta: BucketDelta) -> None:
        """Add an event of a workflow."""
        visitor = event.visitor
        if event.at_us > delta.newest_us:  # noqa: PLR1730 - max() takes a tenth of a microsecond
            delta.newest_us = event.at_us
        if visitor not in bucket.visitors:
            delta.visitors.add(visitor)
        if event.type == "page_view":
            if event.session not in bucket.sessions:
                delta.sessions.add(event.session)
        elif event.type == "workflow_started":
            delta.count(STARTED)
        elif event.type == "goal_triggered":
            goal_id = self._name_goal(event)
            delta.count_goal("triggered", goal_id, visitor, event.session)
        else:
            workflow = bucket.workflow
            for goal in self._visitor(event).interact(workflow.id, event.at_us, event.entry_ms):
                self._affect(workflow, goal, visitor)

    def _reach(self, event: StreamEvent) -> None:
        """Add an event without a workflow: a goal that affects the workflows that its visitor interacted with."""
        is_purchase = event.units is not None and event.goal_name == PURCHASE_GOAL
        goal = OuterGoal(
            event.at_us,
            self._name_goal(event),
            event.session,
            event.units if is_purchase else None,
            event.currency if is_purchase else None,
            event.entry_ms,
            f"{event.entry}.{event.position}",
        )
        for workflow_id in self._visitor(event).reach(goal):
            self._affect(event.organization.workflow(workflow_id), goal, event.visitor)

    def _affect(self, workflow: Workflow, goal: OuterGoal, visitor: str) -> None:
        slot = workflow.organization.slots.at(goal.at_us // 1_000_000)
        bucket = self._roll_up.finest_bucket(workflow, slot, "interaction")
        delta = self._deltas.get(bucket)
        if delta is None:
            delta = self._deltas[bucket] = BucketDelta()
        delta.count_goal("affected", goal.goal_id, visitor, goal.session)
        if goal.units is not None and goal.currency is not None:
            delta.add_purchase(goal.currency, goal.units)

    def _visitor(self, event: StreamEvent) -> Visitor:
        switch_point()  # with all that may be kept of one visitor, an event takes milliseconds
        key = event.visitor_key
        state = self._visitors.get(key)
        if state is None:
            stored, window_us = self._lookups.visitors.get(key, {}), self._settings.affect_hours * 3_600_000_000
            state = self._visitors[key] = Visitor(stored, window_us, self._settings.visitor_goals)
        return state

    def _name_goal(self, event: StreamEvent) -> str:
        """Record the goal's name and return its id; the newest event's name wins, at equal times the greater string."""
        assert event.goal_id is not None  # noqa: S101 - decoding saw to it
        assert event.goal_name is not None  # noqa: S101
        key = event.goal_key
        stored = self._lookups.goals.get(key, _UNNAMED)
        name = (event.at_us, event.goal_name)
        if name > max(self._goals.get(key, _UNNAMED), stored):
            self._goals[key] = name
            if name[1] != stored[1]:
                self._name_changes.add(event.organization_id)
        return event.goal_id

    def _write_dead_letter(self, dead_letter: DeadLetter) -> None:
        self._outcome.dead_letters[dead_letter.reason] = self._outcome.dead_letters.get(dead_letter.reason, 0) + 1
        self._operations.dead_letter(dead_letter)

    def _write(self) -> None:
        operations, retention, now = self._operations, self._retention, self._now
        by_workflow: dict[Workflow, list[tuple[FinestBucket, BucketDelta]]] = {}
        for bucket, delta in self._deltas.items():
            by_workflow.setdefault(bucket.workflow, []).append((bucket, delta))
        for workflow, deltas in by_workflow.items():
            # A workflow that is only affected had interactions before.
            kind = workflow.kind or self._new_kinds.get(workflow, "interaction")
            self._log_sizes[workflow] = self._roll_up.write(workflow, kind, deltas)
        for key, (at_us, name) in self._goals.items():
            operations.set(key, GoalName(at_us, name).encode(), now + retention.day + retention.late + 2 * DAY_SECONDS)
        for organization_id in self._name_changes:
            operations.change_names(operations.keyspace.organization(organization_id))
        for key, visitor in self._visitors.items():
            if updates := visitor.updates():
                operations.put(key, updates, now + FORGET_MS // 1000 + SLACK_SECONDS)
            if deletions := visitor.deletions():
                operations.delete_fields(key, deletions)
            self._outcome.goals_dropped += visitor.goals_dropped
        for organization in self._new_organizations:
            key = operations.keyspace.organization(organization.id)
            operations.put(key, organization.first_record(), 0)
            if organization.rules is not None:
                operations.change_names(key)  # readers look there for a new table
            operations.list_organization(organization.id)
        self._deduplicator.add(operations, list(self._new_ids), self._lookups.now_ms)
