"""The decision about newer rules of a zone: which table is stored next, and which local days are cut again from their hours. Pure.

A day bucket is keyed by the UTC start of its local day. Where newer rules move that start, or hours of the day, in the past,
the day is built again from hour buckets. They are instants and stay right as long as the offset moves by whole hours. Days whose
hours are gone keep their cut: the table then holds the old offsets up to a seam.

Three tables are tried in this order, and the first that can be had is taken:

1. the newer rules as they are;
2. the old offsets up to the first local day whose hours are kept, the newer ones from it on;
3. the old offsets up to the next edge of an hour that lies ahead, for changes by part of an hour: they move the edges of hours.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from sidedata.calendar.levels import Retention
from sidedata.calendar.rules import ZoneRules, release_order, seam_date
from sidedata.calendar.zones import DAY_SECONDS, Day, Hour, Zone, table_zone

# Events may be 5 minutes ahead of their stream entry; what begins later than this holds nothing yet.
_AHEAD_SECONDS = 600


class Keep(NamedTuple):
    """The stored table stays."""

    rules: ZoneRules


class AdoptName(NamedTuple):
    """The stored offsets are those of a newer release: its name alone is written."""

    rules: ZoneRules


class AdoptFuture(NamedTuple):
    """The table is written, and no bucket changes: it differs from `first` on, or reaches further (`first` is None)."""

    rules: ZoneRules
    first: int | None


class Recut(NamedTuple):
    """The table is written together with local days that are built from their hours.

    `days` are the new ones, in order. A day's key is its `start`; it is the union of the hour buckets with the starts of its
    `hours`, each of which also gives a field `visitors@HH+off`, from `index` and `offset`. Hours without a bucket are empty. All
    fields of the old day go. `obsolete` are starts of day buckets that no longer exist. `seam` is the first instant
    with the newer offsets, in seconds since the epoch; None: all days kept are of the newer release.
    """

    rules: ZoneRules
    seam: int | None
    days: tuple[Day, ...]
    obsolete: tuple[int, ...]


Decision = Keep | AdoptName | AdoptFuture | Recut


# The organizations of one zone mostly have the same table: of 1,000 in one pass, few have to be decided.
@lru_cache(maxsize=512)
def decide(
    stored: ZoneRules | None, candidate: ZoneRules, retention: Retention, now: int, doubtful: tuple[int, ...] = ()
) -> Decision:
    """Compare the stored rules with those of a source.

    Args:
        stored: the organization's table; None where it has neither table nor events.
        candidate: the source's table, from before the oldest day kept.
        retention: how long buckets are kept.
        now: seconds since the epoch; the caller commits no events between the decision and what it does about it.
        doubtful: starts of days that are cut again in any case where their hours are kept, see `explain_days`.
    """
    if stored is None:
        return AdoptFuture(candidate, None)
    newer = release_order(candidate.release) > release_order(stored.release)
    if release_order(candidate.release) < release_order(stored.release):
        return Keep(stored)
    grown = candidate.start < stored.start or stored.end < candidate.end
    if not newer and not grown and not doubtful:
        return Keep(stored)
    fitted = stored.fitted(candidate)
    if not newer:
        candidate = fitted  # of one release a table that reaches further is taken, and a table that differs is not
    history = _History(table_zone(fitted), retention, now, doubtful)
    rules, seam, days = history.first_possible(candidate)
    since = seam_date(rules, candidate, history.oldest) if newer else stored.since
    rules = rules._replace(since=since)
    if days:
        return Recut(rules, seam if since else None, days, history.obsolete(days))
    different = rules.differences(fitted)
    if different or grown or since != stored.since:
        return AdoptFuture(rules, different[0][0] if different else None)
    return AdoptName(stored._replace(release=candidate.release)) if newer else Keep(stored)


class _History:
    """The buckets that exist: days and hours by the stored rules, up to the horizon, and the doubtful days."""

    def __init__(self, stored: Zone, retention: Retention, now: int, doubtful: tuple[int, ...]) -> None:
        self._stored = stored
        self._retention = retention
        self._now = now
        self._horizon = now + _AHEAD_SECONDS
        self._doubtful = doubtful
        self.oldest = now - retention.day

    def first_possible(self, candidate: ZoneRules) -> tuple[ZoneRules, int | None, tuple[Day, ...]]:
        """The first table that can be had, its seam, and the days that are cut again for it."""
        for rules, seam in self._tables(candidate):
            days = self._changed_days(table_zone(rules))
            if days is not None:
                return rules, seam, days
        raise AssertionError("a table that differs in the future alone is always possible")

    def _tables(self, candidate: ZoneRules) -> Iterator[tuple[ZoneRules, int | None]]:
        yield candidate, None
        zone, old = table_zone(candidate), self._stored.rules
        day = self._stored.day(self._now - self._retention.hour)
        while day.start <= self._now:
            # Either the old or the new midnight leaves the day before as it is: the later of the two.
            for seam in dict.fromkeys((day.start, zone.day(day.start + DAY_SECONDS // 2).start)):
                yield old.splice(candidate, seam), seam
            day = self._stored.day(day.end)
        seam = self._stored.hour(self._horizon).end
        yield old.splice(candidate, seam), seam

    def _changed_days(self, merged: Zone) -> tuple[Day, ...] | None:
        """The days that differ from the stored ones, or are doubtful; None: hours of a day that differs are missing."""
        different = [start for start, _ in merged.rules.differences(self._stored.rules)]
        first = min((*different, *self._doubtful), default=self._horizon) - 2 * DAY_SECONDS
        changed: list[Day] = []
        at = merged.day(max(first, self.oldest)).start
        while at < self._horizon:
            day = merged.day(at)
            at = day.end
            same = self._past(day) == self._past(self._stored.day(day.start))
            if same and not any(start < day.end and day.start < start + DAY_SECONDS for start in self._doubtful):
                continue
            if all(self._has(hour) for hour in day.hours):
                changed.append(day)
            elif not same:
                return None
        return tuple(changed)

    def _past(self, day: Day) -> tuple[int, int, list[tuple[int, int, int, int]]]:
        """The part of a day that can hold something."""
        end = self._horizon
        hours = [(h.start, min(h.end, end), h.index, h.offset) for h in day.hours if h.start < end]
        return day.start, min(day.end, end), hours

    def _has(self, hour: Hour) -> bool:
        """Tell if an hour's bucket is there under the same start, or if nothing can have happened in it."""
        if hour.start >= self._horizon:
            return True
        old = self._stored.hour(hour.start)
        same = old.start == hour.start and min(old.end, self._horizon) == min(hour.end, self._horizon)
        return same and self._retention.keeps_hour(self._stored.day(hour.start), self._now)

    def obsolete(self, days: tuple[Day, ...]) -> tuple[int, ...]:
        """The starts of stored and doubtful days that overlap the days cut again and begin none of them."""
        starts: set[int] = set()
        for day in days:
            at = self._stored.day(day.start).start
            while at < min(day.end, self._horizon):
                starts.add(at)
                at = self._stored.day(at).end
            starts.update(start for start in self._doubtful if day.start <= start < day.end)
        return tuple(sorted(starts - {day.start for day in days}))
