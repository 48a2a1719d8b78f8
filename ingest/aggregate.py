"""What a batch adds to the buckets of each workflow. Pure.

Events are gathered in the finest bucket, 5 minutes, whatever their age: one dictionary look-up and two set additions for each.
`write` then rolls those up into the local hours and days that are kept at the batch's time, and hands them to the commit:

    5 minutes   ::::::::::::   only where kept
    local hour  |  |           where kept; the visitors of a page-navigation hour always, for the day's hourly counts
    local day   |--------|     always: what is older than the days kept was refused before
"""

from collections.abc import Iterator
from typing import NamedTuple

from store import keys
from store.cover import Retention
from store.events import Event, Kind
from store.money import parted
from store.operations import Operations
from store.zones import FINE_SECONDS, Day, Hour, Zone, five_minutes

_REMEMBERED_PLACES = 20_000


class Place(NamedTuple):
    """Where an instant belongs: its local day, its local hour, its 5 minutes."""

    day: Day
    hour: Hour
    fine: tuple[int, int]


class Places:
    """The places of a zone's instants; events come close together, so few places serve many."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._known: dict[int, Place] = {}

    def at(self, second: int) -> Place:
        """The place of an instant in whole seconds."""
        slot = second // FINE_SECONDS
        place = self._known.get(slot)
        # Where offsets once had odd minutes, 5 minutes of local time straddle two slots: what doesn't fit is looked up.
        if place is None or not place.fine[0] <= second < place.fine[1]:
            hour = self._zone.hour(second)
            place = Place(self._zone.day(second), hour, five_minutes(second, hour))
            if len(self._known) >= _REMEMBERED_PLACES:
                self._known.clear()
            self._known[slot] = place
        return place


class Bucket:
    """What is added to one bucket: ids (hashed), counts, and the ids behind each goal by role."""

    __slots__ = ("counts", "goals", "sessions", "visitors")

    def __init__(self) -> None:
        self.visitors: set[str] = set()
        self.sessions: set[str] = set()
        self.counts: dict[str, int] = {}
        self.goals: dict[str, tuple[set[str], set[str]]] = {}

    def count(self, field: str, by: int = 1) -> None:
        """Add to an exact count."""
        self.counts[field] = self.counts.get(field, 0) + by

    def goal(self, role: str, goal_id: str, visitor: str, session: str) -> None:
        """A goal was triggered or affected."""
        name = f"{role}:{goal_id}"
        self.count(name)
        visitors, sessions = self.goals.setdefault(name, (set(), set()))
        visitors.add(visitor)
        sessions.add(session)

    def paid(self, currency: str, units: int) -> None:
        """Money was spent, in units of 1/10,000."""
        high, low = parted(units)
        self.count(f"purchases:{currency}:high", high)
        self.count(f"purchases:{currency}:low", low)

    def merge(self, other: "Bucket") -> None:
        """Take in a finer bucket."""
        self.visitors |= other.visitors
        self.sessions |= other.sessions
        for field, by in other.counts.items():
            self.count(field, by)
        for name, (visitors, sessions) in other.goals.items():
            mine = self.goals.setdefault(name, (set(), set()))
            mine[0].update(visitors)
            mine[1].update(sessions)


class Additions:
    """What a batch adds to one workflow."""

    def __init__(self, kind: Kind) -> None:
        self.kind: Kind = kind
        self.newest_us = 0
        self.fines: dict[int, tuple[Place, Bucket]] = {}

    def bucket(self, place: Place) -> Bucket:
        """The finest bucket of a place."""
        known = self.fines.get(place.fine[0])
        if known is None:
            known = self.fines[place.fine[0]] = (place, Bucket())
        return known[1]

    def event(self, event: Event, place: Place, visitor: str, session: str) -> None:
        """An event of the workflow itself."""
        self.newest_us = max(self.newest_us, event.at_us)
        bucket = self.bucket(place)
        bucket.visitors.add(visitor)
        if event.type == "page_view":
            bucket.sessions.add(session)
        elif event.type == "workflow_started":
            bucket.count("started")
        elif event.type == "goal_triggered":
            assert event.goal_id is not None  # noqa: S101 - decoding saw to it
            bucket.goal("triggered", event.goal_id, visitor, session)


def write(
    operations: Operations,
    organization: str,
    workflow: str,
    additions: Additions,
    *,
    partition: int,
    retention: Retention,
    now: int,
) -> None:
    """Hand a workflow's additions to the commit, at every level that is kept at `now` (seconds)."""
    changed: list[str] = []
    for level, start, place, bucket in _levels(additions, retention, now):
        prefix = f"{keys.buckets(partition, organization, workflow, level)}{keys.instant(start)}:"
        changed.append(f"{level}:{start}")
        pages = additions.kind == "page_navigation"
        expiry = {
            "5min": retention.fine_expiry(place.hour),
            "hour": retention.hour_expiry(place.day, now),
            "day": retention.day_expiry(place.day, now),
        }[level]
        if bucket.visitors:
            operations.sketch(
                prefix + "visitors",
                bucket.visitors,
                expiry,
                _stored(level, place, partition, organization, workflow) if pages else None,
            )
        # An hour older than hours are kept serves its hourly count alone.
        if bucket.sessions and (level != "hour" or retention.keeps_hour(place.day, now)):
            operations.sketch(prefix + "sessions", bucket.sessions, expiry)
        for name, (visitors, sessions) in bucket.goals.items():
            operations.sketch(f"{prefix}{name}:visitors", visitors, expiry)
            operations.sketch(f"{prefix}{name}:sessions", sessions, expiry)
        if bucket.counts or (pages and level == "day"):
            operations.add(prefix + "counts", bucket.counts, expiry)
    if changed:
        operations.workflow(partition, organization, workflow, additions.kind, additions.newest_us, changed, now)


def _levels(additions: Additions, retention: Retention, now: int) -> Iterator[tuple[keys.Level, int, Place, Bucket]]:
    """Every bucket that is kept: level, start, a place inside it, and what it gets."""
    hours: dict[int, tuple[Place, Bucket]] = {}
    days: dict[int, tuple[Place, Bucket]] = {}
    for place, bucket in additions.fines.values():
        if not retention.keeps_day(place.day, now):
            continue  # a late interaction found a goal whose day has gone since
        if retention.keeps_fine(place.hour, now):
            yield "5min", place.fine[0], place, bucket
        if additions.kind == "page_navigation" or retention.keeps_hour(place.day, now):
            _, merged = hours.setdefault(place.hour.start, (place, Bucket()))
            merged.merge(bucket)
        _, merged = days.setdefault(place.day.start, (place, Bucket()))
        merged.merge(bucket)
    for start, (place, bucket) in hours.items():
        yield "hour", start, place, bucket
    for start, (place, bucket) in days.items():
        yield "day", start, place, bucket


def _stored(
    level: keys.Level, place: Place, partition: int, organization: str, workflow: str
) -> tuple[str, str] | None:
    """Where the number of a sketch's visitors is stored: hours and days in the counts of their day."""
    if level == "5min":
        return None
    counts = f"{keys.buckets(partition, organization, workflow, 'day')}{keys.instant(place.day.start)}:counts"
    return counts, "visitors" if level == "day" else keys.hour_field(place.hour.index, place.hour.offset)
