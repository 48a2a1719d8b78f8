"""Random changes of rules at random instants, held against the buckets of the table that is adopted."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from sidedata.calendar.adoption import decide
from sidedata.calendar.explanation import explain_days
from sidedata.calendar.rules import ZoneRules
from sidedata.calendar.zones import Zone
from tests.support.zones.buckets import DAY, EDGE, KEPT, NOW, Buckets, pair, rules
from tests.support.zones.files import HOUR, Changes, made_zone

WHOLE = st.integers(-12, 14).map(lambda hours: hours * HOUR)
OFFSETS = st.one_of(WHOLE, WHOLE, WHOLE, st.sampled_from([1800, 5400, 20700]))


def changes(last: int) -> st.SearchStrategy[Changes]:
    """Up to three clock changes, at any half hour from before the oldest day kept to some days after `last`."""
    moments = st.integers((NOW - 70 * DAY) // 1800, (last + 3 * DAY) // 1800).map(
        lambda slot: datetime.fromtimestamp(slot * 1800, UTC).isoformat()
    )
    return st.lists(st.tuples(moments, OFFSETS), max_size=3, unique_by=lambda change: change[0]).map(sorted)


def check(buckets: Buckets, table: ZoneRules, first: int, last: int) -> None:
    """From the local day of an instant on, the buckets are those of all events cut by the table."""
    fresh = Buckets().fill(table, EDGE, last + 300)
    oldest = Zone(table).day(first).start
    assert {start: seen for start, seen in buckets.days.items() if start >= oldest} == {
        start: seen for start, seen in fresh.days.items() if start >= oldest
    }
    assert all(buckets.fields[start] == fresh.fields[start] for start in fresh.days if start >= oldest)


@settings(max_examples=12, deadline=None)
@given(first=OFFSETS, before=changes(NOW), after=changes(NOW))
def test_any_change_of_rules_leaves_the_buckets_of_its_table(first: int, before: Changes, after: Changes) -> None:
    """Whatever differs between two releases, the buckets after the adoption are those of brute force by the table adopted."""
    _, _, stored, candidate = pair((first, before, after))
    decision = decide(stored, candidate, KEPT, NOW)
    buckets = Buckets().fill(stored).expire(stored).adopt(decision)
    spans = [end for _, end in decision.rules.differences(candidate) if end > NOW - KEPT.day]
    assert (decision.rules.since is None) == (not spans)
    later = NOW + 2 * DAY
    buckets.fill(decision.rules, NOW + 300, later + 300)
    check(buckets, decision.rules, NOW - KEPT.day, later)


@settings(max_examples=12, deadline=None)
@given(first=OFFSETS, releases=st.tuples(*[changes(NOW + 12 * DAY)] * 3), minutes=st.integers(1, 12 * 1440))
def test_any_two_changes_of_rules_in_turn(first: int, releases: tuple[Changes, Changes, Changes], minutes: int) -> None:
    """A second release some minutes or days after the first one, whatever seam that left."""
    later = NOW + 60 * minutes
    old, middle, newest = (made_zone(first, one) for one in releases)
    stored = rules(old, "2026a")
    one = decide(stored, rules(middle, "2026b"), KEPT, NOW)
    buckets = Buckets().fill(stored).expire(stored).adopt(one)
    buckets.fill(one.rules, NOW + 300, later + 300).expire(one.rules, later)
    two = decide(one.rules, rules(newest, "2026c", later), KEPT, later)
    buckets.adopt(two)
    check(buckets, two.rules, later - KEPT.day, later)
    end = later + DAY
    check(buckets.fill(two.rules, later + 300, end + 300), two.rules, later - KEPT.day, end)


@settings(max_examples=12, deadline=None)
@given(first=WHOLE, before=changes(NOW), after=changes(NOW), minutes=st.integers(0, 30 * 1440))
def test_any_two_rules_that_cut_one_after_the_other(first: int, before: Changes, after: Changes, minutes: int) -> None:
    """Of an installation without tables that was updated in mid-life, all days whose hours are kept come right."""
    _, _, stored, candidate = pair((first, before, after))
    updated = NOW - 60 * minutes
    buckets = Buckets().fill(stored, EDGE, updated).fill(candidate, updated)
    found = explain_days(buckets.days, [candidate, stored])
    decision = decide(found.rules, candidate, KEPT, NOW, found.doubtful)
    buckets.expire(stored).adopt(decision)
    table = decision.rules
    whole = all(offset % HOUR == 0 for one in (stored, candidate) for offset in one.offsets)
    if whole and table.same_offsets(candidate):
        check(buckets, table, Zone(table).day(NOW - KEPT.hour).end, NOW)
