"""Decisions about newer rules, held against buckets that were cut by the old ones and what brute force makes of the same events."""

from collections import defaultdict
from datetime import UTC, date, datetime, tzinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidedata.calendar.adoption import AdoptFuture, AdoptName, Decision, Keep, Recut, decide
from sidedata.calendar.explanation import explain_days
from sidedata.calendar.levels import Retention
from sidedata.calendar.rules import ZoneRules, read_rules, table_span
from sidedata.calendar.zones import Zone
from tests.support.oracle.local_time import local_date, local_hour
from tests.support.zones.files import HOUR, Changes, SeamZone, made_zone, second

NOW = second("2026-11-28T12:07:30")
DAY = 86400
KEPT = Retention(five_minutes=2 * DAY, hour=20 * DAY, day=60 * DAY, late=2 * DAY)
STEP = 600  # an event every 10 minutes; it is its own visitor
EDGE = (NOW - KEPT.day) // STEP * STEP - 3 * DAY

# Each as a release before and one after; the change of rules lies within the hours kept, which begin on 8 November.
WINTER: Changes = [("2026-03-08T10:00", -7 * HOUR), ("2026-11-15T09:00", -8 * HOUR), ("2027-03-14T10:00", -7 * HOUR)]
NO_WINTER: Changes = [("2026-03-08T10:00", -7 * HOUR)]
SUMMER: Changes = [("2026-03-22T02:00", HOUR)]
NO_SUMMER: Changes = [("2026-03-22T02:00", HOUR), ("2026-11-12T01:00", 0)]
EARLY: Changes = [("2026-03-29T00:00", 3 * HOUR), ("2026-11-22T00:00", 2 * HOUR)]
LATE: Changes = [("2026-03-29T01:00", 3 * HOUR), ("2026-11-22T01:00", 2 * HOUR)]
EAST = (-8 * HOUR, WINTER, NO_WINTER)
WEST = (0, SUMMER, NO_SUMMER)
CHISINAU = (2 * HOUR, EARLY, LATE)
# The same a month and more before, when the hours have gone.
OLD_EAST = (-8 * HOUR, [("2026-03-08T10:00", -7 * HOUR), ("2026-10-11T09:00", -8 * HOUR)], NO_WINTER)
OLD_WEST = (0, SUMMER, [("2026-03-22T02:00", HOUR), ("2026-10-11T01:00", 0)])


