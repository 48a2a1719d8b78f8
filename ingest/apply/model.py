"""The domain model of a batch: the input of planning and its result. Pure.

The knowledge of a partition's owner is a tree; the owner may drop any of it, and then reads it from Redis again:

    Organization ─▶ Workflow ─▶ FiveMinuteBucket   the visitors and sessions that were added to it already
                        └─────▶ OpenHour           the permission to add page views to an hour

The data's way: Batch of StreamEvents + BatchLookups ─▶ Plan ─▶ Outcome
"""

from collections.abc import Mapping
from typing import cast

from msgspec import Struct, field

from sidedata.calendar.reporting import stored_rules, zone_of
from sidedata.calendar.slots import FormerSlots, Slot, Slots
from sidedata.calendar.zones import Zone
from sidedata.events.dead_letter import DeadLetter
from sidedata.events.decode import Event, Kind
from sidedata.events.hashing import Hasher
from sidedata.operations import CHANGES_KEPT, Operations
from sidedata.schema.values import HAS_EVENTS, FormerCut

NEVER_MS = 1 << 52


class OpenHour(Struct, frozen=True):
    """The state of an hour of a workflow: no page views may be added to a sealed one. It holds until `until_ms`."""

    sealed: bool
    until_ms: int

    @classmethod
    def of_sketch(cls, ttl_ms: int, now_ms: int, *, is_stored: bool) -> "OpenHour":
        """The state by the TTL of the hour's sketch (see PTTL): open while that exists, or if its count was never stored."""
        if ttl_ms == -2:
            return cls(sealed=is_stored, until_ms=NEVER_MS)
        return cls(sealed=False, until_ms=NEVER_MS if ttl_ms < 0 else now_ms + ttl_ms)


class FiveMinuteBucket:
    """A bucket of 5 minutes, and the ids that this owner has added to it: adding them again is a no-op.

    So it is in the hour and the day around it, which got the same ids in the same commit.
    """

    __slots__ = ("sessions", "slot", "visitors", "workflow")

    def __init__(self, workflow: "Workflow", slot: Slot) -> None:
        self.workflow = workflow
        self.slot = slot
        self.visitors: set[str] = set()
        self.sessions: set[str] = set()


class Workflow:
    """A workflow in the cache of its partition's owner."""

    __slots__ = ("five_minutes", "hours", "id", "is_loaded", "kind", "log_size", "organization")

    def __init__(self, organization: "Organization", workflow_id: str) -> None:
        self.id = workflow_id
        self.organization = organization
        self.kind: Kind | None = None  # None: not fixed yet, or not loaded
        self.is_loaded = False
        self.log_size = 2 * CHANGES_KEPT  # an upper bound of its log of changes, whose real size is not read
        self.hours: dict[int, OpenHour] = {}  # by start
        self.five_minutes: dict[int, FiveMinuteBucket] = {}  # by start

    def bucket(self, slot: Slot) -> FiveMinuteBucket:
        """The bucket of a slot's 5 minutes."""
        start = slot.five_minutes[0]
        bucket = self.five_minutes.get(start)
        if bucket is None:
            bucket = self.five_minutes[start] = FiveMinuteBucket(self, slot)
        return bucket


class Organization:
    """An organization in the cache of its partition's owner: its zone, the hashes of its ids, its workflows."""

    def __init__(
        self,
        organization_id: str,
        zone: Zone,
        rules: str | None,
        id_epoch_ms: int,
        hasher: Hasher,
        *,
        has_events: bool,
        former: FormerCut | None = None,
    ) -> None:
        self.id = organization_id
        self.zone = zone
        self.rules = rules  # the table of the zone, as the first commit stores it; None to store none
        self.slots = Slots(zone)
        self.former_cut = former  # the first commit stores it with the table
        before = None if former is None else stored_rules(zone.name, former.rules)
        # Days that are written by the table before, too; None for none.
        self.former = None if former is None or before is None else FormerSlots(zone_of(before), zone, former.until)
        self.id_epoch_ms = id_epoch_ms  # salts event ids: after a purge the same ids may come again
        self.has_events = has_events
        self.visitors = hasher.of("visitor", organization_id)
        self.sessions = hasher.of("session", organization_id)
        self.event_ids = hasher.of(f"event {id_epoch_ms}", organization_id)
        self.workflows: dict[str, Workflow] = {}

    def first_record(self) -> dict[str, str]:
        """The fields of its record that its first events write."""
        record = {"timezone": self.zone.name, "has_events": HAS_EVENTS, "since": str(self.id_epoch_ms)}
        if self.rules is not None:
            record["rules"] = self.rules
        if self.former_cut is not None:
            record["former"] = self.former_cut.encode()
        return record

    def workflow(self, workflow_id: str) -> Workflow:
        """The workflow of that id; a new one is not loaded yet."""
        workflow = self.workflows.get(workflow_id)
        if workflow is None:
            workflow = self.workflows[workflow_id] = Workflow(self, workflow_id)
        return workflow


class StreamEvent(Event, gc=False):
    """An event on its way through the worker: decoded (`Event`), then with its origin, then resolved.

    The origin is its entry's id and time, its position in the entry, and its bytes. The owner cache resolves it: hashed ids,
    organization, workflow and slot. `workflow` stays None for goal_reached, `id_hash` without an id, `slot` when the event is older
    than any bucket.
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


class Batch(Struct):
    """Whole entries up to `entry`, the last of them: their events, and dead letters for the others."""

    entry: str
    entries: int
    events: list[StreamEvent]
    dead_letters: list[DeadLetter]
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
    new_members: list[tuple[FiveMinuteBucket, set[str], set[str]]]  # visitors and sessions that are new to a bucket
    goals: dict[str, tuple[int, str]]  # goals that this batch names, by key: newest event, name
    log_sizes: dict[Workflow, int]  # upper bounds of logs of changes
