"""What a batch is planned from and what planning it comes to. Pure."""

from collections.abc import Mapping

from msgspec import Struct, field

from ingest.aggregate import Places
from store.events import Kind, Reason
from store.hashing import Hasher
from store.operations import Operations
from store.zones import Zone

NEVER_MS = 1 << 52


class Organization:
    """An organization as its partition's owner knows it: its zone, and the hashes of its ids."""

    def __init__(self, organization_id: str, zone: Zone, since_ms: int, hasher: Hasher, *, has_events: bool) -> None:
        self.id = organization_id
        self.zone = zone
        self.places = Places(zone)
        self.since_ms = since_ms  # salts event ids: after a purge the same ids may come again
        self.has_events = has_events
        self.visitor = hasher.of("visitor", organization_id)
        self.session = hasher.of("session", organization_id)
        self.event_id = hasher.of(f"event {since_ms}", organization_id)


# Organization, workflow, and the start of one of its local hours.
WorkflowHour = tuple[str, str, int]


class OpenHour(Struct, frozen=True):
    """Whether page views may still be added to an hour of a workflow, and until when that is known to hold."""

    sealed: bool
    until_ms: int


class Known(Struct):
    """What was read for a batch."""

    now_ms: int
    seen: set[int] = field(default_factory=set)
    visitors: dict[str, Mapping[bytes, bytes]] = field(default_factory=dict)  # by key
    hours: dict[WorkflowHour, OpenHour] = field(default_factory=dict)
    goals: dict[str, tuple[int, str]] = field(default_factory=dict)  # by key: newest event, name


class Outcome(Struct):
    """What became of the events of a batch, for the metrics."""

    applied: dict[str, int] = field(default_factory=dict)  # by event type
    duplicates: int = 0
    letters: dict[Reason, int] = field(default_factory=dict)
    goals_dropped: int = 0


class Plan(Struct):
    """A batch ready to be committed."""

    operations: Operations
    outcome: Outcome
    valid_until_ms: int
    new_ids: int
    kinds: dict[tuple[str, str], Kind]  # workflows whose kind this batch fixes
    organizations: list[Organization]  # those that had no events before
    opened: dict[WorkflowHour, OpenHour]  # hours that this batch writes
    names: dict[str, tuple[int, str]]  # goals that this batch names, by key
