"""The knowledge of a partition's owner, a tree. Pure.

The owner may drop any of it, and then reads it from Redis again:

Organization ─▶ Workflow ─▶ FinestBucket   the visitors and sessions that were added to it already
                    ├─────▶ Bucket         names of keys and expiries
                    └─────▶ OpenHour       the permission to add page views to an hour
"""

from collections.abc import Sequence

from sidedata.calendar.levels import LEVELS, Level
from sidedata.calendar.reporting import stored_rules, zone_of
from sidedata.calendar.slots import FormerSlots, Slot, slots_of
from sidedata.calendar.zones import Zone
from sidedata.events.decode import Kind
from sidedata.events.hashing import Hasher
from sidedata.ingest.organizations.bucket import Bucket
from sidedata.operations import CHANGES_KEPT, SettledKeys
from sidedata.schema.keys import Keyspace, bucket_prefix
from sidedata.schema.values import HAS_EVENTS, FormerCut

NEVER_MS = 1 << 52


class OpenHour:
    """The state of an hour of a workflow: no page views may be added to a sealed one. It holds until `until_ms`."""

    __slots__ = ("sealed", "until_ms")

    def __init__(self, *, sealed: bool, until_ms: int) -> None:
        self.sealed = sealed
        self.until_ms = until_ms

    @classmethod
    def of_sketch(cls, ttl_ms: int | None, now_ms: int) -> "OpenHour":
        """The state by the TTL of the hour's sketch (see PTTL): open while that exists; None if its count was never stored."""
        if ttl_ms is None or ttl_ms < 0:
            return cls(sealed=ttl_ms == -2, until_ms=NEVER_MS)
        return cls(sealed=False, until_ms=now_ms + ttl_ms)


class FinestBucket:
    """The finest bucket for events of some age, and the ids that this owner has added to it: adding them again is a no-op.

    So it is in the coarser buckets around it, which got the same ids in the same commit.
    """

    __slots__ = ("level", "levels", "sessions", "settled", "settled_until", "slot", "visitors", "workflow")

    def __init__(self, workflow: "Workflow", level: Level, slot: Slot) -> None:
        self.workflow = workflow
        self.level = level
        self.slot = slot  # of one of its events
        self.levels: Sequence[Bucket] = ()  # itself and the coarser ones, once they are made
        self.settled: SettledKeys | None = None  # of itself and the coarser ones ...
        self.settled_until = 0  # ... until then, in seconds since the epoch
        self.visitors: set[str] = set()
        self.sessions: set[str] = set()


class Workflow:
    """A workflow in the cache of its partition's owner."""

    __slots__ = (
        "_prefixes",
        "buckets",
        "coarse",
        "five_minutes",
        "hours",
        "id",
        "is_loaded",
        "keys",
        "kind",
        "log_size",
        "organization",
    )

    def __init__(self, organization: "Organization", workflow_id: str) -> None:
        self.id = workflow_id
        self.organization = organization
        self.keys = organization.keyspace.of_workflow(organization.id, workflow_id)
        self.kind: Kind | None = None  # None: not fixed yet, or not loaded
        self.is_loaded = False
        self.log_size = 2 * CHANGES_KEPT  # an upper bound of its log of changes, whose real size is not read
        self.hours: dict[int, OpenHour] = {}  # by start
        self.buckets: dict[tuple[Level, int], Bucket] = {}  # by level and start
        self.five_minutes: dict[int, FinestBucket] = {}  # by start
        self.coarse: dict[tuple[Level, int], FinestBucket] = {}  # where no 5 minutes are kept
        self._prefixes = {level: organization.keyspace.buckets(organization.id, workflow_id, level) for level in LEVELS}

    def bucket_prefix(self, level: Level, start: int) -> str:
        """The common beginning of a bucket's keys, the last colon included; `start` is in seconds since the epoch."""
        return bucket_prefix(self._prefixes[level], start)

    def finest_bucket(self, slot: Slot) -> FinestBucket:
        """The bucket of a slot's 5 minutes."""
        start = slot.five_minutes[0]
        bucket = self.five_minutes.get(start)
        if bucket is None:
            bucket = self.five_minutes[start] = FinestBucket(self, "5min", slot)
        return bucket

    def coarse_bucket(self, slot: Slot, level: Level) -> FinestBucket:
        """The bucket of a slot's hour or day."""
        key = _coarse_key(slot, level)
        bucket = self.coarse.get(key)
        if bucket is None:
            bucket = self.coarse[key] = FinestBucket(self, level, slot)
        return bucket

    def forget(self, bucket: FinestBucket) -> None:
        """Drop a finest bucket, and the ids in it, from the cache."""
        if bucket.level == "5min":
            self.five_minutes.pop(bucket.slot.five_minutes[0], None)
        else:
            self.coarse.pop(_coarse_key(bucket.slot, bucket.level), None)


class Organization:
    """An organization in the cache of its partition's owner: its zone, the hashes of its ids, its workflows."""

    def __init__(
        self,
        organization_id: str,
        keyspace: Keyspace,
        zone: Zone,
        rules: str | None,
        id_epoch_ms: int,
        hasher: Hasher,
        *,
        has_events: bool,
        former: FormerCut | None = None,
    ) -> None:
        self.id = organization_id
        self.keyspace = keyspace
        self.zone = zone
        self.rules = rules  # the table of the zone, as the first commit stores it; None to store none
        self.slots = slots_of(zone)
        self.former_cut = former  # the first commit stores it with the table
        before = None if former is None else stored_rules(zone.name, former.rules)
        # Days and hours that are written by the table before, too; None for none.
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

    def forget_buckets(self) -> None:
        """Drop the buckets and the ids in them; the next batches make them again."""
        for workflow in self.workflows.values():
            workflow.buckets.clear()
            workflow.five_minutes.clear()
            workflow.coarse.clear()

    def forget_hashes(self) -> None:
        """Drop the hashes of ids, which are computed again."""
        self.visitors.clear()
        self.sessions.clear()


def _coarse_key(slot: Slot, level: Level) -> tuple[Level, int]:
    return level, slot.day.start if level == "day" else slot.hour.start
