"""The domain model of a batch: the input of planning and its result. Pure.

Batch of StreamEvents ─▶ BatchQueries ─▶ BatchLookups
          └───────────────────────────────────┴─▶ Plan ─▶ Outcome
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sidedata.calendar.slots import Slot
from sidedata.events.dead_letter import DeadLetter
from sidedata.events.decode import Event, Kind
from sidedata.ingest.organizations.organization import FinestBucket, OpenHour, Organization, Workflow
from sidedata.ingest.organizations.unknown_hours import UnknownHours
from sidedata.operations import Operations
from sidedata.schema.keys import Keyspace


class StreamEvent(Event):
    """An event on its way through the worker: its origin, then what was decoded (`Event`), then what it was resolved to.

    The origin is its entry's id and time, its position in the entry, and its bytes. The owner cache resolves it: hashed ids,
    organization, workflow and slot. `workflow` stays None for goal_reached, `id_hash` without an id, `slot` when the event is older
    than any bucket. The queries name the keys of the state that it changes: its visitor's for attribution, and its goal's name.
    """

    __slots__ = (
        "entry",
        "entry_ms",
        "goal_key",
        "id_hash",
        "organization",
        "position",
        "raw",
        "session",
        "slot",
        "visitor",
        "visitor_key",
        "workflow",
    )

    organization: Organization
    visitor: str
    session: str
    slot: Slot | None
    visitor_key: str
    goal_key: str

    def __init__(self, entry: str, entry_ms: int, position: int, raw: bytes) -> None:
        self.entry = entry
        self.entry_ms = entry_ms
        self.position = position
        self.raw = raw
        self.workflow: Workflow | None = None
        self.id_hash: int | None = None


def resolve_cached(
    events: Iterable[StreamEvent], organizations: Mapping[str, Organization], oldest_us: int
) -> list[StreamEvent]:
    """Resolve events by the organizations and workflows that the owner has cached; returns those of others.

    Args:
        oldest_us: the time before which no bucket is kept, in microseconds since the epoch.
    """
    missing: list[StreamEvent] = []
    for event in events:
        organization = organizations.get(event.organization_id)
        if organization is None:
            missing.append(event)
            continue
        workflow_id = event.workflow_id
        if workflow_id is not None:
            workflow = organization.workflows.get(workflow_id)
            if workflow is None or not workflow.is_loaded:
                missing.append(event)
                continue
            event.workflow = workflow
        event.organization = organization
        event.visitor = organization.visitors[event.visitor_id]
        event.session = organization.sessions[event.session_id]
        if event.id is not None:
            # An event without an id is identified by its entry, which is applied once anyway. The hash loses a bit,
            # because Redis's integers have a sign.
            event.id_hash = organization.event_ids.number(event.id) >> 1
        at_us = event.at_us
        event.slot = organization.slots.at(at_us // 1_000_000) if at_us >= oldest_us else None
    return missing


@dataclass
class BatchQueries:
    """The queries for the state that a batch is planned on: hashed ids, keys of visitors and goals, hours that may be sealed."""

    id_hashes: list[int] = field(default_factory=list)
    visitors: dict[str, None] = field(default_factory=dict)
    goals: dict[str, None] = field(default_factory=dict)
    hours: UnknownHours = field(default_factory=UnknownHours)

    def add(self, events: Iterable[StreamEvent], keyspace: Keyspace, now_ms: int) -> None:
        """Add those of resolved events. An hour is not asked for as long as it is known to be open."""
        id_hashes, visitors, goals = self.id_hashes, self.visitors, self.goals
        for event in events:
            if event.id_hash is not None:
                id_hashes.append(event.id_hash)
            event_type = event.type
            if event_type == "page_view":
                workflow, slot = event.workflow, event.slot
                if workflow is not None and slot is not None:
                    hour = workflow.hours.get(slot.hour.start)
                    if hour is None or hour.until_ms <= now_ms:
                        self.hours.add(workflow, slot)
                continue
            if event_type in ("interaction", "goal_reached"):
                key = event.visitor_key = keyspace.visitor(event.organization_id, event.visitor)
                visitors[key] = None
            if event.goal_id is not None:
                key = event.goal_key = keyspace.goal(event.organization_id, event.goal_id)
                goals[key] = None


@dataclass
class Batch:
    """Whole entries up to `entry`, the last of them: their events, and dead letters for the others."""

    entry: str
    entries: int
    events: list[StreamEvent]
    dead_letters: list[DeadLetter]
    queries: BatchQueries
    epoch: int  # of the owner cache when it resolved the events


@dataclass
class BatchLookups:
    """The state of Redis that a batch is planned on, and Redis's time."""

    now_ms: int
    applied_ids: set[int] = field(default_factory=set)
    visitors: dict[str, Mapping[bytes, bytes]] = field(default_factory=dict)  # fields of their state, by key
    goals: dict[str, tuple[int, str]] = field(default_factory=dict)  # by key: newest event, name


@dataclass
class Outcome:
    """The outcome of a batch."""

    entries: int = 0
    events: dict[str, int] = field(default_factory=dict)  # applied ones by type
    duplicates: int = 0
    dead_letters: dict[str, int] = field(default_factory=dict)  # by reason
    dead_letters_dropped: int = 0  # old ones, by age or number
    goals_dropped: int = 0


@dataclass
class Plan:
    """A batch ready to be committed, and the knowledge of its owner after that."""

    operations: Operations
    outcome: Outcome
    valid_until_ms: int
    new_ids: list[int]
    kinds: dict[Workflow, Kind]  # workflows whose kind this batch fixes
    organizations: list[Organization]  # new ones, which had no events before
    open_hours: list[tuple[Workflow, int, OpenHour]]  # hours that this batch writes, by start
    new_members: list[tuple[FinestBucket, set[str], set[str]]]  # visitors and sessions that are new to a bucket
    goals: dict[str, tuple[int, str]]  # goals that this batch names, by key: newest event, name
    log_sizes: dict[Workflow, int]  # upper bounds of logs of changes
    new_buckets: int  # number of buckets that this batch added to the cache
