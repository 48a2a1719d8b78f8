"""The domain model of a batch: the input of planning and its result. Pure.

Batch of StreamEvents ─▶ BatchQueries ─▶ BatchLookups
          └───────────────────────────────────┴─▶ Plan ─▶ Outcome
"""

from collections.abc import Iterable, Mapping
from typing import cast

from msgspec import Struct, field

from sidedata.calendar.slots import Slot
from sidedata.events.dead_letter import DeadLetter
from sidedata.events.decode import Event, Kind
from sidedata.ingest.organizations.organization import FinestBucket, OpenHour, Organization, Workflow
from sidedata.ingest.organizations.unknown_hours import UnknownHours
from sidedata.operations import Operations
from sidedata.schema.keys import Keyspace


class StreamEvent(Event, gc=False):
    """An event on its way through the worker: decoded (`Event`), then with its origin, then resolved.

    The origin is its entry's id and time, its position in the entry, and its bytes. The owner cache resolves it: hashed ids,
    organization, workflow and slot. `workflow` stays None for goal_reached, `id_hash` without an id, `slot` when the event is older
    than any bucket. The queries name the keys of the state that it changes: its visitor's for attribution, and its goal's name.
    """

    entry: str = ""
    entry_ms: int = 0
    position: int = 0
    raw: bytes = b""
    organization: Organization = cast("Organization", None)  # until it is resolved
    workflow: Workflow | None = None
    visitor: str = ""
    session: str = ""
    id_hash: int | None = None
    slot: Slot | None = None
    visitor_key: str = ""
    goal_key: str = ""


class BatchQueries(Struct):
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


class Batch(Struct):
    """Whole entries up to `entry`, the last of them: their events, and dead letters for the others."""

    entry: str
    entries: int
    events: list[StreamEvent]
    dead_letters: list[DeadLetter]
    queries: BatchQueries
    epoch: int  # of the owner cache when it resolved the events


class BatchLookups(Struct):
    """The state of Redis that a batch is planned on, and Redis's time."""

    now_ms: int
    applied_ids: set[int] = field(default_factory=set)
    visitors: dict[str, Mapping[bytes, bytes]] = field(default_factory=dict)  # fields of their state, by key
    goals: dict[str, tuple[int, str]] = field(default_factory=dict)  # by key: newest event, name


class Outcome(Struct):
    """The outcome of a batch."""

    entries: int = 0
    events: dict[str, int] = field(default_factory=dict)  # applied ones by type
    duplicates: int = 0
    dead_letters: dict[str, int] = field(default_factory=dict)  # by reason
    dead_letters_dropped: int = 0  # old ones, by age or number
    goals_dropped: int = 0


class Plan(Struct):
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