def rules(zone: tzinfo, release: str, now: int = NOW) -> ZoneRules:
    """A zone's table."""
    return read_rules("Test/Zone", release, zone, *table_span((now - KEPT.day) // DAY, now // DAY))


def pair(case: tuple[int, Changes, Changes]) -> tuple[tzinfo, tzinfo, ZoneRules, ZoneRules]:
    """The zones and the tables of two releases."""
    first, before, after = case
    old, new = made_zone(first, before), made_zone(first, after)
    return old, new, rules(old, "2026a"), rules(new, "2026b")


class Buckets:
    """Days and hours as a worker fills them; visitors are sets, and a day also has the visitors of each of its hours."""

    def __init__(self) -> None:
        self.hours: dict[int, set[int]] = defaultdict(set)
        self.days: dict[int, set[int]] = defaultdict(set)
        self.fields: dict[int, dict[tuple[int, int], set[int]]] = defaultdict(lambda: defaultdict(set))

    def fill(self, table: ZoneRules, start: int = EDGE, end: int = NOW + 300) -> "Buckets":
        """Events of a span, cut by a table."""
        zone = Zone(table)
        for at in range(start - start % STEP, end, STEP):
            day, hour = zone.day(at), zone.hour(at)
            self.hours[hour.start].add(at)
            self.days[day.start].add(at)
            self.fields[day.start][hour.index, hour.offset].add(at)
        return self

    def expire(self, table: ZoneRules, now: int = NOW) -> "Buckets":
        """Hours of days that are too old go."""
        zone = Zone(table)
        for start in [start for start in self.hours if not KEPT.keeps_hour(zone.day(start), now)]:
            del self.hours[start]
        return self

    def adopt(self, decision: Decision) -> "Buckets":
        """Carry out a decision, from the hours that are there."""
        if isinstance(decision, Recut):
            for start in (*decision.obsolete, *(day.start for day in decision.days)):
                self.days.pop(start, None)
                self.fields.pop(start, None)
            for day in decision.days:
                for hour in day.hours:
                    if visitors := self.hours.get(hour.start):
                        self.days[day.start] |= visitors
                        self.fields[day.start][hour.index, hour.offset] |= visitors
        return self

    def check(self, zone: tzinfo, now: int = NOW) -> None:
        """On all days kept, the buckets are what walking over the events with these rules gives."""
        days: dict[date, set[int]] = defaultdict(set)
        fields: dict[date, dict[tuple[int, int], set[int]]] = defaultdict(lambda: defaultdict(set))
        starts: dict[date, int] = {}
        for at in range(EDGE, now + 300, STEP):
            day, index, offset = local_hour(datetime.fromtimestamp(at, UTC), zone)
            days[day].add(at)
            fields[day][index, offset].add(at)
            starts.setdefault(day, at)
        oldest = local_date(datetime.fromtimestamp(now - KEPT.day, UTC), zone)
        expected = {starts[day]: days[day] for day in days if day >= oldest}
        assert {start: seen for start, seen in self.days.items() if start >= starts[oldest]} == expected
        for day, start in starts.items():
            if day >= oldest:
                assert self.fields[start] == fields[day], day


@pytest.mark.parametrize("case", [EAST, WEST, CHISINAU], ids=["east", "west", "chisinau"])
def test_days_whose_hours_are_kept_become_those_of_the_newer_rules(case: tuple[int, Changes, Changes]) -> None:
    """After the adoption all days are what a fresh installation with the newer rules has, without a seam."""
    _, new, stored, candidate = pair(case)
    decision = decide(stored, candidate, KEPT, NOW)
    assert isinstance(decision, Recut)
    assert (decision.seam, decision.rules) == (None, candidate)
    Buckets().fill(stored).expire(stored).adopt(decision).check(new)


def test_days_that_differ_in_their_hours_alone_are_cut_again() -> None:
    """A clock change that moves by an hour within its day leaves the days' keys and changes one day's hours."""
    _, _, stored, candidate = pair(CHISINAU)
    decision = decide(stored, candidate, KEPT, NOW)
    assert isinstance(decision, Recut)
    assert [date.fromordinal(day.ordinal) for day in decision.days] == [date(2026, 11, 22)]
    assert decision.obsolete == ()


def test_days_before_the_change_are_left_alone() -> None:
    """Days are cut again from the day of the change to the present one, and the old keys of all but the first go."""
    _, _, stored, candidate = pair(EAST)
    decision = decide(stored, candidate, KEPT, NOW)
    assert isinstance(decision, Recut)
    dates = [date.fromordinal(day.ordinal) for day in decision.days]
    assert (dates[0], dates[-1], len(dates)) == (date(2026, 11, 15), date(2026, 11, 28), 14)
    assert len(decision.obsolete) == 13
    assert all(Zone(stored).day(start).start == start for start in decision.obsolete)


@pytest.mark.parametrize("case", [OLD_EAST, OLD_WEST], ids=["east", "west"])
def test_days_without_hours_keep_their_cut_up_to_a_seam(case: tuple[int, Changes, Changes]) -> None:
    """From the first day with all of its hours on the newer rules hold; older days equal brute force under the seam."""
    old, new, stored, candidate = pair(case)
    decision = decide(stored, candidate, KEPT, NOW)
    assert isinstance(decision, Recut)
    assert decision.seam is not None
    assert decision.rules.since == date(2026, 11, 8)
    assert decision.rules.release == "2026b"
    Buckets().fill(stored).expire(stored).adopt(decision).check(SeamZone(old, new, decision.seam))


@pytest.mark.parametrize(
    ("case", "seam", "hours"),
    [
        # On 8 November one of the two releases also changes the clock, an hour after midnight or at it.
        ((-8 * HOUR, [("2026-10-11T09:00", -9 * HOUR), ("2026-11-08T10:00", -8 * HOUR)], []), "2026-11-08T09:00", 23),
        ((-8 * HOUR, [("2026-10-11T09:00", -9 * HOUR)], [("2026-11-08T10:00", -9 * HOUR)]), "2026-11-08T09:00", 24),
        ((2 * HOUR, [("2026-10-11T00:00", 3 * HOUR), ("2026-11-08T00:00", 2 * HOUR)], []), "2026-11-07T22:00", 25),
    ],
)
def test_a_seam_may_lie_on_the_day_of_a_clock_change(case: tuple[int, Changes, Changes], seam: str, hours: int) -> None:
    """The seam and a clock change cut the same day, and its hours are those of brute force."""
    old, new, stored, candidate = pair(case)
    decision = decide(stored, candidate, KEPT, NOW)
    assert isinstance(decision, Recut)
    assert decision.seam == second(seam)
    assert len(decision.days[0].hours) == hours
    Buckets().fill(stored).expire(stored).adopt(decision).check(SeamZone(old, new, decision.seam))


def test_a_change_by_half_an_hour_begins_at_the_adoption() -> None:
    """Half an hour moves the edges of hours, so what has happened keeps its cut, and the next hour begins with the newer rules."""
    old, new, stored, candidate = pair((-4 * HOUR, [], [("2026-11-15T04:00", -4 * HOUR - 1800)]))
    decision = decide(stored, candidate, KEPT, NOW)
    seam = second("2026-11-28T13:00")
    assert isinstance(decision, AdoptFuture)
    assert decision.first == seam
    assert decision.rules.same_offsets(stored.splice(candidate, seam))
    assert decision.rules.since == date(2026, 11, 28)
    later = NOW + 5 * DAY
    buckets = Buckets().fill(stored).adopt(decision)
    buckets.fill(decision.rules, NOW + 300, later + 300).check(SeamZone(old, new, seam), later)


def test_a_change_by_half_an_hour_that_is_over_changes_nothing_later() -> None:
    """Where both rules agree again, the seam lies in the past and nothing is cut again."""
    _, _, stored, candidate = pair((0, [], [("2026-11-10T00:00", 1800), ("2026-11-20T00:00", 0)]))
    decision = decide(stored, candidate, KEPT, NOW)
    assert isinstance(decision, AdoptFuture)
    assert decision.rules.same_offsets(stored)
    assert decision.rules.since == date(2026, 11, 20)


def test_rules_that_differ_in_the_future_alone_touch_no_bucket() -> None:
    """A change that is announced in time is a table to be written, and what has happened is cut alike by both."""
    _, new, stored, candidate = pair((0, SUMMER, [*SUMMER, ("2026-11-30T01:00", 0)]))
    decision = decide(stored, candidate, KEPT, NOW)
    assert decision == AdoptFuture(candidate, second("2026-11-30T01:00"))
    Buckets().fill(stored).check(new)


def test_a_change_later_today_touches_no_bucket() -> None:
    """The day's key and the hours that have begun are the same under both, though the day ends elsewhere."""
    _, new, stored, candidate = pair((0, SUMMER, [*SUMMER, ("2026-11-28T15:00", 0)]))
    decision = decide(stored, candidate, KEPT, NOW)
    assert decision == AdoptFuture(candidate, second("2026-11-28T15:00"))
    later = NOW + 2 * DAY
    Buckets().fill(stored).fill(candidate, NOW, later + 300).check(new, later)


def test_a_newer_release_with_the_same_offsets_is_adopted_by_name() -> None:
    """The stored table stays to the letter, with the name of the newer release."""
    _, _, stored, candidate = pair((0, SUMMER, SUMMER))
    decision = decide(stored, candidate, KEPT, NOW)
    assert decision == AdoptName(stored._replace(release="2026b"))
    later = NOW + 10 * DAY
    newer = rules(made_zone(0, SUMMER), "2026b", later)
    assert newer.start > stored.start
    assert decide(stored, newer, KEPT, later) == AdoptName(stored._replace(release="2026b"))


@pytest.mark.parametrize(
    ("stored_release", "release"),
    [
        ("2026b", "2026a"),
        ("2026a", "2025z"),
        ("2026za", "2026z"),
        ("2026a", "unknown"),
        ("2026a", "2026a"),
        ("unknown", "unknown"),
    ],
)
def test_what_is_not_newer_never_replaces(stored_release: str, release: str) -> None:
    """An older release, the same one, and data that name none leave the stored table alone, whatever they say."""
    _, _, stored, candidate = pair(EAST)
    stored = stored._replace(release=stored_release)
    assert decide(stored, candidate._replace(release=release), KEPT, NOW) == Keep(stored)


def test_a_named_release_replaces_data_that_name_none() -> None:
    """A table of an unknown release is older than any other."""
    _, _, stored, candidate = pair(EAST)
    assert isinstance(decide(stored._replace(release="unknown"), candidate, KEPT, NOW), Recut)


def test_a_new_organization_gets_the_table_as_it_is() -> None:
    """Without a table and without events there is nothing to cut."""
    _, _, _, candidate = pair(EAST)
    assert decide(None, candidate, KEPT, NOW) == AdoptFuture(candidate, None)


def test_a_table_grows_with_the_years() -> None:
    """In a new year the same release gives a table that reaches further; an older one gives none, and a seam stays."""
    old, _, stored, _ = pair(EAST)
    stored = stored._replace(since=date(2026, 11, 20))
    year = second("2027-01-01T00:00:05")
    grown = rules(old, "2026a", year)
    assert decide(stored, grown, KEPT, year) == AdoptFuture(grown._replace(since=stored.since), None)
    assert decide(stored, rules(old, "2025z", year), KEPT, year) == Keep(stored)


def test_longer_retention_gets_a_longer_table() -> None:
    """Where days are kept longer than before, the table begins earlier."""
    old, _, stored, _ = pair(EAST)
    longer = read_rules("Test/Zone", "2026a", old, stored.start - 300 * DAY, stored.end)
    assert decide(stored, longer, KEPT._replace(day=360 * DAY), NOW) == AdoptFuture(longer, None)


def test_two_adoptions_in_turn() -> None:
    """The second adoption starts from the seam of the first, and the days are those of brute force with both."""
    old, new, stored, candidate = pair(OLD_EAST)
    first = decide(stored, candidate, KEPT, NOW)
    assert isinstance(first, Recut)
    assert first.seam is not None
    buckets = Buckets().fill(stored).expire(stored).adopt(first)
    seamed = SeamZone(old, new, first.seam)

    later = NOW + 10 * DAY
    newest = made_zone(-8 * HOUR, [*NO_WINTER, ("2026-12-01T09:00", -8 * HOUR)])
    table = rules(newest, "2026c", later)
    buckets.fill(first.rules, NOW + 300, later + 300).expire(first.rules, later)
    second_one = decide(first.rules, table, KEPT, later)
    assert isinstance(second_one, Recut)
    assert second_one.rules.release == "2026c"
    assert second_one.rules.since == date(2026, 11, 8)  # what was cut by the first release is as old as before
    buckets.adopt(second_one).check(SeamZone(seamed, newest, second("2026-11-25")), later)


def test_adopting_twice_changes_nothing() -> None:
    """The table that an adoption leaves is kept when the same release comes again, from whichever worker."""
    for case in (EAST, WEST, CHISINAU, OLD_EAST, OLD_WEST):
        _, _, stored, candidate = pair(case)
        table = decide(stored, candidate, KEPT, NOW).rules
        assert decide(table, candidate, KEPT, NOW) == Keep(table)
        assert decide(table, stored, KEPT, NOW) == Keep(table)
        assert ZoneRules.decode(table.encode()) == table


def test_a_seam_is_forgotten_when_no_day_before_it_is_kept() -> None:
    """The next release is adopted without a seam once all days that were cut by the old rules have gone."""
    _, new, stored, candidate = pair(OLD_WEST)
    table = decide(stored, candidate, KEPT, NOW).rules
    assert table.since is not None
    later = NOW + 61 * DAY
    again = decide(table, rules(new, "2026c", later), KEPT, later)
    assert isinstance(again, AdoptFuture)
    assert again.rules.since is None


WHOLE = st.integers(-12, 14).map(lambda hours: hours * HOUR)
OFFSETS = st.one_of(WHOLE, WHOLE, WHOLE, st.sampled_from([1800, 5400, 20700]))
MOMENTS = st.integers((NOW - 70 * DAY) // 1800, (NOW + 3 * DAY) // 1800).map(
    lambda slot: datetime.fromtimestamp(slot * 1800, UTC).isoformat()
)
CHANGES = st.lists(st.tuples(MOMENTS, OFFSETS), max_size=3, unique_by=lambda change: change[0]).map(sorted)


@settings(max_examples=40, deadline=None)
@given(first=OFFSETS, before=CHANGES, after=CHANGES)
def test_any_change_of_rules_leaves_the_buckets_of_its_table(first: int, before: Changes, after: Changes) -> None:
    """Whatever differs between two releases, the buckets after the adoption are those of brute force by the table adopted."""
    _, _, stored, candidate = pair((first, before, after))
    decision = decide(stored, candidate, KEPT, NOW)
    buckets = Buckets().fill(stored).expire(stored).adopt(decision)
    spans = [end for _, end in decision.rules.differences(candidate) if end > NOW - KEPT.day]
    assert (decision.rules.since is None) == (not spans)
    later = NOW + 2 * DAY
    buckets.fill(decision.rules, NOW + 300, later + 300)
    fresh = Buckets().fill(decision.rules, EDGE, later + 300)
    oldest = Zone(decision.rules).day(NOW - KEPT.day).start
    assert {start: seen for start, seen in buckets.days.items() if start >= oldest} == {
        start: seen for start, seen in fresh.days.items() if start >= oldest
    }
    assert all(buckets.fields[start] == fresh.fields[start] for start in fresh.days if start >= oldest)


# --- records without a table ---


def test_day_keys_tell_the_table_that_cut_them() -> None:
    """Of the tables that machines hold, the one under which all day keys are midnights is the one in use."""
    _, _, stored, candidate = pair(EAST)
    for table in (stored, candidate):
        found = explain_days(Buckets().fill(table).days, [candidate, stored])
        assert found.rules == table
        assert found.strays == ()
    assert explain_days([], [candidate, stored]).rules == candidate


def test_an_installation_that_was_updated_has_days_of_both() -> None:
    """Day keys of the old rules up to a day and of the new ones after it make one table, and adoption then cuts what it can."""
    for case in (EAST, WEST):
        _, new, stored, candidate = pair(case)
        buckets = Buckets().fill(stored, EDGE, second("2026-11-20T12:00")).fill(candidate, second("2026-11-20T12:00"))
        found = explain_days(buckets.days, [candidate, stored])
        decision = decide(found.rules, candidate, KEPT, NOW, found.doubtful)
        assert isinstance(decision, Recut)
        buckets.expire(stored).adopt(decision).check(new)


def test_days_of_processes_side_by_side_are_strays_and_are_cut_again() -> None:
    """Workers of both rules leave days twice; the hours hold everything, and no stray is left, under both tables."""
    for case in (EAST, WEST):
        _, new, stored, candidate = pair(case)
        for most, few in ((stored, candidate), (candidate, stored)):
            buckets = Buckets().fill(most)
            for start, seen in Buckets().fill(few, second("2026-11-16T00:00"), second("2026-11-24T00:00")).days.items():
                buckets.days[start] |= seen  # each worker adds events to days of its own
            found = explain_days(buckets.days, [candidate, stored])
            assert found.rules == most
            assert found.strays
            decision = decide(found.rules, candidate, KEPT, NOW, found.doubtful)
            assert isinstance(decision, Recut)
            buckets.expire(stored).adopt(decision).check(new)


def test_hours_that_were_cut_both_ways_are_doubtful() -> None:
    """Where only the hours of a day differ, its key tells nothing, so that day is cut again in any case."""
    _, new, stored, candidate = pair(CHISINAU)
    buckets, mixed = Buckets().fill(stored), Buckets().fill(candidate)
    for start, fields in mixed.fields.items():
        for hour, seen in fields.items():
            buckets.fields[start][hour] |= seen
    found = explain_days(buckets.days, [candidate, stored])
    assert (found.rules, found.strays) == (candidate, ())
    decision = decide(found.rules, candidate, KEPT, NOW, found.doubtful)
    assert isinstance(decision, Recut)
    assert len(decision.days) == 1
    buckets.expire(stored).adopt(decision).check(new)


def test_strays_without_hours_are_left_to_expire() -> None:
    """Where the hours have gone there is nothing to mend days from, and the table stays as it is."""
    _, _, stored, _ = pair(EAST)
    strays = tuple(start + HOUR for start in Buckets().fill(stored, EDGE, NOW - 30 * DAY).days)
    assert decide(stored, stored, KEPT, NOW, strays) == Keep(stored)
