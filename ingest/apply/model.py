"""What a batch is planned from and what planning it comes to. Pure.

What the owner of a partition knows hangs together like this; it may forget any of it, and then asks Redis again:

    Organization ─▶ Workflow ─▶ Fine      a bucket of 5 minutes: which visitors and sessions it was given already
                        └─────▶ OpenHour  whether page views may still be added to an hour
"""

from collections.abc import Mapping

from msgspec import Struct, field

from sidedata.calendar.slots import Place, Places
from sidedata.calendar.zones import Zone
from sidedata.events.decode import Kind, Reason
from sidedata.events.hashing import Hasher
from sidedata.ingest.apply.entries import Arrival
from sidedata.operations import CHANGES_KEPT, Operations

NEVER_MS = 1 << 52


class OpenHour(Struct, frozen=True):
    """Whether page views may still be added to an hour of a workflow, and until when that is known to hold."""

    sealed: bool
    until_ms: int


class Fine:
    """A bucket of 5 minutes, and the ids that this owner has added to it: adding them again changes nothing.

    Nor does it to the hour and the day around it, which were given the same ids in the same commit.
    """

    __slots__ = ("place", "sessions", "visitors", "workflow")

    def __init__(self, workflow: "Workflow", place: Place) -> None:
        self.workflow = workflow
        self.place = place
        self.visitors: set[str] = set()
        self.sessions: set[str] = set()


class Workflow:
    """A workflow as its partition's owner knows it."""

    __slots__ = ("fines", "hours", "id", "kind", "logged", "organization", "read")

    def __init__(self, organization: "Organization", workflow_id: str) -> None:
        self.id = workflow_id
        self.organization = organization
        self.kind: Kind | None = None  # None: not fixed yet, or not read
        self.read = False
        self.logged = 2 * CHANGES_KEPT  # its log of changes names no more buckets; how many is not asked
        self.hours: dict[int, OpenHour] = {}  # by start
        self.fines: dict[int, Fine] = {}  # by start

    def fine(self, place: Place) -> Fine:
        """The 5 minutes of a place."""
        fine = self.fines.get(place.fine[0])
        if fine is None:
            fine = self.fines[place.fine[0]] = Fine(self, place)
        return fine


class Organization:
    """An organization as its partition's owner knows it: its zone, the hashes of its ids, its workflows."""

    def __init__(self, organization_id: str, zone: Zone, since_ms: int, hasher: Hasher, *, has_events: bool) -> None:
        self.id = organization_id
        self.zone = zone
        self.places = Places(zone)
        self.since_ms = since_ms  # salts event ids: after a purge the same ids may come again
        self.has_events = has_events
        self.visitors = hasher.of("visitor", organization_id)
        self.sessions = hasher.of("session", organization_id)
        self.event_ids = hasher.of(f"event {since_ms}", organization_id)
        self.workflows: dict[str, Workflow] = {}

    def workflow(self, workflow_id: str) -> Workflow:
        """The workflow of that id; one that is new to us is not read yet."""
        workflow = self.workflows.get(workflow_id)
        if workflow is None:
            workflow = self.workflows[workflow_id] = Workflow(self, workflow_id)
        return workflow


class Identified(Struct, gc=False):
    """An event, whom it is of (hashed), and where it belongs; None for no workflow, no id of its own, far too long ago."""

    arrival: Arrival
    organization: Organization
    workflow: Workflow | None
    visitor: str
    session: str
    id_hash: int | None
    place: Place | None


class Known(Struct):
    """What was read for a batch."""

    now_ms: int
    seen: set[int] = field(default_factory=set)
    visitors: dict[str, Mapping[bytes, bytes]] = field(default_factory=dict)  # by key
    goals: dict[str, tuple[int, str]] = field(default_factory=dict)  # by key: newest event, name


class Outcome(Struct):
    """What became of the events of a batch, for the metrics."""

    applied: dict[str, int] = field(default_factory=dict)  # by event type
    duplicates: int = 0
    letters: dict[Reason, int] = field(default_factory=dict)
    goals_dropped: int = 0


class Plan(Struct):
    """A batch ready to be committed, and what its owner will know then."""

    operations: Operations
    outcome: Outcome
    valid_until_ms: int
    new_ids: list[int]
    kinds: dict[Workflow, Kind]  # workflows whose kind this batch fixes
    organizations: list[Organization]  # those that had no events before
    opened: list[tuple[Workflow, int, OpenHour]]  # hours that this batch writes, by start
    added: list[tuple[Fine, set[str], set[str]]]  # visitors and sessions that are new to a bucket
    names: dict[str, tuple[int, str]]  # goals that this batch names, by key
    logged: dict[Workflow, int]  # how many buckets logs of changes may name
