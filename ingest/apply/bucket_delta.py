"""The additions of a batch to one bucket. Pure."""

from collections.abc import Sequence

from sidedata.events.decode import Kind
from sidedata.events.money import split_units
from sidedata.schema.counts import Role, goal_field, purchase_fields


class BucketDelta:
    """The additions to one bucket: hashed ids, counts, and the hashed ids of each goal by role."""

    __slots__ = ("counts", "goals", "kind", "newest_us", "sessions", "visitors")

    def __init__(self) -> None:
        self.kind: Kind | None = None  # of the events; None where there are only affected goals
        self.visitors: set[str] = set()
        self.sessions: set[str] = set()
        self.counts: dict[str, int] = {}
        self.goals: dict[str, tuple[set[str], set[str]]] = {}  # visitors and sessions, by the goal's field in counts
        self.newest_us = 0

    def count(self, field: str, by: int = 1) -> None:
        """Add to an exact count."""
        self.counts[field] = self.counts.get(field, 0) + by

    def count_goal(self, role: Role, goal_id: str, visitor: str, session: str) -> None:
        """Add an event of a goal that was triggered or affected."""
        name = goal_field(role, goal_id)
        self.count(name)
        visitors, sessions = self.goals.setdefault(name, (set(), set()))
        visitors.add(visitor)
        sessions.add(session)

    def add_purchase(self, currency: str, units: int) -> None:
        """Add a purchase, in units of 1/10,000."""
        for field, part in zip(purchase_fields(currency), split_units(units), strict=True):
            self.count(field, part)

    def merge(self, other: "BucketDelta") -> None:
        """Add the additions to another bucket."""
        self.visitors |= other.visitors
        self.sessions |= other.sessions
        for field, by in other.counts.items():
            self.count(field, by)
        for name, (visitors, sessions) in other.goals.items():
            goal_ids = self.goals.setdefault(name, (set(), set()))
            goal_ids[0].update(visitors)
            goal_ids[1].update(sessions)


def merged(deltas: Sequence[BucketDelta]) -> BucketDelta:
    """The additions of several buckets as one; at least one delta, which stays as it is."""
    if len(deltas) == 1:
        return deltas[0]
    whole = BucketDelta()
    for delta in deltas:
        whole.merge(delta)
    return whole
